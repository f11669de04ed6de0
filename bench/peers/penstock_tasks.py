"""Penstock's task queue: a server, and C++ workers and a C++ client in processes of their own."""

from .penstock import Penstock
from .process import Process
from .task_peer import TaskPeer


class PenstockTasks(TaskPeer):
    name = "Penstock"
    says_ok = Penstock.says_ok
    workers = "C++, 2 processes unless a row says otherwise, with 2 threads each"

    def __init__(self, program, tasks):
        self.queue, self.tasks = Penstock(program), tasks

    def version(self):
        return self.queue.version()

    def start_broker(self, folder, port):
        return self.queue.start(folder, port)

    def start_workers(self, broker, processes):
        address = f"penstock://127.0.0.1:{broker.port}"
        return [Process(f"worker{n}", [self.tasks, "work", address], broker.folder)
                for n in range(processes)]

    def client(self, broker, seconds):
        return [self.tasks, "round", f"penstock://127.0.0.1:{broker.port}", str(seconds)], {}
