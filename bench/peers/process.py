"""Servers as processes of our own: started here, looked at, and stopped by their own id."""

import os
import signal
import socket
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    """A port that nobody listens on now. The servers want to be told one, so it cannot be kept."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One program in a session of its own, its output in FOLDER/NAME.log."""

    def __init__(self, name, words, folder, environment=None):
        self.name = name
        self.log = folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=folder, start_new_session=True, env={**os.environ, **(environment or {})})
        self.pid = self._process.pid

    def check(self):
        """Raises when it has ended by itself, with the end of what it said."""
        if self._process.poll() is None:
            return
        said = self.log.read_text(errors="replace").splitlines()[-5:]
        raise RuntimeError(f"{self.name} has ended with {self._process.returncode}; it said:\n  "
                           + "\n  ".join(said))

    def family(self):
        """Its id and those of its children and their children."""
        ids = [self.pid]
        for pid in ids:
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    ids += [int(word) for word in file.read().split()]
            except OSError:
                pass  # ended meanwhile
        return ids

    def cpu_seconds(self):
        """Of the family, children that have ended included."""
        total = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                total += sum(int(field) for field in fields[11:15])
            except OSError:
                pass
        return total / TICKS

    def memory_bytes(self):
        """Resident, pages that several share divided among them (PSS)."""
        total = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as file:
                    total += sum(int(line.split()[1]) << 10 for line in file
                                 if line.startswith("Pss:"))
            except OSError:
                pass
        return total

    def stop(self, patience=60):
        """SIGTERM, and SIGKILL to what is left of its session when that does not help."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()


class Server:
    """What a peer started: one process or several, and where it listens."""

    def __init__(self, peer, folder, port, processes):
        self.peer, self.folder, self.port, self.processes = peer, folder, port, processes

    def check(self):
        for process in self.processes:
            process.check()

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes)

    def memory_bytes(self):
        return sum(process.memory_bytes() for process in self.processes)

    def disk_bytes(self):
        return sum(file.stat().st_blocks * 512 for file in self.folder.rglob("*") if file.is_file())

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
