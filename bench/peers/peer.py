"""What the measurement knows of a message queue. Each peer is one small file that fills this in."""

import socket
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """How a load is offered: `window` requests on their way on each connection."""
    connections: int = 1
    window: int = 1
    batch: int = 1

    def __str__(self):
        text = f"{self.connections} connection" + ("s" if self.connections > 1 else "")
        if self.window > 1:
            text += f" × {self.window} requests"
        if self.batch > 1:
            text += f" × {self.batch} messages"
        return text


ONE = Shape()
MANY = Shape(connections=64)


class Peer:
    name = ""      # in the tables
    dialect = ""   # of peer_load
    says_ok = ""   # what its OK means
    synced = True  # before the reply
    # Candidates of which the fastest is measured as "its best".
    publish_shapes = (Shape(8, 4, 100), Shape(8, 1, 100), Shape(4, 4, 500))
    take_shapes = (Shape(8, 1, 100), Shape(8, 4, 100), Shape(2, 4, 100))
    programs = ()  # that have to be installed
    benchmark_words = None  # a publish, as redis-benchmark sends it

    def version(self):
        raise NotImplementedError

    def start(self, folder, port, relaxed=False):
        """Starts it on 127.0.0.1:port with its data in `folder`, and does not wait. `relaxed`: with
        the weakest syncing it knows, only to fill it sooner."""
        raise NotImplementedError

    def make_queue(self, server, queue):
        """Makes an empty queue of this name."""


def said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def ask_resp(port, *words):
    """One command of the Redis protocol; the first line of its answer."""
    request = b"*%d\r\n" % len(words)
    for word in words:
        request += b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode())
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n" not in answer:
            piece = connection.recv(4096)
            if not piece:
                break
            answer += piece
    line = answer.split(b"\r\n")[0].decode()
    if not line or line.startswith("-"):
        raise RuntimeError(f"{' '.join(words)}: {line or 'no answer'}")
    return line
