"""Orders to workers, over the deaths of those who gave them, keep them and obey them."""
import time

from server import PATIENCE

from ..item import Item


class Orders(Item):
    """A worker that is killed in its turn. After each death it is told what it was told last, and
    does so."""

    name = "workers' orders"
    WORKER = "steered"

    def __init__(self, world):
        super().__init__(world)
        self.told = {"quiet": False, "slots": 0}
        self.obeyed = 0
        self.missing = None

    def plan(self, fronts):
        self.world.mortals[self.WORKER] = self.world.program_worker(
            self.WORKER, "--threads", "2", "--exec", "echo 1")

    def live(self, front, chance):
        self.check()  # what the life before was told
        order = chance.choice(["quiet", "resume", "resize"])
        if order == "resize":
            self.told["slots"] = chance.randint(1, 9)
            self.world.surely(front.order, order, name=self.WORKER, slots=self.told["slots"])
        else:
            self.told["quiet"] = order == "quiet"
            self.world.surely(front.order, order, name=self.WORKER)

    def check(self):
        """It hears with its next beat, a second later at most; who asks waits for that."""
        until = time.monotonic() + PATIENCE
        while not self.obeys():
            if time.monotonic() > until:
                raise RuntimeError(f"{self.WORKER} was told {self.told}: {self.missing}")
            self.world.http.ask("POST", "/v1/queues/idle/lease", {"wait": "50ms"})
        self.obeyed += 1

    def obeys(self):
        listed = [one for one in self.world.ask("/v1/workers")["workers"]
                  if one["name"] == self.WORKER]
        self.missing = listed
        if len(listed) != 1:
            return False
        worker, = listed
        told = {name: worker["told"][name] for name in self.told}
        if told != self.told:
            raise RuntimeError(f"{self.WORKER} should be told {self.told}, and is {told}")
        return (worker["state"] == ("quiet" if self.told["quiet"] else "working")
                and worker["slots"] == (self.told["slots"] or 2))

    def judge(self, fronts):
        self.check()
        return ()

    def tested(self):
        return self.obeyed
