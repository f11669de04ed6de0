"""NATS JetStream: a work queue stream on files, and a durable pull consumer with explicit acks."""

import json
import socket

from .peer import Peer, Shape, said
from .process import Process, Server


def ask(port, subject, request):
    """One request to JetStream's API; its answer."""
    text = json.dumps(request)
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b'CONNECT {"verbose":false}\r\nSUB inbox 1\r\n'
                           + f"PUB {subject} inbox {len(text)}\r\n{text}\r\n".encode())
        lines = connection.makefile("r", newline="\r\n")
        for line in lines:
            if line.startswith("MSG inbox"):
                answer = json.loads(next(lines))
                if "error" in answer:
                    raise RuntimeError(f"{subject}: {answer['error']}")
                return answer
            if line.startswith("PING"):
                connection.sendall(b"PONG\r\n")
    raise RuntimeError(f"{subject}: no answer")


class Nats(Peer):
    name = "NATS JetStream"
    dialect = "nats"
    programs = ("nats-server",)
    synced = False
    says_ok = ("handed to the operating system; synced every two minutes: a power cut takes those "
               "(2.9 has no setting for it; sync_interval came later)")
    publish_shapes = (Shape(8, 4, 100), Shape(8, 1, 100), Shape(2, 4, 500))
    take_shapes = (Shape(8, 1, 100), Shape(2, 1, 100), Shape(1, 1, 500))

    def version(self):
        return said("nats-server", "--version")

    def start(self, folder, port, relaxed=False):
        settings = folder / "nats.conf"
        settings.write_text(f'listen: "127.0.0.1:{port}"\n'
                            f'jetstream {{ store_dir: "{folder / "store"}" }}\n')
        return Server(self, folder, port,
                      [Process("nats", ["nats-server", "-c", settings], folder)])

    def make_queue(self, server, queue):
        ask(server.port, f"$JS.API.STREAM.CREATE.{queue}",
            {"name": queue, "subjects": [queue], "storage": "file", "retention": "workqueue"})
        ask(server.port, f"$JS.API.CONSUMER.DURABLE.CREATE.{queue}.c",
            {"stream_name": queue, "config": {"durable_name": "c", "ack_policy": "explicit",
                                              "max_ack_pending": 20000}})
