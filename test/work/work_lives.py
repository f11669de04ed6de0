#!/usr/bin/python3
"""All kinds of work, from C++, over HTTP and from the command line, while server and workers die.

    work_lives.py path/to/penstock path/to/work_crew [--lives N] [--seed S]

Each life ends with SIGKILL: of the server, of a worker of the C++ library, or of `penstock worker`,
after a number of further submissions or executions that the seed gives; then it is started again.
At the end everybody is let finish, and what was accepted is compared with what became of it:

  * everything that was accepted ended as it must: its state, its value to the last digit;
  * no attempt ran twice: each (task, attempt) left one line at most;
  * what was cancelled before its time never ran;
  * each second of a schedule fired once, with missed=all none is missing;
  * nothing is left in a queue, and no workflow hangs.

Nothing here sleeps: it waits for lines, for ends of processes, and at the server.
"""
import argparse
import collections
import datetime
import http.client
import json
import os
import pathlib
import queue
import random
import subprocess
import sys
import tempfile
import threading

sys.dont_write_bytecode = True  # of what is imported from beside this
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from server import PATIENCE as FAR, Server  # noqa: E402


def tell(text):
    print(text, flush=True)


class Worker:
    """A worker of the library, or of the program; it reconnects by itself when the server died."""

    def __init__(self, command, ready, log):
        self.command, self.ready, self.log = command, ready, log
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            if self.ready == "stdout":
                self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log)
                if self.process.stdout.readline() != b"ready\n":
                    raise RuntimeError(f"{self.command}: {self.log.read_text()}")
            else:
                self.process = subprocess.Popen(self.command, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait(FAR)

    def stop(self):
        self.process.terminate()
        return self.process.wait(FAR)


class Accepted:
    """What the server has taken: its id, the state it must come to, and its value. A journal of
    promises, filled by many threads."""

    def __init__(self):
        self.promises = {}
        self.by_front = collections.Counter()
        self.unknown = collections.Counter()
        self.news = queue.Queue()  # one item for each promise: what kills are timed by

    def add(self, front, identity, state, value):
        known = self.promises.setdefault(int(identity), (state, value))
        if known != (state, value):
            raise RuntimeError(f"{identity} was promised twice: {known} and {(state, value)}")
        self.by_front[front] += 1
        self.news.put(front)


def from_cpp(crew, server, accepted, seed, count):
    process = subprocess.Popen([crew, "submit", server.url, str(seed), str(count)],
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        identity, state, value = line.split()
        accepted.add("C++", identity, state, None if value == "-" else json.loads(value))
    if process.wait(FAR) != 0:
        # It could not connect: the server was down when it began.
        accepted.unknown["C++"] += 1


def steps(*names):
    return [{"task": name, "options": {"queue": "work"}} for name in names]


def square(number):
    return {"task": "square", "args": [number], "options": {"queue": "work"}}


def some_flow(chance):
    """A workflow as JSON, and its value."""
    size = chance.randint(1, 20)
    total = sum(n * n for n in range(1, size + 1))
    lists = [[n] for n in range(1, size + 1)]
    kind = chance.randrange(4)
    body, = steps("sum")
    if kind == 0:
        members = {"map": {"task": "square", "args": lists, "options": {"queue": "work"}}}
        return {"run": {"chain": [members, body]}}, total
    if kind == 1:
        group = [square(n) for n in range(1, size + 1)]
        return {"run": {"chord": {"group": group, "body": body}}}, total
    if kind == 2:
        # Groups within a chain within a group.
        inner = {"chain": [{"group": [square(n) for n in range(1, size + 1)]}, body]}
        return {"run": {"chain": [{"group": [inner, inner, square(2)]}, body]}}, 2 * total + 4
    fail, count = steps("fail", "count_good")
    return {"on_failure": "collect",
            "run": {"chain": [{"group": [square(1), fail, square(3)]}, count]}}, 2


class Http:
    def __init__(self, server):
        self.address = server.address

    def ask(self, method, path, body=None):
        """(status, JSON or None); None when the connection broke, so that nobody knows."""
        connection = http.client.HTTPConnection(self.address, timeout=FAR)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def from_http(server, accepted, chance, count):
    http_client = Http(server)
    for _ in range(count):
        kind = chance.randrange(3)
        if kind == 0:
            flow, value = some_flow(chance)
            answer = http_client.ask("POST", "/v1/workflows", flow)
        elif kind == 1:
            value = chance.randint(1, 1000)
            answer = http_client.ask("POST", "/v1/tasks/flaky",
                                     {"args": [value], "options": {"queue": "work"}})
        else:
            value = 5
            key = {"queue": "work", "unique": {"key": f"h{chance.randrange(5)}", "until": "done",
                                               "on_conflict": "return"}}
            answer = http_client.ask("POST", "/v1/tasks/add", {"args": [2, 3], "options": key})
        if answer is None:
            accepted.unknown["HTTP"] += 1
            continue
        status, body = answer
        if status not in (200, 202):
            raise RuntimeError(f"HTTP answered {status}: {body}")
        accepted.add("HTTP", body["id"], "done", value)


def from_command_line(program, server, accepted, chance, count):
    environment = dict(os.environ, PENSTOCK_URL=server.url)
    for _ in range(count):
        kind = chance.randrange(3)
        text = None
        if kind == 0:
            flow, value = some_flow(chance)
            command, text = ["workflow", "submit", "-"], json.dumps(flow)
        elif kind == 1:
            value = chance.randint(1, 30)
            command = ["run", "square", str(value), "--queue", "work", "--no-wait"]
            value *= value
        else:
            # For `penstock worker --exec`.
            value = chance.randint(1, 1000)
            command = ["run", "shell", str(value), "--queue", "shell", "--no-wait"]
        done = subprocess.run([program, *command], input=text, env=environment, text=True,
                              capture_output=True, timeout=FAR, check=False)
        if done.returncode == 0:
            accepted.add("command line", done.stdout.split()[0], "done", value)
        elif done.returncode == 3:  # nobody is there, or went away
            accepted.unknown["command line"] += 1
        else:
            raise RuntimeError(f"{command}: {done.returncode} {done.stderr}")


class Lives:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.chance = random.Random(options.seed)
        self.accepted = Accepted()
        self.effects = folder / "effects"
        self.server = Server(options.program, folder)
        self.command("queue", "set", "work", "max_attempts=50", "backoff=fixed:10ms",
                     "lease=5s")
        self.command("queue", "set", "shell", "max_attempts=50", "backoff=fixed:10ms",
                     "lease=5s")
        self.command("schedule", "put", "tick", "@every 1s", "--task", "tick", "--queue", "work",
                     "--missed", "all")
        crew = [options.crew, "work", self.server.url, str(self.effects)]
        self.mortals = {
            "server": self.server,
            "worker 1": Worker(crew, "stdout", folder / "worker-1.log"),
            "worker 2": Worker(crew, "stdout", folder / "worker-2.log"),
            "program worker": Worker(
                [options.program, "worker", "--connect", self.server.url, "--queue", "shell",
                 "--lease", "5s", "--exec", "printf {0}"], "", folder / "worker-3.log")}
        self.kills = collections.Counter()
        self.broken = []

    def command(self, *arguments):
        done = subprocess.run([self.options.program, *arguments], capture_output=True, text=True,
                              env=dict(os.environ, PENSTOCK_URL=self.server.url), timeout=FAR,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stderr}")
        return done.stdout

    def guarded(self, submit, *arguments):
        def run():
            try:
                submit(*arguments)
            except Exception as error:  # of a thread: told at the end
                self.broken.append(f"{submit.__name__}: {error}")
            finally:
                self.accepted.news.put(None)
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def live(self, number):
        """Submits from all sides, kills one of them meanwhile, and starts it again."""
        seed = self.chance.randrange(1 << 60)
        count = self.options.count
        threads = [
            self.guarded(from_cpp, self.options.crew, self.server, self.accepted, seed, count),
            self.guarded(from_http, self.server, self.accepted, random.Random(seed + 1), count),
            self.guarded(from_command_line, self.options.program, self.server, self.accepted,
                         random.Random(seed + 2), count // 4)]
        dead = self.chance.choice(["server", "server", "server", *list(self.mortals)[1:]])
        after = self.chance.randrange(2 * count)
        ended = 0
        while after > 0 and ended < len(threads):
            after -= 1
            ended += self.accepted.news.get(timeout=FAR) is None
        self.mortals[dead].kill()
        self.mortals[dead].start()
        self.kills[dead] += 1
        for thread in threads:
            thread.join(FAR)
            if thread.is_alive():
                raise RuntimeError(f"life {number}: somebody who submits hangs")
        while not self.accepted.news.empty():
            self.accepted.news.get()

    def finish(self):
        """Everything ends; then what became of it is compared with what was promised."""
        client = Http(self.server)
        findings = list(self.broken)
        self.command("schedule", "pause", "tick")
        for identity, (state, value) in sorted(self.accepted.promises.items()):
            _, got = client.ask("GET", f"/v1/tasks/{identity}?wait=60s")
            if got["state"] != state or (value is not None and got.get("result") != value):
                findings.append(f"{identity} should be {state} {value}: {got}")
                if len(findings) > 10:
                    break
        findings += self.check_schedule(client)
        # Tasks of unknown fate are nobody's promise, and have to end all the same: those that were
        # on their way to a worker when the server died, when their leases are over.
        for name in ("work", "shell"):
            findings += self.check_empty(client, name)
        for name in ("worker 1", "worker 2", "program worker"):
            if (code := self.mortals[name].stop()) != 0:
                findings.append(f"{name} ended with {code}")
        findings += self.check_effects()
        if (code := self.server.stop()) != 0:
            findings.append(f"the server ended with {code}")
        return findings

    def check_empty(self, client, name):
        for _ in range(FAR * 10):
            _, one = client.ask("GET", f"/v1/queues/{name}")
            if all(one[what] == 0 for what in ("ready", "leased", "scheduled")):
                return []
            client.ask("POST", "/v1/queues/idle/lease", {"wait": "100ms"})  # nobody sends there
        return [f"queue {name} does not become empty: {one}"]

    def lines(self):
        return [line.split() for line in self.effects.read_text().splitlines()]

    def check_effects(self):
        findings = []
        attempts = collections.Counter((identity, attempt, task)
                                       for identity, attempt, task, _ in self.lines())
        # A chunk is one task that leaves a line for each of its lists.
        for (identity, attempt, task), times in attempts.items():
            if times > (3 if task == "square" else 1):
                findings.append(f"attempt {attempt} of {task} {identity} ran {times} times")
        ran = {int(identity) for identity, _, _ in attempts}
        for identity, (state, _) in self.accepted.promises.items():
            if state == "cancelled" and identity in ran:
                findings.append(f"{identity} was cancelled before its time, and ran")
        self.attempts = len(attempts)
        self.again = len(attempts) - len({(identity, task) for identity, _, task in attempts})
        return findings

    def check_schedule(self, client):
        """Each second once: as many tasks as fires, for each time one."""
        _, schedule = client.ask("GET", "/v1/schedules/tick")
        client.ask("GET", f"/v1/tasks/{schedule['last_id']}?wait=60s")
        findings = []
        due = collections.defaultdict(set)
        for identity, _, task, when in self.lines():
            if task == "tick":
                due[when].add(identity)
        times = sorted(int(datetime.datetime.fromisoformat(when).timestamp()) for when in due)
        if [when for when, who in due.items() if len(who) != 1]:
            findings.append(f"a time of the schedule fired twice: {due}")
        if times != list(range(times[0], times[0] + len(times))):
            findings.append(f"times of the schedule are missing: {times}")
        if schedule["fired_total"] != len(times) or schedule["missed_total"] != 0:
            findings.append(f"{len(times)} times of the schedule ran: {schedule}")
        self.fired = len(times)
        return findings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("crew", type=os.path.abspath)
    parser.add_argument("--lives", type=int, default=100)
    parser.add_argument("--count", type=int, default=40, help="submissions of a front in a life")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    tell(f"{options.lives} lives, seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="penstock-work-") as name:
        lives = Lives(options, pathlib.Path(name))
        try:
            for number in range(options.lives):
                lives.live(number)
            findings = lives.finish()
        finally:
            for mortal in lives.mortals.values():
                if mortal.process.poll() is None:
                    mortal.kill()
        fronts = ", ".join(f"{count} {front}" for front, count in lives.accepted.by_front.items())
        kills = ", ".join(f"{count} {who}" for who, count in lives.kills.items())
        tell(f"accepted: {fronts}; unknown to who asked: {sum(lives.accepted.unknown.values())}")
        tell(f"killed: {kills}")
        if findings:
            for finding in findings[:20]:
                tell(f"FOUND: {finding[:600]}")
            return 1
        tell(f"{lives.attempts} attempts, {lives.again} of them a second or later one, "
             f"{lives.fired} times of the schedule; nothing lost, nothing twice, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
