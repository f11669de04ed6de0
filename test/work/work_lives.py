#!/usr/bin/python3
"""Every item of the task queue, from C++, over HTTP and from the command line, while all die.

    work_lives.py path/to/penstock folder/of/work_crew [--lives N] [--seed S] [--only ITEM]

Each life ends with SIGKILL: of the server or of one of those who work, after a number of further
answers that the seed gives; then it is started again. At the end everybody is let finish, and each
item's law is held against what became of it. README.md has the items and their laws.

Nothing here sleeps: it waits for lines, for ends of processes, and at the server.
"""
import argparse
import faulthandler
import pathlib
import queue
import random
import signal
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True  # of what is imported from beside this
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from lives.items import ALL  # noqa: E402
from lives.world import World, tell  # noqa: E402
from server import PATIENCE  # noqa: E402

FINDINGS_SHOWN = 10  # of each item


class Lives:
    def __init__(self, options, folder):
        self.options = options
        self.chance = random.Random(options.seed)
        self.world = World(options, folder)
        self.items = [item(self.world) for item in ALL
                      if options.only in (None, item.__name__)
                      and self.world.has(item.needs)]
        self.broken = []

    def plan(self):
        for item in self.items:
            item.plan(self.world.fronts)

    def submit(self, front, seed):
        """One front's part of a life: each item once, in an order of its own."""
        chance = random.Random(seed)
        try:
            for item in chance.sample(self.items, len(self.items)):
                item.issue(front, chance)
                self.world.news.put(item)
        except Exception:  # of a thread: told at the end
            self.broken.append(f"{front.name}: {traceback.format_exc()}")
        finally:
            self.world.news.put(None)

    def live(self, number):
        world = self.world
        for item in self.items:
            item.live(self.chance.choice(world.fronts), self.chance)
        threads = [threading.Thread(target=self.submit, args=(front, self.chance.random()))
                   for front in world.fronts]
        for thread in threads:
            thread.start()
        others = sorted(world.mortals.keys() - {"server"})
        dead = self.chance.choice(["server", self.chance.choice(others)])
        self.wait_for_answers(self.chance.randrange(4 * len(self.items)), len(threads))
        world.kill(dead)
        for thread in threads:
            thread.join(PATIENCE)
            if thread.is_alive():
                raise RuntimeError(f"life {number}: somebody who submits hangs")
        while not world.news.empty():
            world.news.get()
        if self.broken:
            raise RuntimeError(f"life {number}: {self.broken}")

    def wait_for_answers(self, count, threads):
        while count > 0 and threads > 0:
            count -= 1
            try:
                threads -= self.world.news.get(timeout=PATIENCE) is None
            except queue.Empty:
                raise RuntimeError("nobody was answered anything") from None

    def finish(self):
        """Everything ends; then what became of it is compared with what was promised."""
        findings = []
        for item in self.items:
            findings += item.close() or ()
        # Tasks of unknown fate are nobody's promise, and have to end all the same: those that were
        # on their way to a worker when the server died, when their leases are over.
        for name in self.world.QUEUES:
            findings += self.world.await_empty(name)
        for item in self.items:
            found = [f"{item.name}: {what}" for what in item.judge(self.world.fronts)]
            if item.tested() == 0:
                found.append(f"{item.name}: nothing was tested")
            tell(f"  {item.name:<60}{item.tested():>8}{'  FAILED' if found else ''}")
            findings += found[:FINDINGS_SHOWN]
        return findings + self.world.stop()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program", help="penstock")
    options.add_argument("crew", type=pathlib.Path, help="the folder of work_crew and the others")
    options.add_argument("--lives", type=int, default=12)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--only", help="one item, by its class")
    options = options.parse_args()
    faulthandler.register(signal.SIGTERM, chain=True)  # who ends it learns where it was
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        lives = Lives(options, pathlib.Path(name))
        try:
            lives.plan()
            for number in range(options.lives):
                lives.live(number)
            tell(f"seed {options.seed}, {options.lives} lives in {time.monotonic() - began:.1f} s, "
                 f"killed: {dict(lives.world.kills)}")
            findings = lives.finish()
        except BaseException:
            tell(f"seed {options.seed}")
            lives.world.abandon()
            raise
    for finding in findings:
        tell(f"FAILED: {finding}")
    tell(f"{time.monotonic() - began:.1f} s, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
