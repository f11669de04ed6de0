"""What a scenario is: one behaviour, named as a sentence, that asserts against one server."""

import contextlib
import dataclasses
import pathlib
import select
import time
import typing
import uuid

PATIENCE = 12.0  # seconds within which a server that works has said what it has to say


class Failure(AssertionError):
    """The server did something else than the scenario's name says."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a server listens and who may come in."""
    host: str
    port: int
    vhost: str = "/"
    user: str = "guest"
    password: str = "guest"
    management: tuple = ()  # host and port of the management API

    def url(self):
        vhost = "%2F" if self.vhost == "/" else self.vhost
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/{vhost}"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`only`: the one kind of server it is for, "" for all; `seconds`: its time limit."""
    suite: str
    name: str
    function: typing.Callable
    only: str = ""
    seconds: float = 40.0
    needs: str = ""  # a program that has to be installed
    differs: str = ""  # what Penstock does instead, on purpose; docs/protocols/amqp.md says why

    def full_name(self):
        return f"{self.suite}: {self.name}"


SCENARIOS = []


def scenario(suite, name, **more):
    """Adds the function below it to the scenarios that the runner knows."""
    def add(function):
        SCENARIOS.append(Scenario(suite, name, function, **more))
        return function
    return add


def equal(got, expected, what="value"):
    if got != expected:
        raise Failure(f"{what} is {got!r}, expected {expected!r}")


def holds(condition, what):
    if not condition:
        raise Failure(what)


class Context:
    """What a scenario gets: an address, names of its own, and what cleans up after it."""

    def __init__(self, address, server=None, folder=None):
        self.address = address
        self.server = server  # a process of ours, that can be killed and started again; or None
        self.folder = pathlib.Path(folder) if folder else None
        self.prefix = f"t{uuid.uuid4().hex[:12]}."
        self.cleanup = contextlib.ExitStack()

    def name(self, suffix="q"):
        return self.prefix + suffix

    def until(self, condition, what, pause=None, seconds=PATIENCE):
        """Asks until the answer is yes. `pause` waits for the event that may change it; where a
        server tells of none, it is asked again after 10 ms."""
        end = time.monotonic() + seconds
        while not condition():
            holds(time.monotonic() < end, f"still not so after {seconds} s: {what}")
            if pause:
                pause()
            else:
                select.select([], [], [], 0.01)
