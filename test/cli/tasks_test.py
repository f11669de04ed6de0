#!/usr/bin/python3
"""Tasks on the command line: what they say, trying them anew, and those that wait in vain.

    tasks_test.py path/to/penstock [unittest arguments]
"""
import json
import os
import subprocess
import unittest
import urllib.request

from program_fixture import PENSTOCK, TIMEOUT, ProgramTest


class Tasks(ProgramTest):
    def post(self, path, value):
        request = urllib.request.Request(f"http://{self.server.address}{path}",
                                         json.dumps(value).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)

    def submit(self, queue, *arguments, name="t"):
        return self.penstock("run", name, *arguments, "-q", queue, "--no-wait").strip()

    def failed(self, queue, script, name="t"):
        """The ids of tasks that failed for good: a worker of the queue runs scripts."""
        task = self.submit(queue, script, "--max-attempts", 1, name=name)
        self.penstock("task", "show", task, "--wait", "50s", code=1)
        return task


class Bulk(Tasks):
    def test_each_line_becomes_a_task_and_a_repeat_gives_the_same(self):
        lines = "".join(f"[{n},\"x\"]\n" for n in range(2499)) + "one word\n"
        once, again = (self.penstock("run", "t", "--lines", "-q", "bulk", "--key", "k", "-a", "a=1",
                                     input=lines.encode()).split() for _ in range(2))
        self.assertEqual(len(set(once)), 2500)
        self.assertEqual(once, again)
        self.assertEqual(self.json("queue", "show", "bulk")["ready"], 2500)
        taken = self.post("/v1/queues/bulk/lease", {"max": 1})["messages"][0]
        self.assertEqual(json.loads(taken["body"]), {"args": [0, "x"], "kwargs": {"a": 1}})
        last = self.post("/v1/queues/bulk/lease", {"max": 1000})
        while last["messages"]:
            taken, last = last, self.post("/v1/queues/bulk/lease", {"max": 1000})
        self.assertEqual(json.loads(taken["messages"][-1]["body"])["args"], ["one word"])

    def test_lines_and_arguments_exclude_each_other(self):
        _, errors = self.penstock("run", "t", "1", "--lines", code=2)
        self.assertIn("--lines", errors)

    def test_lines_are_not_waited_for_so_they_take_no_timeout(self):
        _, errors = self.penstock("run", "t", "--lines", "--timeout", "1s", input=b"", code=2)
        self.assertIn("--lines excludes --timeout", errors)
        _, errors = self.penstock("run", "t", "--no-wait", "--timeout", "1s", code=2)
        self.assertIn("--timeout excludes --no-wait", errors)


class Schedules(Tasks):
    def test_one_publishes_its_task_as_it_was_written_also_after_a_crash(self):
        arguments = '[1.50,123456789012345678901234567890]'
        self.penstock("schedule", "put", "report", "@daily", "-q", "reports", "--task", "t",
                      "--args", arguments)
        self.server.kill()
        self.server.start()
        self.penstock("schedule", "trigger", "report")
        taken = self.post("/v1/queues/reports/lease", {"max": 1})["messages"][0]
        self.assertEqual(taken["body"], '{"args":' + arguments + "}")


class Inherits(Tasks):
    def test_what_a_program_enqueues_expires_with_its_task_and_is_of_its_trace(self):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        task = self.submit("parents", "--expires", "1h", "--header", f"traceparent={trace}")
        self.worker("--queue", "parents", "--exec",
                    f"{PENSTOCK} run child --queue children --no-wait --expires 2h "
                    f"--connect {self.server.url}")
        self.penstock("task", "show", task, "--wait", "50s")
        parent = self.post("/v1/queues/children/lease", {"max": 1})["messages"][0]
        self.assertIn(trace[3:35], parent["headers"]["traceparent"])
        left = parent["expires_at"] - parent["enqueued_at"]
        self.assertGreater(left, 0)
        self.assertLessEqual(left, 3600_000)

    def test_a_timeout_that_is_none_is_refused(self):
        for header in ("penstock-timeout=banana", "penstock-hard-timeout=-5s"):
            _, errors = self.penstock("run", "t", "--no-wait", "--header", header, code=2)
            self.assertIn("must be a duration", errors)
        task = self.submit("short", "--task-timeout", "100ms", "--max-attempts", 1)
        self.worker("--queue", "short", "--exec", "sleep 30")
        shown, _ = self.penstock("task", "show", task, "--wait", "20s", code=1)
        self.assertIn("after 100ms", shown)


class Waits(Tasks):
    def test_who_waits_for_a_task_outwaits_a_crash_of_the_server(self):
        waiting = subprocess.Popen([PENSTOCK, "run", "t", "late", "-q", "late",
                                    "-c", self.server.url],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(waiting.communicate)
        self.addCleanup(waiting.kill)
        while not any(queue["name"] == "late" for queue in self.json("queue", "list")):
            self.assertIsNone(waiting.poll())
        self.server.kill()
        self.assertIn("the server is gone", waiting.stderr.readline())
        self.server.start()
        self.worker("--queue", "late", "--exec", "echo {0}")
        self.assertEqual(waiting.communicate(timeout=TIMEOUT)[0], "late\n")


class Logs(Tasks):
    def follow(self, task):
        following = subprocess.Popen([PENSTOCK, "task", "logs", task, "--follow", "--json",
                                      "--connect", self.server.url],
                                     stdout=subprocess.PIPE, text=True)
        self.addCleanup(following.stdout.close)
        self.addCleanup(following.wait, TIMEOUT)
        self.addCleanup(following.kill)
        return following

    def test_lines_are_read_at_once_or_followed_to_the_end(self):
        task = self.submit("said")
        self.assertIn("has said nothing", self.run_program("task", "logs", task).stderr.decode())
        lease = self.post("/v1/queues/said/lease", {})["messages"][0]["lease"]
        following = self.follow(task)
        self.post(f"/v1/leases/{lease}/log", {"lines": ["opened", "it is\t\x1b[31mred"]})
        lines = [json.loads(following.stdout.readline()) for _ in range(2)]
        self.assertEqual([(line["number"], line["attempt"], line["text"]) for line in lines],
                         [(1, 1, "opened"), (2, 1, "it is\t\x1b[31mred")])
        self.assertRegex(self.penstock("task", "logs", task),
                         r"^20\d\d-\S+ \S+ UTC  1  opened\n20\d\d-\S+ \S+ UTC  1  it is.*\n$")
        self.assertNotIn("\x1b", self.penstock("task", "logs", task))
        self.post(f"/v1/leases/{lease}/log", {"lines": ["the last"]})
        self.post(f"/v1/leases/{lease}/ack", {})
        self.assertEqual(json.loads(following.stdout.readline())["text"], "the last")
        self.assertEqual(following.wait(TIMEOUT), 0)

    def test_what_is_kept_no_more_is_counted(self):
        task = self.submit("much")
        lease = self.post("/v1/queues/much/lease", {})["messages"][0]["lease"]
        self.post(f"/v1/leases/{lease}/log", {"lines": [str(n) for n in range(600)]})
        done = self.run_program("task", "logs", task)
        self.assertEqual(len(done.stdout.splitlines()), 500)
        self.assertIn(b"(100 lines are not kept any more)", done.stderr)

    def test_what_a_program_writes_to_standard_error_is_heard_while_it_runs(self):
        gate = self.folder / "heard"
        os.mkfifo(gate)
        program = f"echo one >&2; echo two >&2; read x < {gate}; printf three >&2; exit 3"
        self.worker("--queue", "heard", "--exec", f"sh -c '{program}'")
        task = self.submit("heard", "--max-attempts", 1)
        following = self.follow(task)
        self.assertEqual([json.loads(following.stdout.readline())["text"] for _ in range(2)],
                         ["one", "two"])
        gate.write_text("go on\n")
        self.assertEqual(json.loads(following.stdout.readline())["text"], "three")
        self.assertEqual(following.wait(TIMEOUT), 0)
        shown, _ = self.penstock("task", "show", task, "--json", code=1)
        self.assertEqual(json.loads(shown)["error"], "exit: 3: one two three")

    def test_a_program_that_never_stops_talking_is_not_held_up(self):
        self.worker("--queue", "talks", "--exec", "sh -c 'yes | head -c 20000000 >&2; echo done'")
        task = self.submit("talks")
        status = self.json("task", "show", task, "--wait", "50s")
        self.assertEqual((status["state"], status["result"]), ("done", "done"))
        done = self.run_program("task", "logs", task)
        self.assertEqual(len(done.stdout.splitlines()), 500)

    def test_there_are_none_of_a_task_that_is_none(self):
        _, errors = self.penstock("task", "logs", 999999, code=7)
        self.assertIn("there is no task 999999", errors)


class Anew(Tasks):
    def setUp(self):
        self.queue = self._testMethodName
        self.marker = self.folder / (self.queue + ".marker")
        program = f"test -e {self.marker} && echo fine || {{{{ echo {{0}} >&2; exit 3; }}}}"
        self.worker("--queue", self.queue, "--exec", f"sh -c '{program}'")

    def states(self, tasks):
        return [self.json("task", "show", task, "--wait", "50s", code=0)["state"] for task in tasks]

    def test_tasks_are_tried_anew_by_their_ids(self):
        tasks = [self.failed(self.queue, "x") for _ in range(3)]
        self.marker.touch()
        self.penstock("task", "retry", *tasks[:2])
        self.assertEqual(self.states(tasks[:2]), ["done", "done"])
        self.penstock("task", "show", tasks[2], code=1)
        _, errors = self.penstock("task", "retry", tasks[0], tasks[2], code=7)
        self.assertIn("only what has failed for good", errors)
        self.assertEqual(self.states(tasks[2:]), ["done"])  # the others are tried all the same

    def test_tasks_are_tried_anew_by_their_queue_error_and_name(self):
        wrong = [self.failed(self.queue, f"wrong-{n % 2}") for n in range(4)]
        other = self.failed(self.queue, "wrong-1", name="other")
        again = ("task", "redrive", "--queue", self.queue, "--json")
        self.marker.touch()
        self.assertEqual(json.loads(self.penstock(*again, "--task", "other")), {"messages": 1})
        self.assertEqual(self.states([other]), ["done"])
        self.assertEqual(json.loads(self.penstock(*again, "--error", "wrong-1", "--max", 1)),
                         {"messages": 1})
        self.assertEqual(self.states([wrong[1]]), ["done"])
        self.penstock("task", "show", wrong[3], code=1)
        self.assertEqual(self.penstock(*again[:-1]), "3 messages sent back\n")
        self.assertEqual(self.states(wrong), ["done"] * 4)
        nothing = self.run_program(*again[:-1])
        self.assertEqual(nothing.stdout, b"0 messages sent back\n")
        self.assertIn("penstock queue browse", nothing.stderr.decode())


    def test_many_dead_letters_come_back_in_slices(self):
        """The server looks at a thousand for each call; the command goes on until it is through."""
        lines = "".join(f"line {n}\n" for n in range(1500))
        self.penstock("queue", "set", "many", "max_attempts=1", "backoff=none")
        self.penstock("send", "many", "--lines", input=lines.encode())
        while leased := self.post("/v1/queues/many/lease", {"max": 500, "lease": "1h"})["messages"]:
            for message in leased:
                self.post(f"/v1/leases/{message['lease']}/reject",
                          {"error": "odd" if int(message["id"]) % 2 else "even"})
        again = ("task", "redrive", "--queue", "many")
        self.assertEqual(self.penstock(*again, "--error", "odd"), "750 messages sent back\n")
        self.assertEqual(self.penstock(*again, "--max", 50), "50 messages sent back\n")
        self.assertEqual(self.penstock(*again), "700 messages sent back\n")
        self.assertEqual(self.json("queue", "show", "many")["ready"], 1500)


class Check(Tasks):
    def test_waiting_tasks_that_no_worker_knows_are_counted(self):
        self.submit("nobody", name="alone")
        # It is there, and takes nothing: what is counted does not move.
        self.penstock("workers", "quiet", "--queue", "some")
        self.worker("--queue", "some", "--exec", "echo", "--task", "resize")
        task = self.submit("some", name="rotate")
        self.submit("some", name="rotate")
        self.submit("some.dead", name="given up")
        self.assertIn("given up", self.penstock("task", "check", "-q", "some.dead", code=1)[0])
        table, _ = self.penstock("task", "check", code=1)
        self.assertNotIn("given up", table)
        self.assertRegex(table, r"(?m)^nobody +alone +1 +no worker serves the queue$")
        self.assertRegex(table, r"(?m)^some +rotate +2 +no worker of the queue knows it$")
        shown, _ = self.penstock("task", "check", "--queue", "some", "--json", code=1)
        shown = json.loads(shown)
        self.assertEqual(shown["stranded"],
                         [{"queue": "some", "name": "rotate", "waiting": 2, "known": False,
                           "served": True, "declined": ""}])
        self.assertEqual((shown["looked_at"], shown["left"]), (2, 0))
        self.penstock("workers", "resume")
        self.worker("--queue", "some", "--queue", "nobody", "--exec", "echo")
        self.penstock("task", "show", task, "--wait", "50s")
        self.assertIn("there is a worker", self.penstock("task", "check"))
        self.penstock("task", "check", "--queue", "none", code=7)

    def test_why_a_task_was_declined_is_shown(self):
        worker = self.worker("--name", "picky", "--queue", "declined", "--exec", "echo", "--json",
                             "--task", "resize", stdout=subprocess.PIPE)
        self.addCleanup(worker.stdout.close)
        task = self.submit("declined", name="rotate")
        ending = json.loads(worker.stdout.readline())
        self.assertEqual((ending["id"], ending["ending"]), (task, "declined"))
        worker.terminate()
        self.assertEqual(worker.wait(TIMEOUT), 0)
        self.assertRegex(self.penstock("task", "show", task),
                         r"(?m)^declined +\d+x: worker picky does not take it$")
        self.assertGreaterEqual(self.json("task", "show", task)["declined_count"], 1)
        table, _ = self.penstock("task", "check", "--queue", "declined", code=1)
        self.assertRegex(table, "(?m)^declined +rotate +1 +declined: worker picky does not take")


if __name__ == "__main__":
    unittest.main(verbosity=2)
