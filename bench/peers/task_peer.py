"""What the measurement knows of a task queue: a broker, workers, and a client that plays a round.

The client (tasks.cc, celery_tasks.py, sidekiq_tasks.rb) enqueues tasks that do nothing, one at a
time and in batches, while nobody works, and prints the rates. Then the workers are started; it
waits until they have run all of them and prints that rate, and at last plays single tasks to and
fro; with ONLY_DRAIN in its environment it ends before that.
"""


class TaskPeer:
    name = ""     # in the tables
    says_ok = ""  # what it means that a task was enqueued
    synced = True
    programs = ()  # that have to be installed
    workers = ""  # what runs the tasks

    def version(self):
        raise NotImplementedError

    def start_broker(self, folder, port):
        """The Server that keeps the tasks."""
        raise NotImplementedError

    def start_workers(self, broker, processes):
        """What runs them, in so many processes."""
        raise NotImplementedError

    def client(self, broker, seconds):
        """(words, environment) of a client that plays one round."""
        raise NotImplementedError
