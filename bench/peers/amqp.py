"""The same over AMQP 0-9-1: RabbitMQ's clients' way of using a queue."""

import dataclasses
import time

from .bench import alternately
from .peer import Shape
from .table import Row

WINDOW = Shape(1, 500)
FOUR = Shape(4, 500)
THOUSAND = Shape(1000, 1)
HUNDRED_QUEUES = ("queues=100",)


class Side:
    """One server, and how many messages wait in its queue."""

    def __init__(self, bench, server):
        self.bench, self.server, self.held = bench, server, 0
        self.rate = max(self.publish(WINDOW)["rate"], 1)  # warms up, too
        for queue in ("many", "flows"):
            self.publish(FOUR, queue, HUNDRED_QUEUES, messages=1000)

    def publish(self, shape, queue="work", more=(), messages=0):
        done = self.bench.run(self.server, "publish", queue, shape, messages=messages, more=more)
        if queue == "work":
            self.held += done["messages"]
        return done

    def consume(self, shape):
        wanted = int(3 * self.bench.seconds * self.rate) + 5000
        if self.held < wanted:
            self.publish(FOUR, messages=wanted - self.held)
        done = self.bench.run(self.server, "consume", "work", shape)
        self.held -= done["messages"]
        self.rate = max(self.rate, done["rate"])
        return done

    def both(self, queue, shape=WINDOW, more=()):
        return self.bench.run(self.server, "both", queue, shape, more=more)

    def trip(self):
        return self.bench.run(self.server, "roundtrip", "trip", Shape())


ROWS = (
    ("publish with confirms, 1 connection, window 500", lambda side: side.publish(WINDOW)),
    ("publish with confirms, 4 connections, window 500 each", lambda side: side.publish(FOUR)),
    ("publish with confirms, one at a time", lambda side: side.publish(Shape())),
    ("publish over 100 queues, 4 connections, window 500 each",
     lambda side: side.publish(FOUR, "many", HUNDRED_QUEUES)),
    ("publish on 1,000 connections, one at a time each",
     lambda side: side.publish(THOUSAND, "crowd")),
    ("consume and acknowledge, 1 connection, prefetch 500", lambda side: side.consume(WINDOW)),
    ("consume and acknowledge, 4 connections, prefetch 500 each", lambda side: side.consume(FOUR)),
    ("delivered while published, 1 connection each, window and prefetch 500",
     lambda side: side.both("flow")),
    ("delivered while published, 100 queues, 4 connections each",
     lambda side: side.both("flows", FOUR, HUNDRED_QUEUES)),
)


def for_amqp(bench, build):
    """The same measurement with the load client of AMQP."""
    return dataclasses.replace(bench, load=build / "bench/peers/peer_amqp")


def measure_amqp(bench, peer, penstock, say):
    """Rows of one peer beside Penstock, run in turns on the same work."""
    rows = []
    with bench.server(peer) as their_server, bench.server(penstock) as our_server:
        theirs, ours = Side(bench, their_server), Side(bench, our_server)

        def add(title, unit, results, figure, higher=True):
            rows.append(Row(f"AMQP: {title}", peer.name, unit, higher,
                            [figure(run) for run in results[0]],
                            [figure(run) for run in results[1]], synced=peer.synced))
            say(rows[-1])

        for title, work in ROWS:
            results = alternately(bench.rounds, theirs, ours, work)
            add(title, "/s", results, lambda run: run["rate"])
            if title.endswith("connection, window 500"):
                add("server's CPU for a message, published with window 500", "µs", results,
                    lambda run: run["server_cpu_seconds"] * 1e6 / max(run["messages"], 1), False)
        results = alternately(bench.rounds, theirs, ours, lambda side: side.trip())
        for share in ("p50", "p99"):
            add(f"from publish to delivered, one at a time, {share}", "µs", results,
                lambda run, key=f"{share}_us": run[key], False)
    return rows


def measure_amqp_waiting(bench, peer):
    """Memory and disk with `bench.waiting` messages of 1 KiB in one queue, in MB."""
    with bench.folder() as folder:
        server, _ = bench.started(peer, folder)
        try:
            bench.run(server, "publish", "waiting", FOUR, messages=bench.waiting)
            time.sleep(1)
            return server.memory_bytes() / 1e6, server.disk_bytes() / 1e6
        finally:
            server.stop()


def rows_of_amqp_waiting(bench, peer, theirs, ours):
    for at, what in enumerate(("memory", "disk")):
        yield Row(f"AMQP: {what} with {bench.waiting:,} messages waiting", peer.name, "MB", False,
                  [theirs[at]], [ours[at]], synced=peer.synced)


def measure_client(bench, sink):
    """What the load client can do alone: each figure the best of the rounds."""
    with bench.server(sink) as server:
        side = Side(bench, server)
        side.held = 1 << 60  # it makes them up

        def best(work):
            return max(work(side)["rate"] for _ in range(bench.rounds))
        return {"publish": best(lambda side: side.publish(WINDOW)),
                "consume": best(lambda side: side.consume(WINDOW))}
