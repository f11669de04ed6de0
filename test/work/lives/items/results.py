"""Results waited for and forgotten, and what a running task says."""
import time

from server import PATIENCE

from ..item import Item


class Results(Item):
    """Whoever waits for an end gets it, whoever died meanwhile; a result is kept for as long as it
    was to be."""

    name = "results: wait and time to live"

    def __init__(self, world):
        super().__init__(world)
        self.short, self.long = [], []
        self.wrong = []

    def issue(self, front, chance):
        value = chance.randrange(1 << 40)
        send = {"queue": "limits", "key": self.world.key("result")}
        kept = chance.randrange(2) == 1
        identity = self.world.surely(front.enqueue, "probe", {"value": value}, **send,
                                     result_ttl=3_600_000 if kept else 1)
        (self.long if kept else self.short).append(identity)
        if kept:
            found = self.world.surely(front.await_end, identity)
            if found != ("done", value):
                self.wrong.append(f"{front.name} waited for {identity}, {value}: {found}")

    def judge(self, fronts):
        yield from self.wrong
        for identity in self.long:
            if self.world.status(identity)["state"] != "done":
                yield f"{identity}'s result is gone before its time"
        for identity in self.short:
            # A result that is over is not looked for any more; one that waits still is.
            answer = self.world.http.ask("GET", f"/v1/tasks/{identity}?wait=60s")
            if answer[0] == 200 and answer[1]["state"] == "done":
                late = self.world.now() - answer[1]["finished_at"]
                if late > 1000:
                    yield f"{identity}'s result was kept for {late} ms instead of 1"

    def tested(self):
        return min(len(self.short), len(self.long))


class Voices(Item):
    """Lines, seen from outside. They are kept in memory: what a server's death took is gone, but
    what is there is in order."""

    name = "log lines"

    def __init__(self, world):
        super().__init__(world)
        self.wrong, self.unheard = [], []
        self.complete = 0

    def issue(self, front, chance):
        count = chance.randint(1, 20)
        lives = len(self.world.server_deaths)
        identity = self.world.surely(front.enqueue, "talk", {"lines": count}, queue="limits",
                                     key=self.world.key("talk"))
        self.world.surely(front.await_end, identity)
        said = self.world.surely(front.log, identity)
        status = self.world.surely(self.world.http.say, "GET", f"/v1/tasks/{identity}")
        wanted = [f"line {n}" for n in range(1, count + 1)]
        undisturbed = self.world.up.is_set() and lives == len(self.world.server_deaths)
        if undisturbed and status["attempts"] == 1:
            self.complete += 1
            if said != wanted:
                self.unheard.append(f"{identity} said {wanted}, {front.name} heard {said}")
        rest = iter(wanted * status["attempts"])  # each attempt begins anew
        if not all(line in rest for line in said):
            self.wrong.append(f"{identity} said {wanted}, {front.name} heard {said}")

    def judge(self, fronts):
        return self.wrong + self.unheard

    def tested(self):
        return self.complete


class Progress(Item):
    """What a task says of itself is there while it runs, also when it has to begin anew; then it is
    cancelled, for it does not end by itself."""

    name = "progress"

    def __init__(self, world):
        super().__init__(world)
        self.wrong = []
        self.seen = 0

    def issue(self, front, chance):
        identity = self.world.surely(front.enqueue, "endless", {"value": 1}, queue="timed",
                                     key=self.world.key("progress"), max_attempts=50)
        until = time.monotonic() + PATIENCE
        while self.world.surely(front.progress, identity) != (1, 2):
            if time.monotonic() > until:
                raise RuntimeError(f"{front.name} never sees how far {identity} is")
            self.world.http.ask("POST", "/v1/queues/idle/lease", {"wait": "20ms"})
        self.seen += 1
        self.world.surely(front.cancel, identity)
        if (state := self.world.surely(front.await_end, identity)[0]) != "cancelled":
            self.wrong.append(f"{identity} was cancelled while it ran: {state}")

    def judge(self, fronts):
        return self.wrong

    def tested(self):
        return self.seen
