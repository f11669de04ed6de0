"""Workflows, retries, isolated crashes, unique keys, replaced and cancelled tasks: what each comes
to is known when it is accepted."""
import collections
import json
import subprocess

from server import PATIENCE

from ..fronts import Gone
from ..item import Item

CHUNK = 3  # crew.cc knows it: a chunk is one task that leaves a line for each of its lists


def step(name):
    return {"task": name, "options": {"queue": "work"}}


def square(number):
    return {"task": "square", "args": [number], "options": {"queue": "work"}}


def some_flow(chance):
    """A workflow as JSON, and its value."""
    size = chance.randint(1, 20)
    total = sum(n * n for n in range(1, size + 1))
    group = [square(n) for n in range(1, size + 1)]
    body = step("sum")
    kind = chance.randrange(4)
    if kind == 0:
        lists = [[n] for n in range(1, size + 1)]
        members = {"map": {"task": "square", "args": lists, "options": {"queue": "work"}}}
        return {"run": {"chain": [members, body]}}, total
    if kind == 1:
        return {"run": {"chord": {"group": group, "body": body}}}, total
    if kind == 2:
        # Groups within a chain within a group.
        inner = {"chain": [{"group": group}, body]}
        return {"run": {"chain": [{"group": [inner, inner, square(2)]}, body]}}, 2 * total + 4
    collected = {"group": [square(1), step("fail"), square(3)]}
    return {"on_failure": "collect", "run": {"chain": [collected, step("count_good")]}}, 2


class Mixed(Item):
    name = "workflows, retries, crashes, unique keys, replaced tasks"

    def __init__(self, world):
        super().__init__(world)
        self.promises = {}  # state and value by id
        self.by_front = collections.Counter()
        self.wrong = []

    def promise(self, front, identity, state, value):
        known = self.promises.setdefault(int(identity), (state, value))
        if known != (state, value):
            self.wrong.append(f"{identity} was promised twice: {known} and {(state, value)}")
        self.by_front[front.name] += 1
        self.world.news.put(front)

    def issue(self, front, chance):
        self.world.up.wait()
        try:
            {"C++": self.from_cpp, "HTTP": self.from_http,
             "command line": self.from_command_line}[front.name](front, chance)
        except Gone:
            self.by_front["of unknown fate"] += 1

    def from_cpp(self, front, chance):
        process = subprocess.Popen(
            [self.world.tool("work_crew"), "submit", self.world.server.url,
             str(chance.randrange(1 << 60)), "8"], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            identity, state, value = line.split()
            self.promise(front, identity, state, None if value == "-" else json.loads(value))
        if process.wait(PATIENCE) != 0:
            raise Gone("the server was down when it began")

    def from_http(self, front, chance):
        kind = chance.randrange(3)
        if kind == 0:
            flow, value = some_flow(chance)
            body = front.say("POST", "/v1/workflows", flow)
        elif kind == 1:
            value = chance.randint(1, 1000)
            body = front.say("POST", "/v1/tasks/flaky",
                             {"args": [value], "options": {"queue": "work"}})
        else:
            value = 5
            unique = {"key": f"h{chance.randrange(5)}", "until": "done", "on_conflict": "return"}
            body = front.say("POST", "/v1/tasks/add",
                             {"args": [2, 3], "options": {"queue": "work", "unique": unique}})
        self.promise(front, body["id"], "done", value)

    def from_command_line(self, front, chance):
        kind = chance.randrange(3)
        if kind == 0:
            flow, value = some_flow(chance)
            said = front.run("workflow", "submit", "-", input=json.dumps(flow))
        elif kind == 1:
            number = chance.randint(1, 30)
            value = number * number
            said = front.run("run", "square", number, "--queue", "work", "--no-wait")
        else:
            # For `penstock worker --exec`.
            value = chance.randint(1, 1000)
            said = front.run("run", "shell", value, "--queue", "shell", "--no-wait")
        self.promise(front, said.split()[0], "done", value)

    def judge(self, fronts):
        yield from self.wrong
        for identity, (state, value) in sorted(self.promises.items()):
            got = self.world.status(identity)
            if got["state"] != state or (value is not None and got.get("result") != value):
                yield f"{identity} should be {state} {value}: {got}"
        lines = (line.split() for line in
                 (self.world.folder / "effects").read_text().splitlines())
        attempts = collections.Counter((int(identity), attempt, task)
                                       for identity, attempt, task in lines)
        for (identity, attempt, task), times in attempts.items():
            if times > (CHUNK if task == "square" else 1):
                yield f"attempt {attempt} of {task} {identity} ran {times} times"
        ran = {identity for identity, _, _ in attempts}
        for identity, (state, _) in self.promises.items():
            if state == "cancelled" and identity in ran:
                yield f"{identity} was cancelled before its time, and ran"

    def tested(self):
        return len(self.promises)
