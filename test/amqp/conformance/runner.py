"""Runs scenarios, several at a time, each within its time limit, and says how each went."""

import contextlib
import dataclasses
import multiprocessing
import signal
import sys
import time
import traceback

from . import scenarios  # noqa: F401  makes them known
from .client import Client
from .scenario import PATIENCE, SCENARIOS


@dataclasses.dataclass
class Outcome:
    """How one scenario went; `problem` is empty when it went well."""
    name: str
    problem: str
    seconds: float


class TimeLimit(Exception):
    """A scenario took longer than it may."""


@contextlib.contextmanager
def time_limit(seconds):
    """Raises TimeLimit in the main thread, also out of a blocking call."""
    def over(*_):
        raise TimeLimit(f"not over after {seconds:g} s")
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def where(error):
    """The scenario's line that failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if "/scenarios/" in frame.filename]
    if not frames:
        return ""
    return f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})"


def run_one(scenario, context):
    """One scenario from its start to the end of its cleaning up."""
    started = time.monotonic()
    problem = ""
    # Cleaning up has a limit of its own: the scenario may have used up its one.
    for step, seconds in ((lambda: scenario.function(context), scenario.seconds),
                          (context.cleanup.close, 2 * PATIENCE)):
        try:
            with time_limit(seconds):
                step()
        except Exception as error:  # whatever a client library raises is the outcome
            problem = problem or f"{type(error).__name__}: {error}{where(error)}"
    return Outcome(scenario.full_name(), problem, time.monotonic() - started)


def run_over_restart(chosen, server, report):
    """Scenarios in two halves, generators both: what is before their `yield`, then one kill and
    restart for all of them, then the rest."""
    begun, outcomes = [], []

    def half(scenario, context, steps):
        started = time.monotonic()
        try:
            with time_limit(scenario.seconds):
                ended = next(steps, True)
        except Exception as error:
            ended = f"{type(error).__name__}: {error}{where(error)}"
        return ended, time.monotonic() - started

    def finish(scenario, context, problem, seconds):
        with contextlib.suppress(Exception):  # connections that the restart ended
            context.cleanup.close()
        outcomes.append(Outcome(scenario.full_name(), problem, seconds))
        report(outcomes[-1])

    for scenario in chosen:
        context = Client(server.address)
        steps = scenario.function(context)
        problem, seconds = half(scenario, context, steps)
        if problem:
            finish(scenario, context, problem, seconds)
        else:
            begun.append((scenario, context, steps))
    server.restart()
    for scenario, context, steps in begun:
        context.forget_connection()
        problem, seconds = half(scenario, context, steps)
        finish(scenario, context, problem if isinstance(problem, str) else "", seconds)
    return outcomes


def run_numbered(job):
    """In a worker process; the list of scenarios is the same there."""
    number, address = job
    return run_one(SCENARIOS[number], Client(address))


def run_parallel(chosen, address, jobs, report):
    """All of `chosen` against one server; the outcomes."""
    numbers = {id(scenario): number for number, scenario in enumerate(SCENARIOS)}
    work = [(numbers[id(scenario)], address) for scenario in chosen]
    outcomes = []
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for outcome in pool.imap_unordered(run_numbered, work):
            report(outcome)
            outcomes.append(outcome)
    return outcomes


def say(outcome):
    word = "FAIL" if outcome.problem else "ok"
    print(f"{word:4} {outcome.name} ({outcome.seconds * 1000:.0f} ms)")
    if outcome.problem:
        print(f"     {outcome.problem}")
    sys.stdout.flush()
