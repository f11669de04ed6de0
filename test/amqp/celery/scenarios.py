"""Celery 5.2 on amqp:// with results over rpc://: a worker of its own, and what people do with it.

See conformance/scripts.py for what is said on standard output.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from celery import chain, chord, group  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402
from tasks import DOOR, FOLDER, GATE, PREFIX, add, app, fail, hold, note  # noqa: E402
from tasks import third_time_lucky  # noqa: E402

PATIENCE = 10
NODE = f"{PREFIX}worker@test"
SCENARIOS = []


def scenario(name):
    def register(function):
        SCENARIOS.append((name, function))
        return function
    return register


def equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what} is {got!r}, expected {expected!r}")


class Door:
    """What tasks tell the test; each wait ends."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(DOOR)

    def next(self, seconds=PATIENCE):
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(1000).decode()
        except TimeoutError:
            raise AssertionError(f"no task told anything for {seconds} s") from None

    def wait_for(self, texts, seconds=PATIENCE):
        """Until each of them was told at least once; how often each was."""
        counts = dict.fromkeys(texts, 0)
        end = time.monotonic() + seconds
        while not all(counts.values()):
            left = [text for text, count in counts.items() if not count]
            if time.monotonic() > end:
                raise AssertionError(f"{len(left)} tasks did not run, {left[:5]} among them")
            try:
                text = self.next(max(0.01, end - time.monotonic()))
            except AssertionError:
                continue  # the count of the missing says more
            if text in counts:
                counts[text] += 1
        return counts


class Gate:
    """Where held tasks wait. Once it is opened nobody waits any more."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(GATE)
        self._socket.listen(100)
        self._waiting = []

    def wait_for(self, count):
        """Until so many have come; what they told."""
        self._socket.settimeout(PATIENCE)
        told = []
        for _ in range(count):
            task, _ = self._socket.accept()
            task.settimeout(PATIENCE)
            told.append(task.recv(1000).decode())
            self._waiting.append(task)
        return sorted(told)

    def let_go(self):
        for task in self._waiting:
            task.close()
        self._waiting.clear()

    def open(self):
        """For those who wait, and for those who come from now on: they find nobody to wait for."""
        self.let_go()
        self._socket.close()


def celery(*words):
    """Celery's own command line."""
    return ["/usr/bin/python3", "-B", "-m", "celery", "-A", "tasks", *words]


@contextlib.contextmanager
def worker():
    """One with two processes, ready; what it says goes to standard error."""
    process = subprocess.Popen(
        celery("worker", "--concurrency", "2", "--loglevel", "INFO", "-n", NODE, "-E"),
        stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)}, cwd=FOLDER)
    try:
        equal(door.next(30), "worker ready", "the first that is told")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def inspect():
    return app.control.inspect(destination=[NODE], timeout=PATIENCE, limit=1)


@scenario("a task runs, and its result comes back")
def _():
    result = add.delay(2, 3)
    equal(result.get(timeout=PATIENCE), 5, "the result")
    equal(result.state, "SUCCESS", "the state")


@scenario("a hundred results come back to their own callers")
def _():
    results = [add.delay(number, number) for number in range(100)]
    equal([result.get(timeout=PATIENCE) for result in results],
          [2 * number for number in range(100)], "the results")


@scenario("a task's exception comes back as one")
def _():
    try:
        fail.delay("of course").get(timeout=PATIENCE)
    except ValueError as error:
        equal(str(error), "of course", "the text")
        return
    raise AssertionError("it did not fail")


@scenario("a task is retried until it works")
def _():
    equal(third_time_lucky.delay().get(timeout=PATIENCE), 2, "the number of retries")


# Eight tasks are more than the prefetch of four: it has to grow while the worker consumes. Celery's
# own loop sometimes leaves a delivery until its next timer, so two seconds more are its affair.
@scenario("a countdown is waited for, and other tasks run meanwhile")
def _():
    seconds = 3
    started = time.monotonic()
    later = [add.apply_async((number, 1), countdown=seconds) for number in range(8)]
    equal(add.delay(1, 1).get(timeout=PATIENCE), 2, "the one that is due")
    meanwhile = time.monotonic() - started
    equal([result.get(timeout=PATIENCE) for result in later], list(range(1, 9)), "the results")
    if time.monotonic() - started < seconds:
        raise AssertionError("the countdown was not waited for")
    if meanwhile > seconds:
        raise AssertionError(f"the one that was due waited {meanwhile:.1f} s for the others")


@scenario("a chain hands results on")
def _():
    result = chain(add.s(1, 2), add.s(10), add.s(100))()
    equal(result.get(timeout=PATIENCE), 113, "the result")
    equal(result.parent.get(timeout=PATIENCE), 13, "the one before")


@scenario("a group's results come back in order")
def _():
    result = group(add.s(number, 1) for number in range(20))()
    equal(result.get(timeout=PATIENCE), list(range(1, 21)), "the results")


@scenario("a chain may fan out into a group at its end")
def _():
    result = chain(add.s(1, 2), group(add.s(10), add.s(20)))()
    equal(result.get(timeout=PATIENCE), [13, 23], "the results")


@scenario("chunks and starmap run")
def _():
    equal(add.starmap([(1, 2), (3, 4)]).apply_async().get(timeout=PATIENCE), [3, 7], "starmap")
    equal(add.chunks([(n, n) for n in range(6)], 2).group()().get(timeout=PATIENCE),
          [[0, 2], [4, 6], [8, 10]], "chunks")


@scenario("a chord is refused by Celery itself, for rpc:// cannot do it")
def _():
    try:
        chord([add.s(1, 1), add.s(2, 2)])(add.s(1))
    except NotImplementedError:
        return
    raise AssertionError("it was taken")


@scenario("inspect: ping, registered, stats, active_queues")
def _():
    equal(inspect().ping(), {NODE: {"ok": "pong"}}, "ping")
    equal("tasks.add" in inspect().registered()[NODE], True, "whether tasks.add is registered")
    stats = inspect().stats()[NODE]
    equal(stats["broker"]["transport"], "amqp", "the transport")
    equal([queue["name"] for queue in inspect().active_queues()[NODE]], [PREFIX + "celery"],
          "the queues")


@scenario("the command line's inspect ping and status get an answer")
def _():
    for words in (("inspect", "ping", "-d", NODE, "--json"), ("status", "-d", NODE)):
        done = subprocess.run(celery(*words), capture_output=True, timeout=2 * PATIENCE, cwd=FOLDER,
                              env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)})
        equal((done.returncode, NODE.encode() in done.stdout), (0, True),
              f"celery {words[0]}: the end, and whether the worker is named")


@scenario("inspect shows what is active, reserved and scheduled")
def _():
    waiting = add.apply_async((1, 1), countdown=3600)
    results = [hold.delay(f"active {number}") for number in range(3)]
    gate.wait_for(2)
    equal([task["name"] for task in inspect().active()[NODE]], ["tasks.hold"] * 2, "active")
    equal([task["name"] for task in inspect().reserved()[NODE]], ["tasks.hold"], "reserved")
    equal([task["request"]["id"] for task in inspect().scheduled()[NODE]], [waiting.id],
          "scheduled")
    gate.let_go()
    gate.wait_for(1)
    gate.let_go()
    for result in results:
        result.get(timeout=PATIENCE)
    waiting.revoke()


@scenario("a task that was revoked before its time does not run")
def _():
    result = note.apply_async(("never",), countdown=0.5)
    app.control.revoke(result.id, reply=True, timeout=PATIENCE, limit=1, destination=[NODE])
    try:
        result.get(timeout=PATIENCE)
    except TaskRevokedError:
        return
    raise AssertionError("it ran")


@scenario("a running task is terminated")
def _():
    result = hold.delay("to be ended")
    equal(gate.wait_for(1), ["to be ended"], "what is told")
    app.control.revoke(result.id, terminate=True, signal="SIGKILL", reply=True, timeout=PATIENCE,
                       limit=1, destination=[NODE])
    try:
        result.get(timeout=PATIENCE)
    except TaskRevokedError:
        return
    raise AssertionError("it ended by itself")


@scenario("a task that came too late expires")
def _():
    try:
        add.apply_async((1, 1), expires=-1).get(timeout=PATIENCE)
    except TaskRevokedError:
        return
    raise AssertionError("it ran")


@scenario("events tell a task's life, and the worker's heartbeat")
def _():
    seen = {}
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={
            "*": lambda event: seen.setdefault(event.get("uuid", ""), []).append(event["type"])})
        with receiver.consumer_context() as (receiving, _, _):
            result = add.delay(1, 2)
            end = time.monotonic() + PATIENCE
            wanted = {"task-sent", "task-received", "task-started", "task-succeeded"}
            while (not wanted <= set(seen.get(result.id, []))
                   or "worker-heartbeat" not in seen.get("", [])):
                with contextlib.suppress(socket.timeout):
                    receiving.drain_events(timeout=0.2)
                if time.monotonic() > end:
                    raise AssertionError(f"only {seen} came")


@scenario("a worker grows, and stops and starts consuming from a queue, when told to")
def _():
    def ask(command, **arguments):
        answer, = app.control.broadcast(command, arguments=arguments, reply=True, limit=1,
                                        timeout=PATIENCE, destination=[NODE])
        equal("ok" in answer[NODE], True, f"whether the answer to {command}, {answer}, is ok")
    ask("pool_grow", n=1)
    ask("pool_shrink", n=1)
    other = PREFIX + "other"
    ask("add_consumer", queue=other)
    equal(add.apply_async((1, 2), queue=other).get(timeout=PATIENCE), 3, "the result")
    ask("cancel_consumer", queue=other)


@scenario("no accepted task is lost when the server is killed under way")
def _():
    texts = [f"before {number}" for number in range(150)]
    for number in range(2):
        hold.delay(f"held {number}")
    equal(gate.wait_for(2), ["held 0", "held 1"], "tasks under way")
    for text in texts:
        note.delay(text)  # confirmed by the broker: see broker_transport_options
    print("restart", flush=True)
    equal(sys.stdin.readline().strip(), "restarted", "the runner's answer")
    gate.open()
    door.wait_for(texts, 40)  # a worker of Celery tries again after two seconds, then four, ...
    note.delay("after")
    door.wait_for(["after"], 20)


@scenario("the worker that lived through it answers and takes orders")
def _():
    done = subprocess.run(celery("inspect", "ping", "-d", NODE, "--json"), capture_output=True,
                          timeout=2 * PATIENCE, cwd=FOLDER,
                          env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)})
    equal(json.loads(done.stdout.decode().splitlines()[-1]), {NODE: {"ok": "pong"}}, "the answer")


def main():
    with worker():
        for name, function in SCENARIOS:
            try:
                function()
                print(f"ok {name}", flush=True)
            except Exception as error:  # whatever goes wrong is the outcome
                traceback.print_exc()
                text = " ".join(f"{type(error).__name__} {error}".split())
                print(f"FAIL {name}: {text}", flush=True)
    print("done", flush=True)


door = Door()
gate = Gate()
if __name__ == "__main__":
    main()
