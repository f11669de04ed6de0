"""Runs the clients of AMQP 0-9-1 against Penstock, RabbitMQ, or whoever listens on a port.

    python3 -m conformance --penstock build/release/penstock [--suite pika] [words]
    python3 -m conformance --control
    python3 -m conformance --port 5672
    python3 -m conformance --penstock build/release/penstock --compare
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from . import access, management, tools  # noqa: F401  makes their scenarios known
from .runner import Outcome, run_over_restart, run_parallel, say
from .scenario import SCENARIOS, Address
from .scripts import NotToBeHad, run_script, scripts
from .server import Penstock, RabbitMQ

HERE = pathlib.Path(__file__).parents[1]
NOTHING_RAN = 77  # what ctest takes for "skipped"
SUITES = ("pika", "restart", "access", "management", "tools", "amqplib", "bunny", "celery")

# Suites that want a server of their own, and how it is started.
STARTED = {"access": {"definitions": access.DEFINITIONS}, "management": {"managed": True}}

DIFFERENT = {one.full_name(): one.differs for one in SCENARIOS if one.differs}


class Listening:
    """A server that somebody else runs: it cannot be killed, so no script is asked to."""

    kind = "other"

    def __init__(self, port):
        self.address = Address("127.0.0.1", port)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-amqp-"))

    def restart(self):
        raise RuntimeError("this server is not ours to restart")


def chosen_scenarios(suite, words, kind):
    return [one for one in SCENARIOS if one.suite == suite and one.only in ("", kind)
            and (not one.needs or shutil.which(one.needs))
            and all(re.search(word, one.full_name()) for word in words)]


def run_suites(server, suites, options, report):
    outcomes = []
    for suite in suites:
        some = chosen_scenarios(suite, options.words, server.kind)
        if not some or (suite in (*STARTED, "restart") and server.kind == "other"):
            continue
        if suite in STARTED:
            outcomes += run_apart(server, suite, some, options, report)
        elif suite == "restart":
            outcomes += run_over_restart(some, server, report)
        else:
            outcomes += run_parallel(some, server.address, options.jobs, report)
    for script in scripts(options.build):
        if script.suite in suites:
            try:
                outcomes += run_script(script, server, report)
            except NotToBeHad as why:
                print(f"left out: {script.suite}: {why}")
    return outcomes


def run_apart(server, suite, some, options, report):
    """With a server of the same kind, started as the suite wants it."""
    started = time.monotonic()
    try:
        with server.another(**STARTED[suite]) as another:
            return run_parallel(some, another.address, options.jobs, report)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        outcome = Outcome(f"{suite}: its server is set up", f"{type(error).__name__}: {error}",
                          time.monotonic() - started)
        report(outcome)
        return [outcome]


def known_failures(options, server):
    """What is known to be otherwise with Penstock: on purpose, or not yet (pending.txt)."""
    if server.kind != "penstock" or options.all:
        return set()
    lines = (HERE / "pending.txt").read_text().splitlines()
    return DIFFERENT.keys() | {line for line in lines if line and not line.startswith("#")}


def summary(outcomes, pending, seconds):
    """Prints how it went; 1 when something is not as it should be, else 0."""
    failed = [one for one in outcomes if one.problem and one.name not in pending]
    risen = [one for one in outcomes if not one.problem and one.name in pending]
    waiting = sum(1 for one in outcomes if one.problem and one.name in pending)
    different = sum(1 for one in outcomes if one.problem and one.name in pending & DIFFERENT.keys())
    for one in risen:
        where = "its scenario's `differs`" if one.name in DIFFERENT else "its line in pending.txt"
        print(f"FAIL {one.name}\n     it works: take out {where}")
    passed = len(outcomes) - len(failed) - len(risen) - waiting
    print(f"{passed} passed, {len(failed) + len(risen)} failed"
          + (f", {different} different on purpose" if different else "")
          + (f", {waiting - different} pending" if waiting > different else "")
          + f", in {seconds:.1f} s")
    return 1 if failed or risen else 0 if outcomes else NOTHING_RAN


def run(make_server, options):
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        server = make_server()
        if server.kind != "other":
            stack.enter_context(server)
        pending = known_failures(options, server)

        def report(outcome):
            if not options.quiet or (outcome.problem and outcome.name not in pending):
                say(outcome)
        outcomes = run_suites(server, options.suite or SUITES, options, report)
    return outcomes, summary(outcomes, pending, time.monotonic() - started)


def compare(options):
    """Both servers, the same scenarios; prints where they differ."""
    options.all = True
    print("RabbitMQ:")
    control, _ = run(RabbitMQ, options)
    print("Penstock:")
    ours, _ = run(lambda: Penstock(options.penstock), options)
    theirs = {one.name: one.problem for one in control}
    differences = [(one, theirs.get(one.name)) for one in ours
                   if bool(one.problem) != bool(theirs.get(one.name))]
    print(f"\n{len(differences)} differences")
    for one, their_problem in differences:
        purpose = DIFFERENT.get(one.name)
        on_purpose = f" (on purpose: {purpose})" if purpose else ""
        print(f"{one.name}\n  RabbitMQ: {their_problem or 'as it says'}\n"
              f"  Penstock: {one.problem or 'as it says'}{on_purpose}")
    return 1 if any(one.name not in DIFFERENT for one, _ in differences) else 0


def main():
    parser = argparse.ArgumentParser(prog="conformance")
    server = parser.add_argument_group("the server")
    server.add_argument("--penstock", type=pathlib.Path, help="the program, started here")
    server.add_argument("--control", action="store_true", help="RabbitMQ, started here")
    server.add_argument("--port", type=int, help="one that listens on this port already")
    server.add_argument("--compare", action="store_true", help="RabbitMQ, then --penstock")
    parser.add_argument("--suite", action="append", choices=SUITES, help="all unless told")
    parser.add_argument("--jobs", type=int, default=6, help="scenarios at a time")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build" / "amqp",
                        help="where packages from elsewhere are kept")
    parser.add_argument("--all", action="store_true", help="pending.txt excuses nothing")
    parser.add_argument("--quiet", action="store_true", help="print only what went wrong")
    parser.add_argument("words", nargs="*", help="only scenarios whose name has these (regex)")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.penstock = options.penstock and options.penstock.resolve()
    if options.compare and options.penstock:
        return compare(options)
    if options.control:
        return run(RabbitMQ, options)[1]
    if options.port:
        return run(lambda: Listening(options.port), options)[1]
    if options.penstock:
        return run(lambda: Penstock(options.penstock), options)[1]
    parser.error("which server? --penstock PROGRAM, --control or --port N")


if __name__ == "__main__":
    sys.exit(main())
