"""Celery's side of the task benchmark: the tasks, and a client that plays one round.

    REDIS_URL=redis://... python3 -m peers.celery_tasks SECONDS    one line of JSON for each stage
"""

import json
import os
import sys
import time

from celery import Celery, group

BATCH = 1000

app = Celery("peers", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


@app.task(name="nothing", ignore_result=True)
def nothing(_number):
    pass


@app.task(name="clock")
def clock():
    """When it ran, by the clock that all processes of the machine share."""
    return time.monotonic()


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

    runs, results = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.monotonic()
        runs.append(clock.delay().get() - asked)
        results.append(time.monotonic() - asked)
    say(run_p50=percentile(runs, 0.5), run_p99=percentile(runs, 0.99),
        result_p50=percentile(results, 0.5), result_p99=percentile(results, 0.99))


if __name__ == "__main__":
    play(float(sys.argv[1]))
