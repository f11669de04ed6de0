"""Dead letters sent back by what they died of."""
from ..fronts import Gone
from ..item import Item


class Redrive(Item):
    """Tasks fail for good, of two errors. Then their cause is removed, and those of one are sent
    back while the server dies: all of those are done, and none of the others."""

    name = "redrive by error"
    ERRORS = ("flood", "snow")

    def __init__(self, world):
        super().__init__(world)
        self.given = {}

    def plan(self, fronts):
        # What was on its way when the server died comes back with its lease's end.
        self.world.command_line.run("queue", "set", "roads", "lease=1s")

    def issue(self, front, chance):
        why = chance.choice(self.ERRORS)
        value = chance.randrange(1000)
        identity = self.world.surely(front.enqueue, "road",
                                     {"why": f"{why} on road {value}", "value": value},
                                     queue="roads", key=self.world.key("road"))
        self.given[identity] = why, value

    def judge(self, fronts):
        for identity in self.given:
            state = self.world.status(identity)["state"]
            if state != "failed":
                yield f"{identity} should have failed: it is {state}"
        (self.world.folder / "roads").touch()
        for front in fronts:
            try:
                front.redrive("roads", self.ERRORS[0])
            except Gone:
                pass
            self.world.kill("server")
            self.world.surely(front.redrive, "roads", self.ERRORS[0])
        yield from self.world.await_empty("roads")
        for identity, (why, value) in self.given.items():
            status = self.world.status(identity)
            found = status["state"], status["result"]
            wanted = ("done", value) if why == self.ERRORS[0] else ("failed", None)
            if found != wanted:
                yield f"{identity} died of {why} and should be {wanted}: {status}"

    def tested(self):
        return min(sum(why == error for why, _ in self.given.values()) for error in self.ERRORS)
