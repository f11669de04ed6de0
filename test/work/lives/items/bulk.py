"""Ten thousand in one call."""
from ..item import Item


class Bulk(Item):
    """Each call comes in once and as a whole, whoever dies meanwhile and however often it is
    repeated: so many wait in the end, in a queue that nobody serves."""

    name = "bulk enqueue"
    COUNT = 10_000

    def __init__(self, world):
        super().__init__(world)
        self.began = set()
        self.ids = set()
        self.calls = 0

    def issue(self, front, chance):
        if front.name in self.began and chance.randrange(100) != 0:
            return
        self.began.add(front.name)
        ids = self.world.surely(front.enqueue_many, "probe", self.COUNT,
                                self.world.key(f"bulk {front.name}"), "bulk")
        self.calls += 1
        self.ids.update(ids)

    def judge(self, fronts):
        ready = self.world.ask("/v1/queues/bulk")["ready"]
        wanted = self.calls * self.COUNT
        if (len(self.ids), ready) != (wanted, wanted):
            yield f"{self.calls} calls: {len(self.ids)} ids, {ready} wait, it should be {wanted}"

    def tested(self):
        return self.calls
