"""What tests of the program share: a real server, real workers, and the program itself.

Nothing here sleeps: servers say on a pipe when they are ready, workers say so on standard error.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # of what is imported from beside this
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from server import Server  # noqa: E402

PENSTOCK = os.path.abspath(sys.argv.pop(1))
TIMEOUT = 60


class ProgramTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="penstock-cli-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.server = Server(PENSTOCK, cls.folder)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.temporary.cleanup()
        assert code == 0, f"the server ended with {code}"

    def run_program(self, *arguments, code=0, input=None, url=None):
        """Runs the program to its end, which has that exit code."""
        environment = dict(os.environ, PENSTOCK_URL=url or self.server.url)
        done = subprocess.run([PENSTOCK, *map(str, arguments)], input=input, env=environment,
                              capture_output=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, code,
                         f"{arguments}: {done.stdout!r} {done.stderr.decode()}")
        return done

    def penstock(self, *arguments, code=0, raw=False, **others):
        """Its standard output as text, or (output, errors) when code is not 0."""
        done = self.run_program(*arguments, code=code, **others)
        output = done.stdout if raw else done.stdout.decode()
        return output if code == 0 else (output, done.stderr.decode())

    def json(self, *arguments, **others):
        return json.loads(self.penstock(*arguments, "--json", **others))

    def worker(self, *arguments, stdout=None):
        """A worker that is ready; ended with the test."""
        process = subprocess.Popen([PENSTOCK, "worker", "--connect", self.server.url,
                                    *map(str, arguments)],
                                   stdout=stdout, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait, TIMEOUT)
        self.addCleanup(process.kill)
        line = process.stderr.readline()
        self.assertIn("working on", line)
        return process
