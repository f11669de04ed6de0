"""Redis 7: lists with a list of work in hand per consumer, and streams with a consumer group."""

from .peer import Peer, Shape, ask_resp, said
from .process import Process, Server


def start_redis(folder, port, fsync):
    """Append-only file as told, no snapshots beside it; otherwise as shipped."""
    return Process("redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder,
                             "--appendonly", "yes", "--appendfsync", fsync, "--save", "",
                             "--daemonize", "no"], folder)


class Redis(Peer):
    programs = ("redis-server", "redis-benchmark")

    def __init__(self, fsync):
        self.fsync = fsync
        self.name = f"{self.kind}, {fsync}"
        self.synced = fsync == "always"
        self.says_ok = ("synced before the reply" if self.synced else
                        "in memory; synced once a second: a power cut takes the last second")

    def version(self):
        return "Redis " + said("redis-server", "--version").split("v=")[1].split()[0]

    def start(self, folder, port, relaxed=False):
        return Server(self, folder, port,
                      [start_redis(folder, port, "no" if relaxed else self.fsync)])


class RedisLists(Redis):
    kind = "Redis lists"
    dialect = "redis-list"
    benchmark_words = ("LPUSH", "{queue}")


class RedisStreams(Redis):
    kind = "Redis streams"
    dialect = "redis-stream"
    publish_shapes = (Shape(8, 1, 100), Shape(8, 4, 100), Shape(2, 1, 500))
    benchmark_words = ("XADD", "{queue}", "*", "b")

    def make_queue(self, server, queue):
        ask_resp(server.port, "XGROUP", "CREATE", queue, "g", "0", "MKSTREAM")
