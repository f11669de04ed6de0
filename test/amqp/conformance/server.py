"""Servers as processes of our own, on loopback, in a folder of theirs; stopped by their id.

Each can be killed and started again: port and data stay.
"""

import json
import os
import pathlib
import queue
import select
import signal
import socket
import subprocess
import tempfile
import threading

from .rabbitmq import READY, Node
from .scenario import Address

START_SECONDS = 60  # RabbitMQ takes eight on a quiet machine


def free_ports(count):
    """Ports that nobody listens on now. Servers want to be told one, so it cannot be kept."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def spawn(words, log, environment=None, **more):
    """A process in a session of its own, so that its children can be ended with it."""
    return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stderr=log,
                            start_new_session=True, env={**os.environ, **(environment or {})},
                            **more)


class Watched:
    """Copies what a server says to its log, and tells when a line says that it is ready."""

    def __init__(self, stream, text, log):
        self._stream, self._text, self._log = stream, text, open(log, "ab")
        self._said = queue.SimpleQueue()  # True once ready, False when it ended before
        threading.Thread(target=self._copy, daemon=True).start()

    def _copy(self):
        with self._stream, self._log:
            for line in self._stream:
                self._log.write(line)
                self._log.flush()
                if self._text in line:
                    self._said.put(True)
        self._said.put(False)

    def wait(self):
        try:
            return self._said.get(timeout=START_SECONDS)
        except queue.Empty:
            return False


def end_session(process, how):
    """Signals the process and its children, and waits for the process's end."""
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass  # all of them have ended
    try:
        process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(START_SECONDS)


class Server:
    """One server in a temporary folder, which goes with it; `definitions` are imported into it."""

    kind = ""

    def __init__(self, definitions=None):
        self._definitions = definitions
        self._temporary = tempfile.TemporaryDirectory(prefix=f"penstock-amqp-{self.kind}-")
        self.folder = pathlib.Path(self._temporary.name)
        self.log = open(self.folder / "server.log", "ab")
        self._process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        self._temporary.cleanup()

    def definitions(self):
        """The file of what RabbitMQ calls definitions, users above all; or None."""
        if not self._definitions:
            return None
        file = self.folder / "definitions.json"
        file.write_text(json.dumps(self._definitions))
        return file

    def kill(self):
        """SIGKILL, as a power button would."""
        end_session(self._process, signal.SIGKILL)

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        if self._process and self._process.poll() is None:
            end_session(self._process, signal.SIGTERM)

    def said(self):
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]


# What RabbitMQ begins with.
DEFAULT_USER = {
    "users": [{"name": "guest", "tags": ["administrator"],
               "password_hash": "AAAAAPEoQ8a3jY6DABRiJzkoKooQbXiBp2iGLke7d+FVKzJx",
               "hashing_algorithm": "rabbit_password_hashing_sha256"}],
    "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*",
                     "read": ".*"}]}


class Penstock(Server):
    """The program, as built."""

    kind = "penstock"

    def __init__(self, program, definitions=None):
        super().__init__(definitions)
        self._program = program
        self._listen = "127.0.0.1:0"

    def start(self):
        reader, writer = os.pipe()
        self._process = spawn(
            [self._program, "serve", "--data", self.folder / "data", "--listen", self._listen,
             "--ready-fd", writer], self.log, pass_fds=[writer], stdout=self.log)
        os.close(writer)
        with os.fdopen(reader, "rb", buffering=0) as ready:
            line = b""
            while not line.endswith(b"\n"):
                arrived, _, _ = select.select([ready], [], [], START_SECONDS)
                data = ready.read(100) if arrived else b""
                if not data:
                    raise RuntimeError("penstock did not start:\n" + self.said())
                line += data
        self._listen = line.decode().strip()
        host, port = self._listen.rsplit(":", 1)
        self.address = Address(host, int(port), management=(host, int(port)))
        if self._definitions:
            subprocess.run([self._program, "import", self.definitions()], check=True, timeout=60,
                           env={**os.environ, "PENSTOCK_URL": f"penstock://{self._listen}"},
                           stdout=self.log, stderr=self.log)


    def another(self, definitions=None, managed=False):
        """One of the same kind, not started yet: with these definitions, with a management API."""
        return Penstock(self._program, definitions or (DEFAULT_USER if managed else None))


class RabbitMQ(Server):
    """The control; see rabbitmq.py.

    It is asked to end where Penstock is killed: what RabbitMQ 3.10 keeps over an orderly stop is
    what clients count on, and over a kill it loses queues and streams declared a moment before.
    """

    kind = "rabbitmq"

    def __init__(self, definitions=None, managed=False):
        super().__init__(definitions)
        self._mapper = None
        port, mapper, distribution, management = free_ports(4)
        self._node = Node(self.folder, port, mapper, distribution, self.definitions(),
                          management if managed else 0)
        self.address = Address("127.0.0.1", port, management=("127.0.0.1", management))

    def start(self):
        if self._mapper is None:
            self._mapper = spawn(self._node.mapper, self.log, stdout=self.log)
        self._process = spawn(self._node.server, self.log, self._node.environment,
                              stdout=subprocess.PIPE)
        watched = Watched(self._process.stdout, READY, self.folder / "server.log")
        if not watched.wait():
            raise RuntimeError("RabbitMQ did not start:\n" + self.said())

    def kill(self):
        end_session(self._process, signal.SIGTERM)

    def another(self, definitions=None, managed=False):
        return RabbitMQ(definitions, managed)

    def stop(self):
        super().stop()
        if self._mapper:
            end_session(self._mapper, signal.SIGTERM)
            self._mapper = None
