"""Schedules: what overlaps, what is paused, what is triggered, what a death must not lose."""
import collections
import json

from ..fronts import Gone
from ..item import Item


class Overlaps(Item):
    """A schedule for each policy, of runs that take longer than its interval. What its times became
    is in the server's own counts; that no two runs overlapped, in its own stamps."""

    name = "schedules: overlap skip and queue"
    HOLD = 1300
    POLICIES = ("skip", "queue")

    def __init__(self, world):
        super().__init__(world)
        self.compared = 0

    def plan(self, fronts):
        for front, policy in zip(fronts, self.POLICIES):
            front.put_schedule(f"overlap-{policy}", "@every 1s", "probe",
                               {"value": 1, "hold": self.HOLD, "label": f"overlap-{policy}"},
                               queue="overlapped", overlap=policy)

    def close(self):
        for policy in self.POLICIES:
            self.world.command_line.run("schedule", "pause", f"overlap-{policy}")

    def judge(self, fronts):
        for policy in self.POLICIES:
            name = f"overlap-{policy}"
            schedule = self.world.ask(f"/v1/schedules/{name}")
            runs = {line.id for line in self.world.lines() if line.label == name}
            spans = sorted((status["enqueued_at"], status["finished_at"], status["id"])
                           for status in map(self.world.status, runs))
            for (_, end, before), (began, _, after) in zip(spans, spans[1:]):
                if began < end:
                    yield f"{name}: {after} came {end - began} ms before {before} had ended"
            counts = collections.Counter({what: schedule[f"{what}_total"] for what in
                                          ("fired", "skipped", "missed")})
            if counts["fired"] != len(runs) or not counts["skipped"] or counts["missed"]:
                yield f"{name}: {len(runs)} tasks ran; {schedule}"
            self.compared += len(spans) - 1

    def tested(self):
        return self.compared


class Triggers(Item):
    """A paused schedule fires when it is told to, and never by itself."""

    name = "schedules: pause and trigger"

    def __init__(self, world):
        super().__init__(world)
        self.ids = []
        self.unknown = 0

    def plan(self, fronts):
        for front in fronts:
            front.put_schedule(self.schedule(front), "@every 1s", "probe",
                               {"value": 1, "label": self.schedule(front)}, queue="limits",
                               paused=True)

    @staticmethod
    def schedule(front):
        return "paused-" + front.name.replace(" ", "-").replace("+", "p")

    def issue(self, front, chance):
        self.world.up.wait()
        try:
            self.ids.append(front.trigger(self.schedule(front)))
        except Gone:
            self.unknown += 1

    def judge(self, fronts):
        for identity in self.ids:
            if (state := self.world.status(identity)["state"]) != "done":
                yield f"{identity} was triggered, and ended as {state}"
        if len(set(self.ids)) != len(self.ids):
            yield "two triggers were told of one task"
        names = {self.schedule(front) for front in fronts}
        ran = {line.id for line in self.world.lines() if line.label in names}
        if not len(self.ids) <= len(ran) <= len(self.ids) + self.unknown:
            yield (f"{len(self.ids)} triggers were answered and {self.unknown} were not: "
                   f"{len(ran)} tasks ran")

    def tested(self):
        return len(self.ids)


class Ticks(Item):
    """Each second once. Who is away for less than a minute misses nothing, whatever is to be done
    with what was missed."""

    name = "schedules: every second, missed all, once and skip"
    POLICIES = ("all", "once", "skip")

    def __init__(self, world):
        super().__init__(world)
        self.fires = 0

    def plan(self, fronts):
        for front, policy in zip(fronts, self.POLICIES):
            front.put_schedule(f"tick-{policy}", "@every 1s", "probe",
                               {"value": 1, "label": f"tick-{policy}"}, queue="limits",
                               missed=policy)

    def close(self):
        for policy in self.POLICIES:
            self.world.command_line.run("schedule", "pause", f"tick-{policy}")

    def judge(self, fronts):
        for policy in self.POLICIES:
            name = f"tick-{policy}"
            schedule = self.world.ask(f"/v1/schedules/{name}")
            due = collections.defaultdict(set)
            for line in self.world.lines():
                if line.label == name:
                    due[line.due].add(line.id)
            times = sorted(due)
            for time in times:
                if len(due[time]) != 1:
                    yield f"{name} fired {len(due[time])} times for {time}"
            gaps = [(later - time).total_seconds() for time, later in zip(times, times[1:])]
            if set(gaps) - {1}:
                yield f"{name} left out {[gap - 1 for gap in gaps if gap != 1]}"
            if schedule["fired_total"] != len(times) or schedule["missed_total"]:
                yield f"{name}: {len(times)} tasks ran; {json.dumps(schedule)}"
            self.fires += len(times)

    def tested(self):
        return self.fires
