#!/usr/bin/python3
"""Workers as an operator sees and steers them, and what becomes of them when something dies.

    workers_test.py path/to/penstock [unittest arguments]
"""
import json
import os
import signal
import socket
import time
import unittest

from program_fixture import TIMEOUT, ProgramTest


class Announced:
    """A worker that only says that it is one, over a connection of the native protocol."""

    def __init__(self, address, **fields):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), TIMEOUT)
        self.answers = self.socket.makefile("rb")
        self.say("WORKER.ANNOUNCE", {"queues": ["default"], "tasks": [], **fields})

    def say(self, command, value):
        words = [command.encode(), json.dumps(value).encode()]
        self.socket.sendall(b"*%d\r\n" % len(words)
                            + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        head = self.answers.readline()
        if not head.startswith(b"*8"):  # RESP2: a map is a list of names and values
            raise RuntimeError(head)
        for _ in range(8):  # the list in it, of what was cancelled, is empty
            if self.answers.readline().startswith(b"$"):
                self.answers.readline()

    def close(self):
        """Returns when the server knows."""
        self.socket.shutdown(socket.SHUT_WR)
        self.answers.read()
        self.answers.close()
        self.socket.close()


class Workers(ProgramTest):
    def announced(self, **fields):
        worker = Announced(self.server.address, **fields)
        self.addCleanup(worker.close)
        return worker

    def listed(self, *arguments):
        return {one["name"]: one for one in self.json("workers", *arguments)["workers"]}

    def tearDown(self):
        for order in self.json("workers", "orders")["orders"]:
            self.penstock("workers", "forget", order["number"])

    def said(self, *arguments, code=0):
        """What a person reads on standard error."""
        if code:
            return self.penstock(*arguments, code=code)[1]
        return self.run_program(*arguments).stderr.decode()

    def test_workers_are_listed_with_what_they_do(self):
        worker = self.announced(id="a1", name="web-1", host="far", pid=4711, program="2.3",
                                library="0.1", queues=["mail", "thumbs"])
        worker.say("WORKER.BEAT", {"state": "working", "slots": 8, "memory_bytes": 73400320,
                                   "done": 12345, "failed": 2, "declined": 1, "running_count": 3,
                                   "running": [{"id": "17", "name": "resize",
                                                "since": 1767225600000}]})
        self.announced(id="a2", name="other", program="1.0")
        table = self.penstock("workers")
        self.assertRegex(table, r"(?m)^web-1 +far +4711 +2\.3 \(0\.1\) +mail, thumbs +working +8 +3"
                                r" +12,345 +2 +1 +70 MiB +20")
        self.assertNotIn("resize", table)
        self.assertRegex(self.penstock("workers", "--tasks"),
                         r"(?s)web-1 +17 +resize +2026-01-01 00:00:00 UTC.*web-1 +and 2 more")
        self.assertEqual(self.listed("--queue", "th*").keys(), {"web-1"})
        self.assertEqual(self.listed("--version", "1.?").keys(), {"other"})
        self.assertEqual(self.listed("--name", "*").keys(), {"web-1", "other"})
        self.assertEqual(self.listed()["web-1"]["running_count"], 3)
        self.assertIn("no worker fits", self.said("workers", "--name", "nobody"))

    def test_orders_reach_those_who_fit_and_hold_until_they_are_taken_back(self):
        self.announced(id="b1", name="web-1", program="2.3")
        self.announced(id="b2", name="db-1", program="2.4", queues=["rows"])
        self.assertRegex(self.penstock("workers", "quiet", "--name", "web-*"),
                         r"^1 worker is told to be quiet; order (\d+) holds for those that come, "
                         "until `penstock workers resume`\n$")
        self.assertRegex(self.penstock("workers"), "(?m)^web-1 .*working, told to be quiet ")
        resize = self.json("workers", "resize", 4, "--queue", "rows")
        self.assertEqual(resize["workers"], 1)
        self.assertEqual(self.listed()["db-1"]["told"], {"quiet": False, "stop": False, "slots": 4})
        orders = self.penstock("workers", "orders")
        self.assertRegex(orders, r"(?m)^ +\d+ +quiet +web-\* ")
        self.assertRegex(orders, r"(?m)^ +\d+ +resize +4 +rows ")
        self.penstock("workers", "forget", resize["number"])
        self.assertEqual(self.listed()["db-1"]["told"]["slots"], 0)
        self.assertIn("holds for those that come", self.penstock("workers", "quiet", "--version",
                                                                 "9.*"))
        self.assertEqual(self.penstock("workers", "resume"),
                         "2 workers are told to resume; no order keeps any quiet now\n")
        self.assertEqual(self.json("workers", "orders"), {"orders": []})
        self.assertIn("no order holds", self.said("workers", "orders"))

    def test_what_cannot_be_done_says_what_to_do_instead(self):
        self.assertIn("penstock worker --queue", self.said("workers"))
        errors = self.said("workers", "stop", "--name", "nobody", code=7)
        self.assertIn("no worker is there that fits", errors)
        self.assertIn("penstock workers orders", self.said("workers", "forget", 999, code=7))
        self.assertIn("between 1 and 4096", self.said("workers", "resize", 4097, code=2))
        self.said("workers", "resize", code=2)
        self.said("workers", "forget", code=2)
        self.assertIn("penstock serve", self.penstock("workers", url="penstock://127.0.0.1:1",
                                                      code=3)[1])

    def test_the_address_in_front_counts_for_every_verb(self):
        """PENSTOCK_URL names a server that is not there; the option stands above it."""
        self.announced(id="c1", name="here")
        elsewhere = "penstock://127.0.0.1:1"
        self.penstock("workers", "--connect", self.server.url, url=elsewhere)
        self.penstock("workers", "quiet", "--connect", self.server.url, url=elsewhere)


class Program(ProgramTest):
    """`penstock worker` itself: what it tells, what it obeys, and how it ends."""

    def named(self, name, *arguments, queue=None):
        return self.worker("--name", name, "--queue", queue or name, *arguments)

    def listed(self, name):
        workers = self.json("workers", "--name", name)["workers"]
        return workers[0] if workers else None

    def await_listed(self, name, wanted):
        """Asks the server until the worker tells what is wanted."""
        until = time.monotonic() + TIMEOUT
        while not ((worker := self.listed(name)) and wanted(worker)):
            self.assertLess(time.monotonic(), until, f"the worker tells {worker}")
        return worker

    def submit(self, queue, *arguments, name="t"):
        return self.penstock("run", name, *arguments, "-q", queue, "--no-wait").strip()

    def ended(self, task, code=0):
        shown = self.penstock("task", "show", task, "--wait", "50s", "--json", code=code)
        return json.loads(shown if code == 0 else shown[0])

    def gate(self, name):
        """A program that says that it runs and ends when it is let through; and the two pipes."""
        started, open_ = (str(self.folder / (name + end)) for end in (".started", ".open"))
        os.mkfifo(started)
        os.mkfifo(open_)
        # Both ends: neither the program nor the test waits for the other to open it.
        pipes = [os.fdopen(os.open(pipe, os.O_RDWR), "rb+", buffering=0) for pipe in
                 (started, open_)]
        for pipe in pipes:
            self.addCleanup(pipe.close)
        return f"sh -c 'echo > {started}; read x < {open_}; echo done'", *pipes

    def test_a_worker_says_who_it_is_and_what_it_runs(self):
        program, started, open_ = self.gate("says")
        worker = self.named("says", "--threads", "2..4", "--exec", program)
        listed = self.listed("says")
        self.assertEqual((listed["pid"], listed["queues"], listed["any_task"], listed["slots"]),
                         (worker.pid, ["says"], True, 4))
        self.assertEqual(listed["host"], socket.gethostname())
        self.assertGreater(listed["memory_bytes"], 1 << 20)
        task = self.submit("says", name="slow")
        started.read(1)
        listed = self.await_listed("says", lambda one: one["running_count"] == 1)
        self.assertEqual([(one["id"], one["name"]) for one in listed["running"]], [(task, "slow")])
        open_.write(b"\n")
        self.await_listed("says", lambda one: (one["done"], one["running_count"]) == (1, 0))

    def test_a_quiet_worker_finishes_what_it_has_and_takes_nothing_until_it_resumes(self):
        program, started, open_ = self.gate("quiet")
        worker = self.named("quiet", "--exec", program, "--threads", 2)
        first = self.submit("quiet")
        started.read(1)
        self.penstock("workers", "quiet", "--name", "quiet")
        self.assertEqual(worker.stderr.readline(), "told to be quiet\n")
        self.submit("quiet")
        # Nobody else takes it, so it can be had.
        self.penstock("receive", "quiet", "--wait", "30s")
        self.await_listed("quiet", lambda one: one["state"] == "quiet")
        open_.write(b"\n")
        self.assertEqual(self.ended(first)["result"], "done")
        third = self.submit("quiet")
        self.penstock("workers", "resume", "--name", "quiet")
        started.read(1)
        open_.write(b"\n")
        self.assertEqual(self.ended(third)["attempts"], 1)

    def test_an_order_to_be_quiet_outlives_the_server_and_meets_those_who_come(self):
        worker = self.named("order", "--exec", "echo {0}")
        before = self.listed("order")
        self.penstock("workers", "quiet", "--queue", "order")
        self.assertEqual(worker.stderr.readline(), "told to be quiet\n")
        self.server.kill()
        self.assertIn("the server is gone", worker.stderr.readline())
        self.server.start()
        self.assertIn("the server is back", worker.stderr.readline())
        again = self.await_listed("order", lambda one: one["state"] == "quiet")
        self.assertEqual((again["id"], again["started_at"]), (before["id"], before["started_at"]))
        late = self.named("late", "--exec", "echo {0}", queue="order")
        self.assertEqual(late.stderr.readline(), "told to be quiet\n")
        task = self.submit("order", "1")
        self.penstock("receive", "order", "--no-ack", "--wait", "30s")
        self.penstock("workers", "resume")
        self.assertEqual(self.ended(task)["state"], "done")

    def test_a_worker_that_works_goes_on_and_is_listed_again_when_the_server_is_back(self):
        self.named("back", "--exec", "echo {0}")
        self.assertEqual(self.ended(self.submit("back", "1"))["result"], 1)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.ended(self.submit("back", "2"))["result"], 2)
        self.await_listed("back", lambda one: one["done"] == 2)

    def test_slots_are_as_many_as_an_order_says(self):
        program, started, open_ = self.gate("slots")
        worker = self.named("slots", "--exec", program, "--threads", 1)
        tasks = [self.submit("slots") for _ in range(4)]
        started.read(1)
        self.assertEqual(self.listed("slots")["slots"], 1)
        number = self.json("workers", "resize", 3, "--name", "slots")["number"]
        self.assertEqual(worker.stderr.readline(), "told to work, with 3 slots\n")
        for _ in range(2):
            started.read(1)
        listed = self.await_listed("slots", lambda one: one["running_count"] == 3)
        self.assertEqual(listed["slots"], 3)
        self.penstock("workers", "forget", number)
        self.assertEqual(worker.stderr.readline(), "told to work\n")
        self.await_listed("slots", lambda one: one["slots"] == 1)
        for _ in tasks:
            open_.write(b"\n")
        for task in tasks:
            self.assertEqual(self.ended(task)["attempts"], 1)

    def test_a_cancelled_task_is_stopped_long_before_its_lease_ends(self):
        program, started, _ = self.gate("cancelled")
        self.named("cancelled", "--exec", program, "--lease", "1h")
        task = self.submit("cancelled")
        started.read(1)
        self.penstock("task", "cancel", task)
        status = self.ended(task, code=1)
        self.assertEqual((status["state"], status["attempts"]), ("cancelled", 1))

    def test_an_order_to_stop_ends_those_that_are_there(self):
        program, started, open_ = self.gate("stop")
        worker = self.named("stop", "--exec", program)
        task = self.submit("stop")
        started.read(1)
        self.assertEqual(self.penstock("workers", "stop", "--queue", "st*"),
                         "1 worker is told to stop\n")
        self.assertEqual(worker.stderr.readline(), "told to stop\n")
        self.await_listed("stop", lambda one: one["state"] == "stopping")
        open_.write(b"\n")
        self.assertEqual(worker.wait(TIMEOUT), 0)
        self.assertEqual(self.ended(task)["attempts"], 1)
        self.assertIsNone(self.listed("stop"))
        self.named("stop", "--exec", "echo new")
        self.assertEqual(self.ended(self.submit("stop"))["result"], "new")

    def test_a_worker_told_by_a_signal_to_end_is_quiet_and_finishes(self):
        program, started, open_ = self.gate("signal")
        worker = self.named("signal", "--exec", program, "--threads", 4)
        running = self.submit("signal")
        started.read(1)
        worker.send_signal(signal.SIGTERM)
        self.await_listed("signal", lambda one: one["state"] == "stopping")
        self.submit("signal")
        # The worker does not take it, and another may.
        self.penstock("receive", "signal", "--wait", "30s")
        open_.write(b"\n")
        self.assertEqual(worker.wait(TIMEOUT), 0)
        self.assertEqual(self.ended(running)["attempts"], 1)

    def test_tasks_of_a_killed_worker_come_back_at_once_and_once(self):
        program, started, _ = self.gate("killed")
        worker = self.named("killed", "--exec", program, "--threads", 3, "--lease", "1h")
        tasks = [self.submit("killed") for _ in range(3)]
        for _ in tasks:
            started.read(1)
        self.await_listed("killed", lambda one: one["running_count"] == 3)
        worker.kill()
        self.named("heir", "--exec", "echo done", queue="killed")
        for task in tasks:
            status = self.ended(task)
            self.assertEqual((status["result"], status["attempts"]), ("done", 2))
            self.assertEqual([entry["reason"] for entry in status["history"]],
                             ["connection_closed"])
        self.assertIsNone(self.listed("killed"))
        self.assertEqual(self.await_listed("heir", lambda one: one["done"] >= 3)["done"], 3)

    def test_a_task_from_before_a_restart_comes_back_at_once_too(self):
        program, started, _ = self.gate("orphan")
        worker = self.named("orphan", "--exec", program, "--threads", 1, "--lease", "1h")
        task = self.submit("orphan")
        started.read(1)
        self.server.kill()
        # It has no slot free, and notices all the same.
        self.assertIn("the server is gone", worker.stderr.readline())
        self.server.start()
        self.assertIn("the server is back", worker.stderr.readline())
        self.await_listed("orphan", lambda one: one["running_count"] == 1)
        worker.kill()
        self.named("heir of the orphan", "--exec", "echo done", queue="orphan")
        self.assertEqual(self.ended(task)["result"], "done")

    def test_a_worker_that_cannot_be_listed_says_so_and_works(self):
        queues = [word for n in range(65) for word in ("--queue", f"many-{n}")]
        worker = self.worker("--name", "many", *queues, "--exec", "echo done")
        self.assertRegex(worker.stderr.readline(), "will not show this one: .* at most 64 queues")
        self.assertEqual(self.ended(self.submit("many-64"))["result"], "done")
        self.assertIsNone(self.listed("many"))

    def test_a_task_that_a_worker_does_not_take_is_left_to_one_that_does(self):
        self.named("picky", "--exec", "echo picky", "--task", "resize", "--task", "crop",
                   queue="some")
        self.assertEqual(self.listed("picky")["tasks"], ["resize", "crop"])
        task = self.submit("some", name="rotate")
        self.await_listed("picky", lambda one: one["declined"] >= 1)
        self.assertEqual(self.ended(self.submit("some", name="crop"))["result"], "picky")
        # It knows that one: it gets it now, not when the delay of the declined task is over.
        self.named("other", "--exec", "echo other", "--task", "rotate", queue="some")
        status = self.ended(task)
        self.assertEqual((status["result"], status["attempts"]), ("other", 1))
        # Whoever is asked first: the one that declined it is not asked again while another waits.
        for _ in range(3):
            status = self.ended(self.submit("some", name="rotate"))
            self.assertEqual((status["result"], status["attempts"]), ("other", 1))
        self.assertEqual(self.listed("picky")["failed"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
