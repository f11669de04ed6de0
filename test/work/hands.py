#!/usr/bin/python3
"""Workers of the C++ library as processes: told to stop, ordered about, and killed.

    hands.py path/to/penstock path/to/work_hand

Nothing here sleeps: it waits for what workers write, for ends of processes, and at the server.
"""
import os
import pathlib
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # of what is imported from beside this
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from lives.fronts import Http  # noqa: E402
from lives.world import tell  # noqa: E402
from server import PATIENCE as FAR, Server  # noqa: E402


class Hand:
    """One worker; its events are what it writes, line by line."""

    def __init__(self, program, server, folder, name, threads=1, grace_ms=60_000):
        with open(folder / f"{name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [program, server.url, name, str(threads), str(grace_ms)],
                stdout=subprocess.PIPE, stderr=log, text=True)
        self.name = name
        self.events = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.expect("ready")

    def listen(self):
        for line in self.process.stdout:
            self.events.put(line.split())
        self.events.put(["ended"])

    def expect(self, kind):
        try:
            event = self.events.get(timeout=FAR)
        except queue.Empty:
            raise AssertionError(f"{self.name} never says {kind}") from None
        assert event[0] == kind, f"{self.name}: {event} instead of {kind}"
        return [int(word) for word in event[1:]]

    def says_nothing_more(self):
        self.expect("ended")
        assert self.events.empty(), f"{self.name} says more after its end"


class Hands:
    def __init__(self, penstock, hand, folder):
        self.hand, self.folder = hand, folder
        self.server = Server(penstock, folder)
        self.http = Http(self.server)
        self.pipes = {}

    def start(self, name, **options):
        return Hand(self.hand, self.server, self.folder, name, **options)

    def ask(self, method, path, body=None):
        status, answer = self.http.ask(method, path, body)
        assert status < 300, (status, answer)
        return answer

    def submit(self, name, *arguments):
        answer = self.ask("POST", f"/v1/tasks/{name}",
                          {"args": arguments, "options": {"queue": "hands"}})
        return int(answer["id"])

    def pipe(self):
        path = str(self.folder / f"pipe-{len(self.pipes)}")
        os.mkfifo(path)
        self.pipes[path] = os.open(path, os.O_RDWR)  # so that neither end waits for the other
        return path

    def release(self, pipe, times=1):
        """The task that holds on to it, or will."""
        os.write(self.pipes[pipe], b"!" * times)

    def task(self, identity, wait=False):
        return self.ask("GET", f"/v1/tasks/{identity}" + (f"?wait={FAR}s" if wait else ""))

    def worker(self, name, fits):
        """It as the server lists it, once that fits."""
        until = time.monotonic() + FAR
        worker = None
        while time.monotonic() < until:
            for worker in self.ask("GET", "/v1/workers")["workers"]:
                if worker["name"] == name and fits(worker):
                    return worker
        raise AssertionError(f"{name} is never as it should be: {worker}")

    def order(self, order, **who):
        return self.ask("POST", "/v1/workers/orders", {"order": order, **who})

    # ---- what must be seen

    def told_to_stop_it_finishes_and_gives_the_rest_back(self, end):
        pipe, other = self.pipe(), self.pipe()
        first = self.start("first")
        held = self.submit("hold", pipe)
        assert first.expect("started")[:2] == [held, 1]
        waiting = self.submit("hold", other)
        end(first)
        self.worker("first", lambda worker: worker["state"] == "stopping")
        second = self.start("second")
        assert second.expect("started")[:2] == [waiting, 1]  # while the first still runs
        assert self.task(held)["state"] == "running"
        self.release(pipe)
        assert first.process.wait(FAR) == 0
        first.says_nothing_more()
        status = self.task(held, wait=True)
        assert (status["state"], status["result"]) == ("done", 1), status
        self.release(other)
        assert self.task(waiting, wait=True)["result"] == 1
        second.process.terminate()
        assert second.process.wait(FAR) == 0

    def what_outlasts_the_grace_time_is_given_back_at_once(self):
        first = self.start("first", grace_ms=1)
        heeds = self.submit("heed")
        first.expect("started")
        first.process.terminate()
        first.expect("stopped")
        assert first.process.wait(FAR) == 0
        second = self.start("second", grace_ms=1)
        assert second.expect("started")[:2] == [heeds, 1]  # no attempt was used up
        self.ask("DELETE", f"/v1/tasks/{heeds}")
        second.expect("stopped")
        assert self.task(heeds, wait=True)["state"] == "cancelled"
        second.process.terminate()
        assert second.process.wait(FAR) == 0

    def what_a_killed_worker_had_comes_back_once(self):
        pipes = [self.pipe(), self.pipe()]
        first = self.start("first", threads=2)
        tasks = [self.submit("hold", pipes[0]), self.submit("hold_alone", pipes[1])]
        started = {event[0]: event for event in (first.expect("started"), first.expect("started"))}
        assert set(started) == set(tasks)
        alone = os.pidfd_open(started[tasks[1]][2])
        first.process.kill()
        first.process.wait(FAR)
        assert select.select([alone], [], [], FAR)[0], "the isolated task outlived its worker"
        os.close(alone)
        second = self.start("second", threads=2)
        again = sorted(second.expect("started")[:2] for _ in tasks)
        assert again == sorted([task, 2] for task in tasks), again
        for task, pipe in zip(tasks, pipes):
            self.release(pipe)
            status = self.task(task, wait=True)
            assert (status["state"], status["result"]) == ("done", 2), status
        second.process.terminate()
        assert second.process.wait(FAR) == 0
        second.says_nothing_more()

    def it_outlives_the_server_and_obeys_what_still_holds(self):
        pipe, other = self.pipe(), self.pipe()
        hand = self.start("hand", threads=2)
        alone = self.submit("hold_alone", pipe)
        hand.expect("started")
        self.order("quiet", name="ha*")
        self.order("resize", slots=3, name="hand")
        before = self.worker("hand", lambda w: w["state"] == "quiet" and w["slots"] == 3)
        assert [task["name"] for task in before["running"]] == ["hold_alone"]
        self.server.kill()
        self.server.start()
        after = self.worker("hand", lambda w: w["state"] == "quiet" and w["slots"] == 3)
        assert (after["id"], after["program"]) == (before["id"], "1.0"), after
        waiting = self.submit("hold", other)
        self.worker("hand", lambda w: w["beat_at"] > after["beat_at"])
        assert self.task(waiting)["state"] == "queued"
        self.release(pipe, times=2)  # if its lease did not survive, it runs a second time
        self.order("resume")
        self.release(other)
        for task in (alone, waiting):
            assert self.task(task, wait=True)["state"] == "done"
        self.order("stop", name="hand")
        assert hand.process.wait(FAR) == 0


def main():
    penstock, hand = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        hands = Hands(penstock, hand, pathlib.Path(name))
        try:
            hands.told_to_stop_it_finishes_and_gives_the_rest_back(lambda w: w.process.terminate())
            tell("told to stop by a signal")
            hands.told_to_stop_it_finishes_and_gives_the_rest_back(
                lambda w: hands.order("stop", name=w.name))
            tell("told to stop by an order")
            hands.what_outlasts_the_grace_time_is_given_back_at_once()
            tell("out of grace")
            hands.what_a_killed_worker_had_comes_back_once()
            tell("killed")
            hands.it_outlives_the_server_and_obeys_what_still_holds()
            tell("without its server")
        finally:
            hands.server.kill()


if __name__ == "__main__":
    main()
