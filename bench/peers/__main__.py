"""Measures Penstock and what people use today on the same work, in turns.

    make bench-peers [QUICK=1]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from . import amqp, machine, queues, table
from .beanstalkd import Beanstalkd
from .bench import Bench
from .celery import Celery
from .nats import Nats
from .penstock import Penstock, PenstockHttp
from .penstock_tasks import PenstockTasks
from .rabbitmq import PenstockAmqp, RabbitClassic, RabbitQuorum, Sink
from .redis import RedisLists, RedisStreams
from .sidekiq import Sidekiq
from .tasks import measure_tasks


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="folder of the programs")
    parser.add_argument("--out", type=Path, required=True, help="folder for results and data")
    parser.add_argument("--page", type=Path, help="page whose generated section is replaced")
    parser.add_argument("--quick", action="store_true", help="short runs, to try it out")
    parser.add_argument("--rounds", type=int, help="of each pair")
    parser.add_argument("--only", default="", help="only peers whose name contains this")
    return parser.parse_args()


def make_bench(given, data):
    bench = Bench(load=given.build / "bench/peers/peer_load", data=data,
                  rounds=given.rounds or (1 if given.quick else 5),
                  seconds=0.25 if given.quick else 0.7,
                  waiting=100_000 if given.quick else 1_000_000, startups=1 if given.quick else 5)
    if machine.file_system(data) in ("tmpfs", "ramfs"):
        sys.exit(f"bench-peers: {data} is in memory; syncing would be free there")
    return bench


def measure(bench, given, say):
    """(rows, peers) of everything."""
    program = given.build / "penstock"
    penstock = Penstock(program)
    pairs = [RedisLists("always"), RedisLists("everysec"), RedisStreams("always"),
             RedisStreams("everysec"), Beanstalkd(), Nats(), PenstockHttp(program)]
    servers = [pairs[0], pairs[4], pairs[5]]
    fillers = [pairs[0], pairs[2], pairs[4], pairs[5]]
    task_peers = [Celery(), Sidekiq()]
    amqp_peers = [RabbitClassic(), RabbitQuorum()]

    def chosen(peers):
        return [peer for peer in peers if given.only.lower() in peer.name.lower()]

    missing = {program for peer in chosen(pairs + task_peers + amqp_peers)
               for program in peer.programs if not shutil.which(program)}
    if missing:
        raise RuntimeError(f"not installed: {', '.join(sorted(missing))}; Debian's packages are "
                           "named in bench/peers/packages.txt")

    rows = []
    for peer in chosen(pairs):
        rows += queues.measure_pair(bench, peer, penstock, say)
    for peer in chosen(servers):
        rows += queues.measure_start(bench, peer, penstock, say)
    if chosen(fillers):
        ours = queues.measure_waiting(bench, penstock)
    for peer in chosen(fillers):
        for row in queues.rows_of_waiting(bench, peer, queues.measure_waiting(bench, peer), ours):
            say(row)
            rows.append(row)
    rows += measure_over_amqp(bench, given, chosen(amqp_peers), say)
    for peer in chosen(task_peers):
        rows += measure_tasks(bench, peer, PenstockTasks(
            program, given.build / "bench/peers/peer_tasks"), say)
    return rows, [penstock, *chosen(pairs), *chosen(amqp_peers), *chosen(task_peers)]


def measure_over_amqp(bench, given, peers, say):
    if not peers:
        return []
    bench, ours = amqp.for_amqp(bench, given.build), PenstockAmqp(given.build / "penstock")
    alone = amqp.measure_client(bench, Sink(given.build / "bench/peers/peer_amqp_sink"))
    print("AMQP, the load client alone: " + ", ".join(f"{what} {rate:,.0f}/s"
                                                      for what, rate in alone.items()), flush=True)
    rows = []
    for peer in peers:
        rows += amqp.measure_amqp(bench, peer, ours, say)
    waiting = amqp.measure_amqp_waiting(bench, ours)
    for peer in peers:
        for row in amqp.rows_of_amqp_waiting(bench, peer, amqp.measure_amqp_waiting(bench, peer),
                                             waiting):
            say(row)
            rows.append(row)
    return rows


def circumstances(bench, found):
    shared = found["others_share"]
    apart = (" (its disk too; the processors were had first, by real-time priority: "
             "`chrt -r 1 make bench-peers`)" if found["real_time"] else "")
    return (
        f"Measured {found['date']} by `make bench-peers` on {found['cores']} cores "
        f"({found['processor']}), {found['memory_gb']} GB, Linux {found['kernel']}, "
        f"{found['file_system']}; a sync of 4 KiB takes {found['sync_growing_us']} µs at the end "
        f"of a growing file, {found['sync_over_us']} µs over bytes already written (medians). "
        f"Messages of 1 KiB. Each pair in turns, {bench.rounds} rounds of {bench.seconds} s each; "
        "median (lowest–highest); the ratio is the median of the rounds' own ratios, **above 1 "
        "Penstock is better**, ~ where the rounds disagree. "
        f"Other programs used {shared:.0%} of the processors meanwhile"
        + ("." if shared < 0.05 else
           f": the machine was shared{apart}, so look at the ratios rather than at the figures."))


def peers_table(peers):
    lines = ["| | version | what its OK means († not synced before the reply) |", "|---|---|---|"]
    for peer in peers:
        workers = f"; workers: {peer.workers}" if hasattr(peer, "workers") else ""
        mark = "" if peer.synced else " †"
        lines.append(f"| {peer.name}{mark} | {peer.version()} | {peer.says_ok}{workers} |")
    lines.append(f"| Penstock, tasks | | the same; workers: {PenstockTasks.workers} |")
    return "\n".join(lines)


def main():
    given = arguments()
    os.environ["PATH"] += ":/usr/sbin"  # where Debian has nats-server
    given.build, given.out = given.build.resolve(), given.out.resolve()
    data = given.out / "data"
    data.mkdir(parents=True, exist_ok=True)
    bench = make_bench(given, data)
    found = machine.describe(data)
    neighbours = machine.Neighbours()
    begin = time.monotonic()
    rows, peers = measure(bench, given, lambda row: print(table.line(row), flush=True))
    found["others_share"] = neighbours.share()
    found["took_seconds"] = round(time.monotonic() - begin)
    text = (circumstances(bench, found) + "\n\n" + peers_table(peers) + "\n\n"
            + table.markdown(rows))
    results = given.out / "results.json"
    results.write_text(json.dumps(
        {"machine": found, "peers": {peer.name: [peer.version(), peer.says_ok] for peer in peers},
         "rows": [{**asdict(row), "verdict": row.verdict()} for row in rows]}, indent=1) + "\n")
    print("\n" + circumstances(bench, found))
    print(f"{len(rows)} rows in {found['took_seconds']} s; ~ level, - worse. All of it: {results}")
    if given.page:
        given.page.write_text(table.replace_section(given.page.read_text(), text))
        print(f"written into {given.page}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(f"bench-peers: {error}")
