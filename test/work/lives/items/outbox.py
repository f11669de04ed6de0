"""The outbox: orders are written with their tasks in one transaction of SQLite; the one who writes,
the one who drains, the server and the workers are killed."""
import collections
import sqlite3

from server import PATIENCE

from ..item import Item
from ..world import Process


class Drainer(Process):
    """Ends by itself when the server is gone; whoever starts it again looks after that."""

    def stop(self):
        code = super().stop()
        return 0 if code == 3 else code


class Outbox(Item):
    """For each order that was committed one task came in, and for no other: it ran, and under one
    id only."""

    name = "outbox"
    needs = "work_outbox"

    def __init__(self, world):
        super().__init__(world)
        self.database = world.folder / "orders.sqlite"
        self.committed = set()

    def plan(self, fronts):
        tool = self.world.tool(self.needs)
        log = self.world.folder / "outbox.log"
        self.world.mortals["outbox writer"] = Process([tool, "write", str(self.database)], log,
                                                      b"ready")
        self.world.mortals["outbox drainer"] = Drainer(
            [tool, "drain", str(self.database), self.world.server.url], log, b"ready")

    def live(self, front, chance):
        self.revive()

    def revive(self):
        drainer = self.world.mortals["outbox drainer"]
        if drainer.process.poll() is not None:
            drainer.start()

    def close(self):
        if (code := self.world.mortals.pop("outbox writer").stop()) != 0:
            return [f"the outbox's writer ended with {code}"]
        self.revive()
        with sqlite3.connect(self.database, timeout=PATIENCE) as database:
            rows = database.execute("SELECT number FROM orders")
            self.committed = {number for number, in rows}
            while True:
                left, = database.execute("SELECT count(*) FROM penstock_outbox").fetchone()
                if left == 0:
                    break
                self.world.http.ask("POST", "/v1/queues/idle/lease", {"wait": "50ms"})
                self.revive()

    def judge(self, fronts):
        tasks = collections.defaultdict(set)
        for line in self.world.lines():
            if line.label.startswith("order-") and line.what == "end":
                tasks[int(line.label[len("order-"):])].add(line.id)
        for number in self.committed - tasks.keys():
            yield f"order {number} was committed, and its task never ran"
        for number in tasks.keys() - self.committed:
            yield f"order {number} was not committed, and its task {tasks[number]} ran"
        for number, ids in tasks.items():
            if len(ids) > 1:
                yield f"order {number} came in as {ids}"

    def tested(self):
        return len(self.committed)
