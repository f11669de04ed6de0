"""RabbitMQ 3.10 over AMQP 0-9-1, classic and quorum queues, and Penstock over the same protocol."""

import sys
from pathlib import Path

from .peer import Peer, said
from .penstock import Penstock
from .process import Process, Server, free_port

sys.path.append(str(Path(__file__).parents[2] / "test" / "amqp"))
from conformance.rabbitmq import SERVER, Node  # noqa: E402  the tests' control, started alike


class RabbitMQ(Peer):
    programs = (SERVER, "epmd")

    def version(self):
        return "RabbitMQ " + said("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server")

    def start(self, folder, port, relaxed=False):
        data = folder / "node"
        data.mkdir(exist_ok=True)
        node = Node(data, port, free_port(), free_port())
        return Server(self, folder, port, [
            Process("epmd", node.mapper, folder),
            Process("rabbitmq", node.server, folder, node.environment)])


class RabbitClassic(RabbitMQ):
    name = "RabbitMQ classic"
    dialect = "classic"
    says_ok = "written by the operating system, synced now and then: a power cut takes the last"
    synced = False


class RabbitQuorum(RabbitMQ):
    name = "RabbitMQ quorum"
    dialect = "quorum"
    says_ok = "written to the log of a single member and synced"


class PenstockAmqp(Penstock):
    name = "Penstock over AMQP"
    dialect = "penstock"


class Sink(Peer):
    """Confirms and delivers without keeping anything: the load client's own limit."""
    name = "the client alone"
    dialect = "classic"
    says_ok = "nothing"
    synced = False

    def __init__(self, program):
        self.program = program

    def start(self, folder, port, relaxed=False):
        return Server(self, folder, port, [Process("sink", [self.program, port], folder)])
