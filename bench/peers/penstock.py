"""Penstock: over its own protocol, and over HTTP."""

from .peer import Peer, Shape, ask_resp, said
from .process import Process, Server


class Penstock(Peer):
    name = "Penstock"
    dialect = "penstock"
    says_ok = "written, checksummed and synced; takes and settles too"
    benchmark_words = ("SEND", "{queue}")

    def __init__(self, program):
        self.program = program

    def version(self):
        return said(self.program, "version").splitlines()[0]

    def start(self, folder, port, relaxed=False):
        return Server(self, folder, port, [Process(
            "penstock", [self.program, "serve", "--data", folder / "data",
                         "--listen", f"127.0.0.1:{port}", "--log-level", "warning"], folder)])

    def make_queue(self, server, queue):
        # The others have no bound by default; ours would refuse a million and one.
        ask_resp(server.port, "QUEUE.DECLARE", queue, "max_length", "100000000",
                 "max_bytes", "100GiB")


class PenstockHttp(Penstock):
    name = "Penstock over HTTP"
    dialect = "http"
    publish_shapes = (Shape(8, 1, 100), Shape(4, 1, 500), Shape(16, 1, 100))
    take_shapes = (Shape(8, 1, 100), Shape(64, 1, 10))
    benchmark_words = None
