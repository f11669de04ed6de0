"""Suites that are programs of their own: other languages' clients, and Celery.

A program is told the server in AMQP_URL and a name of its own in PREFIX, and says on standard
output, line by line, `ok NAME` or `FAIL NAME: why`; `restart` asks for the server to be killed and
started again, and waits for the line `restarted` on standard input. Its last line is `done`.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time
import uuid

from .runner import Outcome, TimeLimit, time_limit
from .server import end_session

HERE = pathlib.Path(__file__).parents[1]


class NotToBeHad(Exception):
    """What a suite needs comes from elsewhere, and did not come."""


@dataclasses.dataclass(frozen=True)
class Script:
    """`seconds`: the time limit for all of it, the server's starts not counted."""
    suite: str
    words: tuple
    seconds: float = 60


def node_modules(folder):
    """The packages of package-lock.json, in a copy of the folder below the build's."""
    source = HERE / "amqplib"
    target = folder / "amqplib"
    target.mkdir(parents=True, exist_ok=True)
    lock = (source / "package-lock.json").read_bytes()
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, target)
    stamp = target / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_bytes() != lock:
        try:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=target,
                           check=True, timeout=120, stdin=subprocess.DEVNULL,
                           stdout=sys.stderr, stderr=sys.stderr)
        except (OSError, subprocess.SubprocessError) as error:
            raise NotToBeHad(f"npm cannot bring amqplib: {error}") from error
        stamp.write_bytes(lock)
    return target


def scripts(build):
    """All there are; `build` is where packages from elsewhere are kept."""
    yield Script("amqplib", ("node", lambda: node_modules(build) / "scenarios.js"))
    yield Script("bunny", ("/usr/bin/ruby", HERE / "bunny" / "scenarios.rb"))
    yield Script("celery", ("/usr/bin/python3", "-B", HERE / "celery" / "scenarios.py"), 90)


def run_script(script, server, report):
    """Runs it against the server, which it may have restarted; the outcomes."""
    words = [str(word() if callable(word) else word) for word in script.words]
    log = server.folder / f"{script.suite}.log"
    environment = {**os.environ, "AMQP_URL": server.address.url(),
                   "PREFIX": f"t{uuid.uuid4().hex[:12]}.", "FOLDER": str(server.folder),
                   "SERVER": server.kind}
    outcomes = []

    def add(name, problem, started):
        outcomes.append(Outcome(f"{script.suite}: {name}", problem, time.monotonic() - started))
        report(outcomes[-1])

    with open(log, "ab") as errors:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=errors, env=environment, text=True,
                                   start_new_session=True, cwd=server.folder)
    try:
        with time_limit(script.seconds + (30 if server.kind == "rabbitmq" else 0)):
            done = converse(process, server, add)
        problem = "" if done else f"it ended with {process.wait(10)}"
    except (TimeLimit, BrokenPipeError, RuntimeError) as error:
        problem = str(error)
    finally:
        end_session(process, 9)
    if problem:
        said = log.read_text(errors="replace").splitlines()[-15:]
        add("the program runs to its end", problem + "".join("\n       " + line for line in said),
            time.monotonic())
    return outcomes


def converse(process, server, add):
    """Takes what the program says until it is done; False when it ended before."""
    started = time.monotonic()
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "done":
            return True
        if word == "restart":
            server.restart()
            process.stdin.write("restarted\n")
            process.stdin.flush()
        elif word in ("ok", "FAIL"):
            name, _, problem = rest.partition(": ")
            add(name, problem if word == "FAIL" else "", started)
            started = time.monotonic()
    return False
