#!/usr/bin/python3
"""Workers as an operator sees and steers them, and what becomes of them when something dies.

    workers_test.py path/to/penstock [unittest arguments]
"""
import json
import socket
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
        if not head.startswith(b"*6"):  # RESP2: a map is a list of names and values
            raise RuntimeError(head)
        for _ in range(6):
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
