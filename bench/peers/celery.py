"""Celery on Redis, as it is shipped: prefork workers, early acks, results in Redis."""

from pathlib import Path

from .peer import said
from .process import Process, Server
from .redis import start_redis
from .task_peer import TaskPeer

PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for


class Celery(TaskPeer):
    name = "Celery"
    says_ok = "in Redis's memory, synced once a second; acknowledged before it runs (its default)"
    synced = False
    programs = ("redis-server", "celery")
    workers = "Python, 2 processes unless a row says otherwise"

    def version(self):
        return "Celery " + said(PYTHON, "-c", "import celery; print(celery.__version__)")

    def start_broker(self, folder, port):
        return Server(self, folder, port, [start_redis(folder, port, "everysec")])

    def start_workers(self, broker, processes):
        return [Process("celery", [PYTHON, "-m", "celery", "-A", "peers.celery_tasks", "worker",
                                   "--concurrency", str(processes), "--loglevel", "WARNING"],
                        broker.folder, self._environment(broker))]

    def client(self, broker, seconds):
        return ([PYTHON, "-m", "peers.celery_tasks", str(seconds)], self._environment(broker))

    @staticmethod
    def _environment(broker):
        return {"REDIS_URL": f"redis://127.0.0.1:{broker.port}/0",
                "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
