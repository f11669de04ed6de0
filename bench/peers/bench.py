"""How the measurement runs: what it drives, for how long, and where its files lie."""

import json
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .process import free_port


@dataclass(frozen=True)
class Bench:
    load: Path      # the load client
    data: Path      # on the file system that is to be measured
    rounds: int     # of each pair
    seconds: float  # of each run
    waiting: int    # messages of the memory rows
    startups: int   # of each server

    @contextmanager
    def folder(self):
        path = Path(tempfile.mkdtemp(dir=self.data))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def server(self, peer, **more):
        """A server with an empty folder, ready; stopped and its folder removed at the end."""
        with self.folder() as folder:
            server, _ = self.started(peer, folder, **more)
            try:
                yield server
            finally:
                server.stop()

    def started(self, peer, folder, **more):
        """(server, seconds from its start to its first durable OK)."""
        port = free_port()
        words = [self.load, "first", f"dialect={peer.dialect}", f"port={port}", "queue=first"]
        client = self._ask_for_first(words)
        client.stdout.readline()
        begin = time.monotonic()
        server = None
        try:
            server = peer.start(folder, port, **more)
            while True:
                said, complaint = client.communicate()
                if client.returncode == 0:
                    return server, float(said.split()[-1]) - begin
                # It listens, and says no as long as it reads its files.
                server.check()
                if time.monotonic() - begin > 300:
                    raise RuntimeError(f"{peer.name} does not become ready: {complaint}")
                time.sleep(0.01)
                client = self._ask_for_first(words)
        except BaseException:
            client.kill()
            if server:
                server.stop()
            raise

    @staticmethod
    def _ask_for_first(words):
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, server, what, queue, shape, seconds=None, messages=0, more=()):
        """One run of the load client: its figures, and the server's CPU seconds. `more`: words."""
        cpu = server.cpu_seconds()
        done = subprocess.run(
            [self.load, what, f"dialect={server.peer.dialect}", f"port={server.port}",
             f"queue={queue}", f"connections={shape.connections}", f"window={shape.window}",
             f"seconds={seconds or self.seconds}", f"messages={messages}", *more,
             *([f"batch={shape.batch}"] if shape.batch > 1 else [])],
            capture_output=True, text=True)
        server.check()
        if done.returncode != 0:
            raise RuntimeError(f"{server.peer.name}, {what} with {shape}: {done.stderr.strip()}")
        return {**json.loads(done.stdout), "server_cpu_seconds": server.cpu_seconds() - cpu}


def alternately(rounds, theirs, ours, measure):
    """Calls measure(side) for both sides in each round, in turns first: (theirs, ours)."""
    results = ([], [])
    for number in range(rounds):
        order = ((0, theirs), (1, ours)) if number % 2 == 0 else ((1, ours), (0, theirs))
        for which, side in order:
            results[which].append(measure(side))
    return results
