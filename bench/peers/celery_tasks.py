"""Celery's side of the task benchmark: the tasks, and a client that plays one round.

    REDIS_URL=redis://... python3 -m peers.celery_tasks SECONDS    one line of JSON for each stage
"""

import datetime
import json
import os
import pathlib
import sys
import time

from celery import Celery, chord, group

BATCH = 1000

app = Celery("peers", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


@app.task(name="nothing", ignore_result=True)
def nothing(_number):
    pass


@app.task(name="clock")
def clock():
    """When it ran, by the clock that all processes of the machine share."""
    return time.monotonic()


@app.task(name="one")
def one(number):
    return number


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="due", ignore_result=True)
def due(at):
    """Notes how late it is in a file of its process: nothing that all of them wait for."""
    with open(f"late-{os.getpid()}", "a") as late:
        late.write(f"{time.time() - at}\n")


def lateness(count):
    """Of tasks that are all due once the last of them has been enqueued."""
    at = time.time() + 2 + count / 1000
    eta = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    for file in pathlib.Path(".").glob("late-*"):
        file.unlink()
    for _ in range(count):
        due.apply_async((at,), eta=eta)
    late = []
    while len(late) < count:
        time.sleep(0.2)  # between two looks at files: nobody tells
        late = [float(line) for file in pathlib.Path(".").glob("late-*")
                for line in file.read_text().split("\n")[:-1]]
    say(late_p50=percentile(late, 0.5) / 1e3, late_p99=percentile(late, 0.99) / 1e3)


def enqueue_for(seconds, batch, enqueue):
    count, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        enqueue()
        count += batch
    return count, time.monotonic() - start


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(p * len(values)))] * 1e6


def say(**figures):
    print(json.dumps(figures), flush=True)


def play(seconds):
    first = clock.delay()
    one, one_seconds = enqueue_for(seconds, 1, lambda: nothing.delay(1))
    # The nearest to a batch that Celery has: signatures sent one after the other, one connection.
    many, many_seconds = enqueue_for(
        seconds, BATCH, lambda: group(nothing.s(1) for _ in range(BATCH)).apply_async())
    last = clock.delay()
    say(one=one / one_seconds, many=many / many_seconds)

    started, ended = first.get(), last.get()
    say(first_run=started, drain=(one + many) / (ended - started))
    if "ONLY_DRAIN" in os.environ:
        return

    runs, results = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        runs.append(clock.delay().get() - asked)
        results.append(time.monotonic() - asked)
    say(run_p50=percentile(runs, 0.5), run_p99=percentile(runs, 0.99),
        result_p50=percentile(results, 0.5), result_p99=percentile(results, 0.99), **chorded())
    lateness(int(os.environ["DUE_AT_ONCE"]))


def chorded():
    asked = time.monotonic()
    assert chord(one.s(n) for n in range(1000))(total.s()).get() == 499500
    return {"chord": (time.monotonic() - asked) * 1e3}


if __name__ == "__main__":
    play(float(sys.argv[1]))
