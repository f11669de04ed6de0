"""The message queues: publishing, taking and settling, to and fro, starting, memory."""

import re
import subprocess
import time

from .bench import alternately
from .peer import MANY, ONE, Shape
from .table import Row

ENOUGH = Shape(8, 1, 100)


class Side:
    """One server of a pair, and how much lies in its queue."""

    def __init__(self, bench, server):
        self.bench, self.server, self.held = bench, server, 0
        self.peer = server.peer
        self.peer.make_queue(server, "work")
        self.peer.make_queue(server, "trip")
        self.rates = {}
        self.best_publish = self._best(self.publish, self.peer.publish_shapes)
        self.best_take = self._best(self.drain, self.peer.take_shapes)

    def _best(self, measure, shapes):
        """The fastest of them; trying warms up, too."""
        return max(shapes, key=lambda shape: measure(shape, self.bench.seconds / 2)["rate"])

    def publish(self, shape, seconds=None, messages=0):
        done = self.bench.run(self.server, "publish", "work", shape, seconds, messages)
        self.held += done["messages"]
        self.rates["publish", shape] = done["rate"]
        return done

    def drain(self, shape, seconds=None):
        seconds = seconds or self.bench.seconds
        known = [self.rates[key] for key in (("drain", shape), ("publish", shape)) if
                 key in self.rates]
        wanted = int(1.5 * seconds * max(known, default=max(self.rates.values()))) + 1000
        if self.held < wanted:
            fill = max((key for key in self.rates if key[0] == "publish"), key=self.rates.get)[1]
            self.publish(fill, messages=wanted - self.held)
        done = self.bench.run(self.server, "drain", "work", shape, seconds)
        self.held -= done["messages"] + shape.connections * shape.window * shape.batch
        self.rates["drain", shape] = done["rate"]
        return done

    def trip(self, _shape):
        return self.bench.run(self.server, "roundtrip", "trip", ONE)


def measure_pair(bench, peer, penstock, say):
    """Rows of one peer beside Penstock, run in turns on the same work."""
    rows = []
    with bench.server(peer) as their_server, bench.server(penstock) as our_server:
        theirs, ours = Side(bench, their_server), Side(bench, our_server)

        def add(group, unit, results, figure, higher=True, load=""):
            rows.append(Row(group, peer.name, unit, higher, [figure(run) for run in results[0]],
                            [figure(run) for run in results[1]], load, peer.synced))
            say(rows[-1])

        for doing, name, best in (("publish", "Publish", "best_publish"),
                                  ("drain", "Take and settle", "best_take")):
            for title, shape in (("one connection, one at a time", ONE),
                                 ("64 connections, one at a time each", MANY),
                                 ("each one's best batch and pipeline", None)):
                results = alternately(bench.rounds, theirs, ours, lambda side: getattr(side, doing)(
                    shape or getattr(side, best)))
                load = "" if shape else f"{getattr(theirs, best)}; Penstock: {getattr(ours, best)}"
                add(f"{name}, {title}", "/s", results, lambda run: run["rate"], load=load)
            add(f"Server's CPU for a message, {name.lower()} at its best", "µs", results,
                lambda run: run["server_cpu_seconds"] * 1e6 / max(run["messages"], 1), False)
        results = alternately(bench.rounds, theirs, ours, lambda side: side.trip(None))
        for share in ("p50", "p99"):
            add(f"From publish to received, {share}", "µs", results,
                lambda run, key=f"{share}_us": run[key], False)
        if peer.benchmark_words:
            results = alternately(bench.rounds, theirs, ours,
                                  lambda side: redis_benchmark(bench, side))
            add("Publish by redis-benchmark, 64 clients", "/s", results, lambda rate: rate)
    return rows


def redis_benchmark(bench, side):
    """The same as the second row of publishing, by a client that is not ours."""
    rate = side.rates["publish", MANY]
    words = [word.format(queue="bench") for word in side.peer.benchmark_words]
    done = subprocess.run(
        ["redis-benchmark", "-p", str(side.server.port), "-c", "64", "-q", "-n",
         str(max(int(rate * bench.seconds), 640)), *words, "x" * 1024],
        capture_output=True, text=True)
    found = re.findall(r"([\d.]+) requests per second", done.stdout)
    if done.returncode != 0 or not found or "Error" in done.stdout:
        raise RuntimeError(f"redis-benchmark: {done.stdout[-500:]} {done.stderr[-500:]}")
    return float(found[-1])


def measure_start(bench, peer, penstock, say):
    """Start in an empty folder until the first durable OK; memory half a second later."""
    def start(side):
        with bench.folder() as folder:
            server, seconds = bench.started(side, folder)
            try:
                time.sleep(0.5)
                return seconds * 1e3, server.memory_bytes() / 1e6
            finally:
                server.stop()

    results = alternately(bench.startups, peer, penstock, start)
    for at, (title, unit) in enumerate((("Start in an empty folder, to the first OK", "ms"),
                                        ("Memory when idle", "MB"))):
        row = Row(title, peer.name, unit, False, [run[at] for run in results[0]],
                  [run[at] for run in results[1]], synced=peer.synced)
        say(row)
        yield row


def measure_waiting(bench, peer):
    """What `bench.waiting` messages cost one server: once, as these hardly vary."""
    with bench.folder() as folder:
        server, _ = bench.started(peer, folder, relaxed=True)
        try:
            peer.make_queue(server, "work")
            bench.run(server, "publish", "work", ENOUGH, messages=bench.waiting)
            time.sleep(1)
            memory, disk = server.memory_bytes() / 1e6, server.disk_bytes() / 1e6
        finally:
            server.stop()
        server, again = bench.started(peer, folder)
        server.stop()
    return {"memory": memory, "disk": disk, "again": again * 1e3}


def rows_of_waiting(bench, peer, theirs, ours):
    for key, title, unit in (("memory", "Memory with {} messages waiting", "MB"),
                             ("disk", "Disk with {} messages waiting", "MB"),
                             ("again", "Start again with {} messages waiting, to the first OK",
                              "ms")):
        yield Row(title.format(f"{bench.waiting:,}"), peer.name, unit, False, [theirs[key]],
                  [ours[key]], synced=peer.synced)
