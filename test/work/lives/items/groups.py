"""Groups: how many of one at once, how fast, in what share and order; and what is set for them."""
import collections

from ..item import Item


class Paced(Item):
    """Limits and rates, by what probes say of themselves and by when the server delivered them."""

    name = "group limits and rates"
    # limit, deliveries a second
    GROUPS = {"a": (1, 100), "b": (1, 100), "two": (2, 200)}

    def __init__(self, world):
        super().__init__(world)
        self.given = collections.defaultdict(list)
        self.compared = 0

    def plan(self, fronts):
        self.world.command_line.run("queue", "set", "paced", "group_limit=1", "group_rate=100")
        limit, rate = self.GROUPS["two"]
        fronts[0].set_group("paced", "two", limit=limit, rate=rate)

    def issue(self, front, chance):
        group = chance.choice(list(self.GROUPS))
        for _ in range(chance.randint(1, 4)):
            self.given[group].append(self.world.surely(
                front.enqueue, "probe", {"value": 1, "hold": chance.randint(0, 6)},
                queue="paced", key=self.world.key("paced"), group=group))

    def judge(self, fronts):
        for group, (limit, rate) in self.GROUPS.items():
            given = sorted(set(self.given[group]))
            runs = self.world.runs(given)
            if len(runs) != len(given):
                yield f"group {group}: {len(given)} came in, {len(runs)} are done"
            yield from self.never_more_at_once(group, limit, runs)
            yield from self.never_faster(group, rate, runs)
            self.compared += len(runs)

    @staticmethod
    def never_more_at_once(group, limit, runs):
        ends = []
        for run in sorted(runs, key=lambda one: one.start):
            ends = [end for end in ends if end > run.start] + [run.end]
            if len(ends) > limit:
                yield f"group {group}: {run.id} is one of {len(ends)} at once, {limit} may be"

    def never_faster(self, group, rate, runs):
        """Any two of them with all between: n <= rate * time + burst, and a burst for each
        restart, after which the bucket is full."""
        burst = max(1, rate / 10)
        least = None
        starts = sorted(run.status["started_at"] for run in runs)
        for number, at in enumerate(starts):
            restarts = sum(killed < at + 1000 for killed, _ in self.world.server_deaths)
            level = number - rate / 1000 * (at + 1) - burst * restarts
            least = level if least is None else min(least, level)
            if level - least + 1 > burst + 1:
                yield f"group {group}: the {number + 1}. delivery, at {at}, came too fast"
                return

    def tested(self):
        return self.compared


class Waiting(Item):
    """Messages in a queue that nobody serves: what the order is, is seen when they are taken."""

    queue = ""

    def __init__(self, world):
        super().__init__(world)
        self.given = {}  # what decides its place, by id
        self.compared = 0

    def put(self, front, about, **options):
        identity = self.world.surely(front.enqueue, "probe", {"value": 1}, queue=self.queue,
                                     key=self.world.key(self.queue), **options)
        self.given[identity] = about

    def taken(self):
        ids = [int(message["id"]) for message in self.world.drained(self.queue)]
        if sorted(ids) != sorted(self.given):
            yield f"queue {self.queue}: {len(self.given)} came in, {len(ids)} came out, or others"
        self.compared = len(ids)
        yield from self.in_order(ids)

    def judge(self, fronts):
        yield from self.taken()

    def tested(self):
        return self.compared


class Priorities(Waiting):
    name = "priorities"
    queue = "ordered"

    def issue(self, front, chance):
        priority = chance.randrange(10)
        self.put(front, priority, priority=priority)

    def in_order(self, ids):
        if ids != sorted(ids, key=lambda one: (-self.given[one], one)):
            yield "queue ordered: not by priority, and those of one by age"


class Weights(Waiting):
    """Groups take turns of as many deliveries as they weigh, while they have something."""

    name = "group weights"
    queue = "weighted"
    WEIGHTS = {"heavy": 3, "light": 1, "middle": 2}

    def plan(self, fronts):
        self.world.command_line.run("queue", "set", self.queue)
        for front, (group, weight) in zip(fronts, self.WEIGHTS.items()):
            front.set_group(self.queue, group, weight=weight)

    def issue(self, front, chance):
        group = chance.choice(list(self.WEIGHTS))
        self.put(front, group, group=group)

    def in_order(self, ids):
        left = collections.Counter(self.given[one] for one in ids)
        for group in self.WEIGHTS:
            mine = [one for one in ids if self.given[one] == group]
            if mine != sorted(mine):
                yield f"group {group}: not in order"
        turns = []  # (group, deliveries) one after the other
        for one in ids:
            group = self.given[one]
            if not turns or turns[-1][0] != group:
                turns.append([group, 0])
            turns[-1][1] += 1
            left[group] -= 1
            if min(left.values()) == 0:
                break  # from here on somebody has nothing
        for group, count in turns[1:-1]:
            if count != self.WEIGHTS[group]:
                yield f"group {group}: a turn of {count}, it weighs {self.WEIGHTS[group]}"


class Settings(Item):
    """What is set for a group last is what holds, whoever died since."""

    name = "group settings"

    def __init__(self, world):
        super().__init__(world)
        self.set = {}

    def plan(self, fronts):
        self.world.command_line.run("queue", "set", "weighted")

    def issue(self, front, chance):
        group = f"{front.name}-{chance.randrange(3)}"
        settings = {"weight": chance.randint(1, 1000), "limit": chance.randint(1, 50),
                    "rate": chance.randint(1, 900)}
        self.world.surely(front.set_group, "weighted", group, **settings)
        self.set[group] = settings

    def judge(self, fronts):
        listed = {one["name"]: one for one in
                  self.world.ask("/v1/queues/weighted/groups")["groups"]}
        for group, settings in self.set.items():
            found = {name: float(listed.get(group, {}).get(name) or 0) for name in settings}
            if found != settings:
                yield f"group {group} has {found}, it was given {settings}"

    def tested(self):
        return len(self.set)
