#!/usr/bin/python3
"""Schedules with the real program: the command line, and kill -9 while they fire.

    schedules_test.py path/to/penstock [unittest arguments]

Nothing here sleeps: the server says on a pipe when it is ready, and fires are waited for by taking
what they publish.
"""
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import redis

PENSTOCK = ""
TIMEOUT = 60


class Server:
    """A server in a folder of its own; start() again after kill() keeps data and port."""

    def __init__(self, folder):
        self.folder = folder
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self):
        reader, writer = os.pipe()
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [PENSTOCK, "serve", "--data", str(self.folder / "data"), "--listen", self.listen,
                 "--ready-fd", str(writer)], pass_fds=[writer], stderr=log, stdout=log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            self.listen = ready.readline().strip()
        self.client = redis.Redis(port=int(self.listen.rpartition(":")[2]),
                                  decode_responses=True, socket_timeout=TIMEOUT)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(TIMEOUT)


def mapped(flat):
    return dict(zip(flat[::2], flat[1::2]))


class Schedules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Server(pathlib.Path(folder.name))
        self.addCleanup(lambda: self.server.kill())

    def run_program(self, *arguments):
        environment = dict(os.environ, PENSTOCK_URL=f"penstock://{self.server.listen}")
        done = subprocess.run([PENSTOCK, *arguments], text=True, capture_output=True,
                              timeout=TIMEOUT, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr

    def shown(self, name):
        return json.loads(self.run_program("schedule", "show", name, "--json")[1])

    def take(self):
        """The due time of the next message, which is worked off; waits for it."""
        message = mapped(self.server.client.execute_command("RECEIVE", "beats", "WAIT", "30s")[0])
        self.server.client.execute_command("ACK", message["lease"])
        return datetime.datetime.fromisoformat(
            mapped(message["headers"])["penstock-due"].replace("Z", "+00:00"))

    def test_no_time_fires_twice_and_none_is_forgotten_across_kill_9(self):
        code, _, error = self.run_program("schedule", "put", "tick", "@every 1s", "--queue",
                                          "beats", "--body", "x", "--missed", "all")
        self.assertEqual(code, 0, error)
        times = []
        for _ in range(6):
            times.append(self.take())
            self.server.kill()
            self.server.start()
        times += [self.take() for _ in range(6)]
        steps = {later - earlier for earlier, later in zip(times, times[1:])}
        self.assertEqual(steps, {datetime.timedelta(seconds=1)}, times)
        self.assertEqual(self.shown("tick")["missed_total"], 0)

    def test_the_command_line_does_all_of_it(self):
        code, out, error = self.run_program(
            "schedule", "put", "nightly", "30 3 * * *", "--zone", "Europe/Berlin", "--queue",
            "beats", "--task", "report", "--args", '["daily"]', "--overlap", "skip")
        self.assertEqual((code, out), (0, "nightly made\n"), error)
        self.assertIn("nightly", self.run_program("schedule", "list")[1])
        self.assertEqual(self.run_program("schedule", "pause", "nightly")[0], 0)
        self.assertTrue(self.shown("nightly")["paused"])
        self.assertEqual(self.run_program("schedule", "resume", "nightly")[0], 0)
        code, out, _ = self.run_program("schedule", "trigger", "nightly")
        self.assertEqual(code, 0)
        task = json.loads(self.run_program("task", "show", out.strip(), "--json")[1])
        self.assertEqual(task["name"], "report")
        self.assertEqual(self.run_program("schedule", "delete", "nightly")[0], 0)
        self.assertNotEqual(self.run_program("schedule", "show", "nightly")[0], 0)
        code, _, error = self.run_program("schedule", "put", "x", "0 25 * * *", "--body", "b")
        self.assertNotEqual(code, 0)
        self.assertIn("field 2 (hours)", error)


if __name__ == "__main__":
    PENSTOCK = sys.argv.pop(1)
    unittest.main()
