"""What is not before its time, and what is not after it."""
from ..item import Given, Item

GRAIN = 1  # ms: the server's stamps are whole ones
WAY = 50  # ms: a child is told how long it has, and the way to a busy server comes on top


class Delayed(Item):
    name = "delays"

    def __init__(self, world):
        super().__init__(world)
        self.given = {}

    def issue(self, front, chance):
        delay = chance.randint(1, 300)
        identity = self.world.surely(front.enqueue, "probe", {"value": 1}, queue="limits",
                                     key=self.world.key("delayed"), delay=delay)
        self.given[identity] = delay

    def judge(self, fronts):
        for identity, delay in self.given.items():
            status = self.world.status(identity)
            early = status["enqueued_at"] + delay - (status["started_at"] or 0)
            if status["state"] != "done":
                yield f"{identity} was delayed and ended as {status['state']}"
            elif early > GRAIN:
                yield f"{identity} ran {early} ms early"

    def tested(self):
        return len(self.given)


class Expiry(Item):
    """One group at a time with work that takes a while, so that some are late; and tasks whose
    children are due around the time at which their parents expire."""

    name = "expiry, and deadlines handed on"
    PARENT = 250

    def __init__(self, world):
        super().__init__(world)
        self.given = {}
        self.ends = {"done": 0, "expired": 0}

    def plan(self, fronts):
        self.world.command_line.run("queue", "set", "expiring", "group_limit=1")

    def issue(self, front, chance):
        send = {"queue": "expiring", "key": self.world.key("expiring")}
        if chance.randrange(3) == 0:
            identity = self.world.surely(
                front.enqueue, "parent", {"delay": chance.randint(1, 2 * self.PARENT)},
                expires=self.PARENT, **send)
            self.given[identity] = Given(identity, expires=self.PARENT, begets=True)
            return
        expires = chance.choice([5, 20, 80, 400])
        identity = self.world.surely(front.enqueue, "probe", {"value": 1, "hold": 4},
                                     expires=expires, group="slow", **send)
        self.given[identity] = Given(identity, expires=expires, begets=False)

    def judge(self, fronts):
        ran = {line.id for line in self.world.lines()}
        for one in self.given.values():
            status = self.world.status(one.id)
            until = status["enqueued_at"] + one.expires
            yield from self.never_after(one.id, status, until, ran)
            if one.begets and status["state"] == "done":
                child = int(status["result"])
                yield from self.never_after(child, self.world.status(child), until + WAY, ran)

    def never_after(self, identity, status, until, ran):
        if status["state"] not in self.ends:
            yield f"{identity} ended as {status['state']}"
            return
        self.ends[status["state"]] += 1
        if status["state"] == "done" and status["started_at"] > until + GRAIN:
            yield f"{identity} started {status['started_at'] - until} ms after its end"
        if status["state"] == "expired" and status["attempts"] == 0 and identity in ran:
            yield f"{identity} expired without an attempt, and ran"

    def tested(self):
        return min(self.ends.values())


class Timeouts(Item):
    """Work that never ends by itself: an attempt of it ends in time, and all of them as failed."""

    name = "soft and hard time-outs"
    ATTEMPTS = 2

    def __init__(self, world):
        super().__init__(world)
        self.given = []
        self.timed_out = 0

    def plan(self, fronts):
        self.world.mortals["stuck worker"] = self.world.program_worker(
            "stuck", "--threads", "4", "--kill-after", "100ms", "--exec", "sleep infinity")
        self.world.command_line.run("queue", "set", "stuck", "backoff=none", "lease=5s")
        self.world.command_line.run("queue", "set", "timed", "backoff=none", "lease=5s")

    def issue(self, front, chance):
        task, queue, bound = chance.choice([("endless", "timed", "timeout"),
                                            ("endless_alone", "timed", "hard_timeout"),
                                            ("program", "stuck", "timeout")])
        self.given.append(self.world.surely(
            front.enqueue, task, {"value": 1}, queue=queue, key=self.world.key("timed"),
            max_attempts=self.ATTEMPTS, **{bound: chance.randint(10, 60)}))

    def judge(self, fronts):
        ended = {line.id for line in self.world.lines() if line.what == "end"}
        for identity in sorted(set(self.given)):
            status = self.world.status(identity)
            causes = [one.get("cause") or "worker_lost" for one in status["history"]]
            self.timed_out += causes.count("timed_out")
            if status["state"] != "failed" or status["attempts"] != self.ATTEMPTS:
                yield f"{identity} should have failed after {self.ATTEMPTS} attempts: {status}"
            elif not set(causes) <= {"timed_out", "worker_lost"}:
                yield f"{identity} failed for another reason than its time: {status['history']}"
            if identity in ended:
                yield f"{identity} never ends, and did"

    def tested(self):
        return self.timed_out


class Cancels(Item):
    """Work that never ends by itself and has no time-out: it ends as cancelled."""

    name = "cancels of queued and running tasks"

    def __init__(self, world):
        super().__init__(world)
        self.given = []

    def issue(self, front, chance):
        identity = self.world.surely(front.enqueue, "endless", {"value": 1}, queue="timed",
                                     key=self.world.key("cancelled"), max_attempts=50)
        self.given.append(identity)
        self.world.surely(front.cancel, identity)

    def judge(self, fronts):
        ended = {line.id for line in self.world.lines() if line.what == "end"}
        for identity in self.given:
            status = self.world.status(identity)
            if status["state"] != "cancelled" or identity in ended:
                yield f"{identity} should have been cancelled: {status}"

    def tested(self):
        return len(self.given)
