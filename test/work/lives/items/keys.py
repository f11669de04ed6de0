"""Debounce and throttle: which of one key come in, and when they are due."""
import collections

from ..fronts import Refused
from ..item import Given, Item

GRAIN = 1  # ms: the server's stamps are whole ones


class Keyed(Item):
    """Probes with keys; the law is a model of one key, by the server's own stamps."""

    def __init__(self, world):
        super().__init__(world)
        self.given = collections.defaultdict(dict)  # (front, id) by key

    def send(self, front, kind, key, **rule):
        """False when it was refused."""
        try:
            identity = self.world.surely(front.enqueue, "probe", {"value": 7}, queue="limits",
                                         key=self.world.key(kind), **{kind: {"key": key, **rule}})
        except Refused:
            return False
        self.given[key][identity] = Given(identity, rule=rule)
        return True

    def by_key(self):
        for key, given in self.given.items():
            yield key, [(one, self.world.status(one.id)) for _, one in sorted(given.items())]


class Debounce(Keyed):
    name = "debounce"
    DELAY, MAX_WAIT = 60, 150

    def __init__(self, world):
        super().__init__(world)
        self.replaced = 0

    def issue(self, front, chance):
        key = f"d{chance.randrange(4)}"
        bound = {"max_wait": self.MAX_WAIT} if key in ("d0", "d1") else {}
        for _ in range(chance.randint(1, 4)):
            self.send(front, "debounce", key, delay=self.DELAY, **bound)

    def judge(self, fronts):
        for key, given in self.by_key():
            first = None  # when the window began
            for number, (one, status) in enumerate(given):
                at = status["enqueued_at"]
                first = first or at
                due = at + self.DELAY
                if "max_wait" in one.rule:
                    due = min(due, first + self.MAX_WAIT)
                after = given[number + 1][1]["enqueued_at"] if number + 1 < len(given) else None
                done = status["state"] == "done"
                if not done and status["state"] != "cancelled":
                    yield f"{key}: {one.id} ended as {status['state']}"
                elif done and after is not None and after < due - GRAIN:
                    yield f"{key}: {one.id} ran, and another came {due - after} ms before its time"
                elif not done and (after is None or after > due + GRAIN):
                    yield f"{key}: {one.id} never ran, and nobody took its place in time"
                elif done and status["started_at"] < due - GRAIN:
                    yield f"{key}: {one.id} ran {due - status['started_at']} ms early"
                if done:
                    first = None
                self.replaced += not done

    def tested(self):
        return self.replaced


class Throttle(Keyed):
    name = "throttle"
    MOST, PERIOD = 3, 200

    def __init__(self, world):
        super().__init__(world)
        self.held_back = 0

    def issue(self, front, chance):
        on_conflict = chance.choice(["reject", "return", "delay"])
        for _ in range(chance.randint(1, 5)):
            came_in = self.send(front, "throttle", f"t-{on_conflict}", most=self.MOST,
                                period=self.PERIOD, on_conflict=on_conflict)
            self.held_back += not came_in

    def judge(self, fronts):
        for key, given in self.by_key():
            moments = []  # at which each of them counts
            for number, (one, status) in enumerate(given):
                if status["state"] != "done":
                    yield f"{key}: {one.id} ended as {status['state']}"
                    continue
                free = moments[-self.MOST] + self.PERIOD if len(moments) >= self.MOST else 0
                came = status["enqueued_at"]
                if key != "t-delay" and came < free - GRAIN:
                    yield f"{key}: {one.id} came in {free - came} ms early"
                if status["started_at"] < free - GRAIN:
                    yield f"{key}: {one.id} ran {free - status['started_at']} ms early"
                self.held_back += came < free
                moments.append(max(came, free) if key == "t-delay" else came)

    def tested(self):
        return self.held_back
