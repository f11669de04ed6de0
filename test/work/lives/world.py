"""One server, its workers, and how they die and come back."""
import collections
import datetime
import pathlib
import queue
import subprocess
import threading
import time

from server import PATIENCE, Server

from .fronts import CommandLine, Cpp, Gone, Http


def tell(text):
    print(text, flush=True)


class Process:
    """A worker, or whoever else is killed and started again; it reconnects by itself."""

    def __init__(self, command, log, ready):
        """`log` gets what it writes, but for what it says when it is ready."""
        self.command, self.log, self.ready = command, log, ready
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        said = self.process.stdout.readline()
        if self.ready not in said:
            raise RuntimeError(f"{self.command}: {said} {self.process.stdout.read()}")
        threading.Thread(target=self.copy, args=(self.process.stdout,), daemon=True).start()

    def copy(self, output):
        with open(self.log, "ab", buffering=0) as log:
            for line in output:
                log.write(line)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Line:
    """What a probe said: its start or its end."""

    def __init__(self, text):
        identity, attempt, self.task, self.what, at, self.label, due = text.split()
        self.id, self.attempt, self.ms = int(identity), int(attempt), int(at) / 1000
        self.due = None if due == "-" else datetime.datetime.fromisoformat(due)


class Run:
    """The attempt of a task that was settled: its lease stood from its start to its end."""

    def __init__(self, status, start, end):
        self.id, self.status, self.start, self.end = int(status["id"]), status, start, end


class World:
    # In the order in which workers serve them.
    QUEUES = ("work", "limits", "paced", "expiring", "timed", "roads", "overlapped", "outboxed",
              "shell")

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.server = Server(options.program, folder)
        self.up = threading.Event()
        self.up.set()
        self.server_deaths = []  # (killed, ready again), in the server's own time
        self.keys = collections.Counter()
        self.news = queue.Queue()  # something was answered, or somebody is done: kills wait for it
        self.http = Http(self.server)
        self.command_line = CommandLine(options.program, self.server)
        for name in self.QUEUES:
            self.command_line.run("queue", "set", name, "max_attempts=50", "backoff=fixed:10ms",
                                  "lease=5s")
        crew = [self.tool("work_crew"), "work", self.server.url, str(folder)]
        self.mortals = {
            "server": self.server,
            "worker 1": Process(crew, folder / "worker-1.log", b"ready"),
            "worker 2": Process(crew, folder / "worker-2.log", b"ready"),
            "program worker": self.program_worker("shell", "--lease", "5s",
                                                  "--exec", "printf {0}")}
        self.kills = collections.Counter()
        self.speaker_log = open(folder / "speaker.log", "ab")
        self.fronts = (Cpp(self.tool("work_speaker"), self.server, self.speaker_log), self.http,
                       self.command_line)

    def tool(self, name):
        return str(self.options.crew / name)

    def has(self, tool):
        return (self.options.crew / tool).exists()

    def program_worker(self, name, *arguments):
        return Process([self.options.program, "worker", "--connect", self.server.url,
                        "--name", name, "--queue", name, *arguments],
                       self.folder / f"worker-{name}.log", b"working on")

    def kill(self, name):
        """Now; and starts it again."""
        if name == "server":
            self.up.clear()
            killed = self.now()
        self.mortals[name].kill()
        self.mortals[name].start()
        if name == "server":
            self.server_deaths.append((killed, self.now()))
            self.up.set()
        self.kills[name] += 1

    @staticmethod
    def now():
        """The server's clock is this machine's."""
        return time.time() * 1000

    def surely(self, ask, *arguments, **options):
        """Asks again until there is an answer, after the server is back."""
        while True:
            if not self.up.wait(PATIENCE):
                raise RuntimeError("the server does not come back")
            try:
                answer = ask(*arguments, **options)
            except Gone:
                continue
            self.news.put(ask)
            return answer

    def key(self, of):
        """An idempotency key that nobody else has: with it, asking again is harmless."""
        self.keys[of] += 1
        return f"{of}-{self.keys[of]}"

    # ---- what became of it

    def ask(self, path):
        answer = self.http.ask("GET", path)
        if answer is None or answer[0] != 200:
            raise RuntimeError(f"GET {path}: {answer}")
        return answer[1]

    def status(self, identity):
        """Of a task that has ended, or does so now."""
        return self.ask(f"/v1/tasks/{identity}?wait={PATIENCE}s")

    def lines(self):
        """What probes said, in the order in which they said it."""
        path = pathlib.Path(self.folder) / "probes"
        return [Line(text) for text in path.read_text().splitlines()] if path.exists() else []

    def runs(self, identities):
        """Those of the tasks that are done, each with the attempt that did it."""
        said = {(line.id, line.attempt, line.what): line.ms for line in self.lines()}
        found = []
        for identity in identities:
            status = self.status(identity)
            if status["state"] == "done":
                attempt = (identity, status["attempts"])
                found.append(Run(status, said[(*attempt, "start")], said[(*attempt, "end")]))
        return found

    def drained(self, name):
        """Takes what waits in a queue that nobody serves, one by one and in order."""
        while True:
            messages = self.http.say("POST", f"/v1/queues/{name}/lease", {"lease": "1m"})
            if not messages["messages"]:
                return
            message, = messages["messages"]
            self.http.say("POST", f"/v1/leases/{message['lease']}/ack", {})
            yield message

    def await_empty(self, name):
        """Until nothing waits there or is worked on: a finding, or nothing."""
        for _ in range(PATIENCE * 10):
            one = self.ask(f"/v1/queues/{name}")
            if all(one[what] == 0 for what in ("ready", "leased", "scheduled")):
                return []
            self.http.ask("POST", "/v1/queues/idle/lease", {"wait": "100ms"})  # nobody sends there
        return [f"queue {name} does not become empty: {one}"]

    def stop(self):
        """Findings of ends that are not as they should be; the server is the last."""
        findings = [f"front {front.name} ended with {code}"
                    for front in self.fronts if (code := front.close()) != 0]
        self.speaker_log.close()
        for name, mortal in reversed(self.mortals.items()):
            if (code := mortal.stop()) != 0:
                findings.append(f"{name} ended with {code}")
        return findings

    def abandon(self):
        for mortal in self.mortals.values():
            mortal.process.kill()
            mortal.process.wait(PATIENCE)
