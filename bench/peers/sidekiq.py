"""Sidekiq on Redis, as it is shipped: BRPOP, so a job that a dying process holds is lost."""

from pathlib import Path

from .peer import said
from .process import Process, Server
from .redis import start_redis
from .task_peer import TaskPeer

JOBS = Path(__file__).with_name("sidekiq_tasks.rb").resolve()


class Sidekiq(TaskPeer):
    name = "Sidekiq"
    says_ok = "in Redis's memory, synced once a second; gone from there before it runs"
    synced = False
    programs = ("redis-server", "sidekiq", "ruby")
    workers = "Ruby, 2 processes unless a row says otherwise, with 10 threads each (its default)"

    def version(self):
        return said("sidekiq", "--version")

    def start_broker(self, folder, port):
        return Server(self, folder, port, [start_redis(folder, port, "everysec")])

    def start_workers(self, broker, processes):
        return [Process(f"sidekiq{n}", ["sidekiq", "-r", JOBS], broker.folder,
                        self._environment(broker)) for n in range(processes)]

    def client(self, broker, seconds):
        return (["ruby", JOBS, str(seconds)], self._environment(broker))

    @staticmethod
    def _environment(broker):
        return {"REDIS_URL": f"redis://127.0.0.1:{broker.port}/0"}
