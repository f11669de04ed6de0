"""A real server for tests in Python: it says on a pipe when it is ready, and nobody sleeps."""
import os
import subprocess

PATIENCE = 120  # seconds: nothing takes so long but a hang


class Server:
    """In a folder of its own; start() again after kill() keeps data and port."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.address = "127.0.0.1:0"
        self.start()

    def start(self):
        reader, writer = os.pipe()
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--data", self.folder / "data", "--listen", self.address,
                 "--ready-fd", str(writer)], pass_fds=[writer], stderr=log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            self.address = ready.readline().strip()
        if not self.address:
            raise RuntimeError((self.folder / "server.log").read_text())
        self.url = "penstock://" + self.address

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)
