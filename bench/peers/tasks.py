"""The task queues: enqueueing, running what waits, one task to and fro, starting, memory."""

import json
import os
import subprocess
import time

from .bench import alternately
from .process import free_port
from .table import Row

# Tasks that are due at the same moment.
DUE_AT_ONCE = 100_000
DUE_AT_ONCE_QUICK = 2_000

# figure of a round -> (heading, unit, higher is better)
FIGURES = {
    "one": ("Enqueue tasks, one client, one at a time", "/s", True),
    "many": ("Enqueue tasks, one client, batches of 1000", "/s", True),
    "drain": ("Run tasks that do nothing, from a filled queue, 2 worker processes", "/s", True),
    "drain_1": ("The same with 1 worker process", "/s", True),
    "drain_4": ("The same with 4 worker processes", "/s", True),
    "run_p50": ("From enqueue to running, p50", "µs", False),
    "run_p99": ("From enqueue to running, p99", "µs", False),
    "result_p50": ("From enqueue to its result, p50", "µs", False),
    "result_p99": ("From enqueue to its result, p99", "µs", False),
    "chord": ("A chord of 1000 members, from its start to its value", "ms", False),
    "late_p50": ("Tasks due at the same moment, how late they run, p50", "ms", False),
    "late_p99": ("Tasks due at the same moment, how late they run, p99", "ms", False),
    "start": ("Start of the workers, to the first task run", "ms", False),
    "memory": ("Memory of broker and workers after the round", "MB", False),
}


def play(bench, broker):
    """One round: what FIGURES names."""
    figures = play_part(bench, broker, 2)
    for processes in (1, 4):
        part = play_part(bench, broker, processes, only_drain=True)
        figures[f"drain_{processes}"] = part["drain"]
    return figures


def play_part(bench, broker, processes, only_drain=False):
    words, environment = broker.tasks.client(broker, bench.seconds)
    if only_drain:
        environment["ONLY_DRAIN"] = "yes"
    environment["DUE_AT_ONCE"] = str(DUE_AT_ONCE_QUICK if bench.seconds < 1 else DUE_AT_ONCE)
    with open(broker.folder / "client.log", "ab") as log:
        client = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=log,
                                  env={**os.environ, **environment}, cwd=broker.folder, text=True)
    workers = []

    def stage():
        line = client.stdout.readline()
        if not line:
            for process in workers:
                process.check()
            complaint = (broker.folder / "client.log").read_text(errors="replace")[-1000:]
            raise RuntimeError(f"the client of {broker.tasks.name} has ended: {complaint}")
        return json.loads(line)

    try:
        figures = stage()
        begin = time.monotonic()
        workers = broker.tasks.start_workers(broker, processes)
        figures |= stage()
        if only_drain:
            client.wait()
            return figures
        figures |= stage()
        figures |= stage()
        figures["start"] = (figures.pop("first_run") - begin) * 1e3
        figures["memory"] = (broker.memory_bytes()
                             + sum(process.memory_bytes() for process in workers)) / 1e6
        client.wait()
        return figures
    finally:
        client.kill()
        client.wait()
        for process in workers:
            process.stop()


def start(bench, tasks, folder):
    broker = tasks.start_broker(folder, free_port())
    broker.tasks = tasks
    return broker


def measure_tasks(bench, peer, penstock, say):
    """Rows of one peer beside Penstock, in turns; each broker lives through all rounds."""
    with bench.folder() as their_folder, bench.folder() as our_folder:
        theirs, ours = start(bench, peer, their_folder), start(bench, penstock, our_folder)
        try:
            time.sleep(1)  # until they listen: that is no figure here
            results = alternately(bench.rounds, theirs, ours, lambda broker: play(bench, broker))
        finally:
            theirs.stop()
            ours.stop()
    for figure, (title, unit, higher) in FIGURES.items():
        if figure in results[0][0]:
            row = Row(title, peer.name, unit, higher, [run[figure] for run in results[0]],
                      [run[figure] for run in results[1]], synced=peer.synced)
            say(row)
            yield row
