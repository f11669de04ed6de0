#!/usr/bin/python3
"""The command line end to end: the real program, a real server, real workers.

    program_test.py path/to/penstock [unittest arguments]

Nothing here sleeps: servers say on a pipe when they are ready, workers say so on standard error,
and everything else waits at the server or for the end of a process.
"""
import base64
import contextlib
import http.server
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import threading
import unittest

from program_fixture import PENSTOCK, TIMEOUT, ProgramTest


class Messages(ProgramTest):
    def test_a_message_goes_in_and_comes_out_once(self):
        sent = self.penstock("send", "mail", "grüße 👋").strip()
        got = self.json("receive", "mail")
        self.assertEqual((got["id"], got["body"], got["attempts"]), (sent, "grüße 👋", 1))
        self.penstock("receive", "mail", code=1)

    def test_bodies_are_bytes(self):
        body = bytes(range(256))
        self.penstock("send", "bytes", input=body)
        self.assertEqual(self.penstock("receive", "bytes", raw=True), body + b"\n")
        self.penstock("send", "bytes", input=body)
        self.assertEqual(base64.b64decode(self.json("receive", "bytes")["body_base64"]), body)

    def test_lines_of_a_key_come_in_once_however_many_they_are(self):
        lines = "".join(f"line {i}\n" for i in range(2500)).encode()
        once, again = (self.penstock("send", "keyed", "--lines", "--key", "k", input=lines)
                       for _ in range(2))
        self.assertEqual((len(set(once.split())), once), (2500, again))

    def test_lines_become_messages_in_order(self):
        lines = "".join(f"line {i}\n" for i in range(2500))
        ids = self.penstock("send", "lines", "--lines", input=lines.encode()).split()
        self.assertEqual(len(ids), 2500)
        self.assertEqual(self.penstock("receive", "lines", "--max", 3000), lines)

    def test_options_travel(self):
        self.penstock("send", "options", "low")
        self.penstock("send", "options", "high", "--priority", 9, "--header", "a=b=c", "--key", "k")
        again = self.penstock("send", "options", "high", "--key", "k").strip()
        self.penstock("send", "options", "later", "--delay", "1h")
        first = self.json("receive", "options")
        self.assertEqual((first["body"], first["headers"]["a"], first["priority"], first["id"]),
                         ("high", "b=c", 9, again))
        self.assertEqual(self.penstock("receive", "options", "--max", 10), "low\n")

    def test_what_is_not_acknowledged_comes_again(self):
        self.penstock("send", "peek", "again")
        self.assertEqual(self.penstock("receive", "peek", "--no-ack"), "again\n")
        self.assertEqual(self.penstock("receive", "peek"), "again\n")

    def test_a_receiver_waits_at_the_server(self):
        waiting = subprocess.Popen([PENSTOCK, "receive", "slow", "--wait", "50s"],
                                   env=dict(os.environ, PENSTOCK_URL=self.server.url),
                                   stdout=subprocess.PIPE, text=True)
        self.penstock("send", "slow", "now")
        self.assertEqual(waiting.communicate(timeout=TIMEOUT)[0], "now\n")
        self.assertEqual(waiting.returncode, 0)

    def test_a_full_queue_says_when_to_come_back(self):
        self.penstock("queue", "set", "tiny", "max_length=1")
        self.penstock("send", "tiny", "first")
        output, errors = self.penstock("send", "tiny", "second", code=4)
        self.assertEqual(output, "")
        self.assertRegex(errors,
                         r"queue tiny refuses for now \(max_length\)\n  hint: come back in \S")

    def test_a_server_that_is_not_there_is_named(self):
        _, errors = self.penstock("send", "mail", "x", code=3, url="penstock://127.0.0.1:1")
        self.assertIn("127.0.0.1:1", errors)
        self.assertIn("Connection refused", errors)
        self.assertIn("penstock serve", errors)

    def test_wrong_usage_says_what_is_wanted(self):
        for arguments in (["send"], ["send", "q", "b", "--delay", "5"], ["queue", "set", "q", "x"],
                          ["queue", "set", "q", "no_such=1"], ["worker", "--queue", "q"],
                          ["worker", "--queue", "q", "--exec", "{0}"],
                          ["send", "q", "b", "--at", "x"],
                          ["worker", "--queue", "q", "--http", "ftp://x"], ["run", "t", "-a", "x"],
                          ["receive", "q", "--follow", "--no-ack"], ["send", "\x01", "b"],
                          ["worker", "--queue", "q", "--exec", "true", "--threads", "5..2"]):
            with self.subTest(arguments):
                _, errors = self.penstock(*arguments, code=2)
                self.assertTrue(errors.startswith("penstock: "), errors)


class Queues(ProgramTest):
    def test_a_queue_lives_and_dies(self):
        self.penstock("queue", "set", "work", "max_attempts=1", "max_wait=2s", "backoff=none")
        shown = self.json("queue", "show", "work")
        self.assertEqual(shown["options"]["max_wait"], "2s")
        self.penstock("send", "work", "a")
        self.penstock("queue", "pause", "work")
        self.penstock("receive", "work", code=1)
        self.assertTrue(self.json("queue", "show", "work")["paused"])
        self.penstock("queue", "resume", "work")
        browsed = self.json("queue", "browse", "work")
        self.assertEqual((browsed["body"], browsed["state"]), ("a", "ready"))
        self.assertEqual(self.json("queue", "purge", "work"), {"messages": 1})
        self.assertIn("work", self.penstock("queue", "list"))
        self.assertEqual(self.json("queue", "delete", "work"), {"messages": 0})
        self.penstock("queue", "show", "work", code=7)

    def test_status_shows_every_queue(self):
        self.penstock("send", "seen", "a")
        status = self.json("status", "--once")
        self.assertIn("seen", [queue["name"] for queue in status["queues"]])
        self.assertRegex(self.penstock("status"), r"(?m)^seen +1 ")

    def test_a_bench_leaves_nothing_behind(self):
        figures = self.json("bench", "--messages", 2000, "--size", 100, "--round-trips", 20,
                            "--concurrency", 64)
        self.assertGreater(figures["published_per_s"], 0)
        self.assertGreater(figures["round_trip_p99_us"], 0)
        names = [queue["name"] for queue in self.json("queue", "list")]
        self.assertFalse([name for name in names if name.startswith("penstock.bench")])

    def test_a_plan_needs_no_server(self):
        plan = self.json("plan", "--arrival", "500/s", "--service", "40ms", "--max-wait", "2s",
                         url="penstock://127.0.0.1:1")
        self.assertEqual((plan["threads"], plan["max_length"]), (23, 1173))
        self.assertIn("max_length=1173",
                      self.penstock("plan", "--arrival", "500/s", "--service", "40ms",
                                    "--max-wait", "2s"))
        self.penstock("plan", "--arrival", "500/s", "--service", "40ms", "--threads", 10, code=1)


class Exec(ProgramTest):
    def test_a_program_gets_its_arguments_and_gives_its_result(self):
        self.worker("--queue", "echo", "--exec", "printf '%s|' {0} {w} {}")
        self.assertEqual(self.penstock("run", "t", "a b; $HOME", 7, "-a", "w=[1,2]", "-q", "echo"),
                         "a b; $HOME|[1,2]|a b; $HOME|7|\n")
        self.assertEqual(self.json("run", "t", "x", "-a", "w=1", "-q", "echo")["result"], "x|1|x|")

    def test_standard_input_is_the_body_and_the_environment_says_which_task(self):
        self.worker("--queue", "cat", "--exec", "sh -c 'cat; echo \" $PENSTOCK_TASK_ID\"'")
        status = self.json("run", "t", "x", "-q", "cat")
        self.assertEqual(status["result"], '{"args":["x"]} ' + status["id"])

    def test_exit_codes_signals_and_time_outs_are_told_apart(self):
        self.worker("--queue", "fails", "--exec", "sh -c {0}", "--timeout", "500ms")

        def error(script):
            output, errors = self.penstock("run", "t", script, "-q", "fails", "--max-attempts", 1,
                                           code=1)
            self.assertEqual(output, "")
            return errors
        self.assertIn("failed after 1 attempt: exit: 3: bad luck",
                      error("echo bad luck >&2; exit 3"))
        self.assertIn("signal: SIGKILL", error("kill -KILL $$"))
        self.assertIn("timeout: after 500ms", error("sleep 100"))

    def test_a_failure_is_tried_again(self):
        self.penstock("queue", "set", "twice", "backoff=none")
        marker = self.folder / "marker"
        self.worker("--queue", "twice", "--exec",
                    f"sh -c 'test -e {marker} && echo done || {{{{ touch {marker}; exit 1; }}}}'")
        status = self.json("run", "t", "-q", "twice")
        self.assertEqual((status["state"], status["attempts"], status["result"]),
                         ("done", 2, "done"))

    def test_a_task_that_lacks_an_argument_fails_at_once(self):
        self.worker("--queue", "lacks", "--exec", "echo {1}")
        _, errors = self.penstock("run", "t", "only", "-q", "lacks", code=1)
        self.assertIn("failed after 1 attempt: arguments: the command wants {1}", errors)

    def test_a_cancelled_task_stops_its_program(self):
        fifo = self.folder / "cancelled"
        os.mkfifo(fifo)
        self.worker("--queue", "long", "--exec", f"sh -c 'echo started > {fifo}; exec sleep 1000'",
                    "--lease", "2s")
        task = self.penstock("run", "t", "-q", "long", "--no-wait").strip()
        self.assertEqual(fifo.read_text(), "started\n")
        self.penstock("task", "cancel", task)
        shown, _ = self.penstock("task", "show", task, "--wait", "50s", "--json", code=1)
        self.assertEqual(json.loads(shown)["state"], "cancelled")

    def test_a_long_program_keeps_its_lease(self):
        self.worker("--queue", "lease", "--exec", "sleep {0}", "--lease", "1s")
        status = self.json("run", "t", "3", "-q", "lease")
        self.assertEqual((status["state"], status["attempts"]), ("done", 1))

    def test_threads_grow_with_the_backlog(self):
        log = self.folder / "growth"
        script = f"echo start >> {log}; sleep 0.3; echo end >> {log}"
        ids = [self.penstock("run", "t", "-q", "grow", "--no-wait").strip() for _ in range(30)]
        self.worker("--queue", "grow", "--threads", "1..8", "--exec", f"sh -c '{script}'")
        for task in ids:
            self.penstock("task", "show", task, "--wait", "50s")
        running = most = 0
        for line in log.read_text().split():
            running += 1 if line == "start" else -1
            most = max(most, running)
        self.assertGreater(most, 2)
        self.assertLessEqual(most, 8)

    def test_a_worker_that_is_told_to_stop_finishes_what_runs(self):
        fifo = self.folder / "finishes"
        os.mkfifo(fifo)
        worker = self.worker("--queue", "finish", "--exec",
                             f"sh -c 'echo started > {fifo}; read x < {fifo}; echo $x'")
        task = self.penstock("run", "t", "-q", "finish", "--no-wait").strip()
        self.assertEqual(fifo.read_text(), "started\n")
        worker.send_signal(signal.SIGTERM)
        fifo.write_text("finished\n")
        self.assertEqual(worker.wait(TIMEOUT), 0)
        self.assertIn("1 done", worker.stderr.read())
        self.assertEqual(self.json("task", "show", task)["result"], "finished")

    def test_what_does_not_finish_in_time_goes_back_uncounted(self):
        fifo = self.folder / "back"
        os.mkfifo(fifo)
        worker = self.worker("--queue", "back", "--grace", "0s", "--exec",
                             f"sh -c 'echo started > {fifo}; exec sleep 1000'")
        task = self.penstock("run", "t", "-q", "back", "--no-wait").strip()
        self.assertEqual(fifo.read_text(), "started\n")
        worker.terminate()
        self.assertEqual(worker.wait(TIMEOUT), 0)
        self.assertIn("1 given back", worker.stderr.read())
        status = self.json("task", "show", task)
        self.assertEqual((status["state"], status["attempts"]), ("queued", 0))

    def test_somebody_who_waits_no_longer_is_told_where_to_look(self):
        _, errors = self.penstock("run", "t", "-q", "nobody", "--timeout", "10ms", code=8)
        self.assertIn("penstock task show", errors)


class Limits(ProgramTest):
    def test_an_empty_key_is_not_taken_for_none(self):
        for option in ("--unique", "--key", "--group", "--debounce", "--throttle"):
            self.assertIn(option, self.penstock("run", "t", "--no-wait", option, "", code=2)[1])

    def test_keys_rates_and_weights_outlive_the_server(self):
        """A unique task, a debounce, a throttle and a group's share, with kill -9 in between."""
        unique = ("run", "t", "1", "-q", "keys", "--no-wait", "--unique", "k")
        first = self.penstock(*unique).strip()
        bounced = ("run", "t", "-q", "bounce", "--no-wait", "--debounce", "k",
                   "--debounce-delay", "1h", "--max-wait", "1d")
        put_off = self.penstock(*bounced).strip()
        throttled = ("send", "slow", "x", "--throttle", "k", "--rate", "1/1h")
        self.penstock(*throttled)
        self.penstock("queue", "set", "share", "group_rate=100")
        self.penstock("queue", "group", "share", "big", "weight=3", "limit=2")
        self.server.kill()
        self.server.start()
        self.assertIn(f"belongs to {first}", self.penstock(*unique, code=4)[1])
        self.assertEqual(self.penstock(*unique, "--on-conflict", "return").strip(), first)
        second = self.penstock(*unique, "--on-conflict", "replace").strip()
        self.assertIn(f"replaced by {second}", self.penstock("task", "show", first, code=1)[0])
        self.assertIn("throttle", self.penstock(*throttled, code=4)[1])
        groups = self.json("queue", "groups", "share")
        self.assertEqual([(g["name"], g["weight"], g["limit"]) for g in groups], [("big", 3, 2)])
        last = self.penstock(*bounced).strip()
        self.server.kill()
        self.server.start()
        self.assertIn(f"replaced by {last}", self.penstock("task", "show", put_off, code=1)[0])
        self.assertEqual(self.json("task", "show", last)["state"], "scheduled")
        self.worker("--queue", "keys", "--exec", "echo {0}")
        self.assertEqual(self.json("task", "show", second, "--wait", "20s")["state"], "done")
        third = self.penstock(*unique).strip()
        self.assertNotEqual(third, second)
        self.penstock("queue", "group", "share", "big", "rate=5", "limit=default")
        self.assertRegex(self.penstock("queue", "groups", "share"),
                         r"(?m)^big +3 +5 +default +0 +0$")
        self.penstock("queue", "group", "share", "big", "weight=0", code=2)
        self.assertIn("weight, rate and limit",
                      self.penstock("queue", "group", "share", "big", "size=1", code=2)[1])
        self.penstock("queue", "ungroup", "share", "big")
        self.assertEqual(self.json("queue", "groups", "share"), [])
        self.assertIn(b"penstock queue group share",
                      self.run_program("queue", "groups", "share").stderr)


class Crash(ProgramTest):
    def test_a_worker_goes_on_when_the_server_is_back(self):
        worker = self.worker("--queue", "crash", "--exec", "echo {0}", "--threads", 2)
        self.assertEqual(self.penstock("run", "t", "before", "-q", "crash"), "before\n")
        self.server.kill()
        self.assertIn("the server is gone", worker.stderr.readline())
        self.server.start()
        self.assertEqual(self.penstock("run", "t", "after", "-q", "crash"), "after\n")

    def test_what_a_killed_worker_held_comes_back_at_once_and_once(self):
        fifo, runs = self.folder / "held", self.folder / "runs"
        os.mkfifo(fifo)
        held = self.worker("--queue", "held", "--lease", "1h", "--exec",
                           f"sh -c 'echo started > {fifo}; read x < {fifo}'")
        task = self.penstock("run", "t", "-q", "held", "--no-wait").strip()
        self.assertEqual(fifo.read_text(), "started\n")
        self.addCleanup(self.let_go, fifo)  # nobody ends the program of a worker that was killed
        held.kill()
        self.worker("--queue", "held", "--exec", f"sh -c 'echo run >> {runs}; echo done'")
        status = self.json("task", "show", task, "--wait", "50s")
        self.assertEqual((status["state"], status["attempts"]), ("done", 2))
        self.assertEqual([entry["reason"] for entry in status["history"]], ["connection_closed"])
        self.assertEqual(runs.read_text(), "run\n")

    @staticmethod
    def let_go(fifo):
        with contextlib.suppress(OSError):
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


class Workflow(ProgramTest):
    def submit(self, workflow, *arguments, code=0):
        return self.penstock("workflow", "submit", *arguments, code=code,
                             input=json.dumps(workflow).encode())

    def test_a_workflow_is_submitted_drawn_listed_and_cancelled(self):
        step = {"task": "later", "options": {"queue": "nobody"}}
        two = {"name": "two", "run": {"chain": [step, step]}}
        drawn, _ = self.submit(two, "--wait", "1ms", code=8)
        self.assertRegex(drawn, r"(?s)name +two.*chain of 2  active.*later \d+  queued"
                                r".*later \d+  waiting")
        flow = re.search(r"workflow +(\d+)", drawn).group(1)
        self.assertIn("running", self.penstock("workflow", "list"))
        once = [self.submit({"run": {"task": "a"}}, "--key", "order 7") for _ in range(2)]
        self.assertEqual(once[0], once[1])
        self.penstock("workflow", "cancel", once[0].strip())
        self.penstock("workflow", "cancel", flow)
        shown, _ = self.penstock("workflow", "show", flow, code=1)
        self.assertRegex(shown, "(?s)state +cancelled.*chain of 2  stopped")
        self.penstock("workflow", "resume", flow, code=4)
        _, errors = self.penstock("workflow", "show", 999999, code=7)
        self.assertIn("there is no workflow 999999", errors)
        _, errors = self.submit({"run": {"chain": [{"group": [{}]}]}}, code=2)
        self.assertIn("run.chain[0].group[0]", errors)

    def test_a_failed_step_is_done_again_when_it_is_resumed(self):
        marker = self.folder / "resumed"
        self.worker("--queue", "resumed", "--exec", f"sh -c 'test -e {marker} && echo 7'")
        step = {"task": "t", "options": {"queue": "resumed", "max_attempts": 1}}
        shown, _ = self.submit({"run": step}, "--wait", "50s", code=1)
        self.assertRegex(shown, "(?s)state +failed.*exit: 1")
        marker.touch()
        flow = re.search(r"workflow +(\d+)", shown).group(1)
        self.penstock("workflow", "resume", flow)
        self.assertRegex(self.penstock("workflow", "show", flow, "--wait", "50s"), "value +7")

    def test_no_step_is_lost_or_done_over_when_server_and_workers_are_killed(self):
        """A chord of 120 members, killed on its way: each settles once, and the body gets all."""
        log = self.folder / "ran"
        options = {"queue": "killed", "lease": "2s", "max_attempts": 0, "backoff": "none"}
        script = f"sh -c 'echo {{0}} >> {log}; sleep 0.01; echo {{0}}'"
        members = {"map": {"task": "member", "args": [[n] for n in range(120)], "options": options}}
        body = {"task": "body", "options": {"queue": "bodies"}}
        flow = self.submit({"run": {"chain": [members, body]}}).strip()

        def ran():
            return len(log.read_text().split()) if log.exists() else 0
        for limit in (15, 40, 70):
            worker = self.worker("--queue", "killed", "--exec", script, "--threads", 4)
            while ran() < limit:
                worker.poll()
                self.assertIsNone(worker.returncode)
                self.penstock("workflow", "show", flow)
            worker.kill()
            worker.wait(TIMEOUT)
            self.server.kill()
            self.server.start()
        self.worker("--queue", "killed", "--exec", script, "--threads", 4)
        self.worker("--queue", "bodies", "--exec", "cat")
        shown = json.loads(self.penstock("workflow", "show", flow, "--wait", "50s", "--json"))
        self.assertEqual(shown["workflow"]["done"], 121)
        self.assertEqual(shown["result"], {"args": [list(range(120))]})
        # What was settled is not run again: only what was running when a worker died may be.
        self.assertLessEqual(ran(), 120 + 3 * 8)


    def test_what_ends_a_program_is_told_and_capped_by_its_cause(self):
        self.penstock("queue", "set", "causes", "max_killed=2", "backoff=none")
        self.worker("--queue", "causes", "--exec", "sh -c {0}", "--timeout", "500ms",
                    "--memory", "256MiB", "--kill-after", "1s")

        def history(script, *options):
            task = self.penstock("run", "t", script, "-q", "causes", "--no-wait", *options).strip()
            shown, _ = self.penstock("task", "show", task, "--wait", "50s", "--json", code=1)
            return [(entry["cause"], entry["reason"]) for entry in json.loads(shown)["history"]]
        self.assertEqual(history("kill -SEGV $$"), [("killed", "nack"), ("killed", "poisoned")])
        self.assertEqual(history("exit 1", "--max-attempts", "1"),
                         [("raised", "max_attempts")])
        self.assertEqual(history("exec sleep 100", "--max-attempts", "1"),
                         [("timed_out", "max_attempts")])
        self.assertEqual(history("kill -KILL $$", "--max-attempts", "1"),
                         [("out_of_memory", "max_attempts")])

    def test_programs_die_with_a_worker_that_is_killed(self):
        fifo = self.folder / "orphan"
        os.mkfifo(fifo)
        self.penstock("queue", "set", "orphans", "max_worker_lost=2", "backoff=none")
        task = self.penstock("run", "t", "-q", "orphans", "--no-wait").strip()
        for _ in range(2):
            worker = self.worker("--queue", "orphans",
                                 "--exec", f"sh -c 'echo $$ > {fifo}; exec sleep 1000'")
            with open(fifo) as told:
                program = int(told.read())
            watch = os.pidfd_open(program)
            worker.kill()
            worker.wait(TIMEOUT)
            # Readable once it has ended.
            self.assertTrue(select.select([watch], [], [], TIMEOUT)[0])
            os.close(watch)
        shown, _ = self.penstock("task", "show", task, "--wait", "50s", "--json", code=1)
        shown = json.loads(shown)
        self.assertEqual([entry["cause"] for entry in shown["history"]], ["worker_lost"] * 2)
        self.assertEqual(shown["history"][-1]["reason"], "poisoned")


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers with what the task's argument asks for, and remembers what it was told."""
    protocol_version = "HTTP/1.1"
    requests = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Hook.requests.append((dict(self.headers), body))
        wanted = json.loads(body)["args"]
        first = self.headers["Penstock-Attempt"] == "1"
        status = wanted[0] if first else 200
        answer = f"attempt {self.headers['Penstock-Attempt']}".encode()
        self.send_response(status)
        for name, value in (wanted[1] if len(wanted) > 1 and first else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Http(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=cls.hook.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.hook.shutdown()
        cls.hook.server_close()
        super().tearDownClass()

    def setUp(self):
        Hook.requests.clear()
        # One for each test: a worker that just died may be given one more task before it is missed.
        self.queue = self._testMethodName
        self.penstock("queue", "set", self.queue, "backoff=none")
        self.worker("--queue", self.queue, "--http", f"http://127.0.0.1:{self.hook.server_port}/x")

    def test_a_hook_gets_the_task_and_its_answer_is_the_result(self):
        status = self.json("run", "thumb", 201, "-q", self.queue)
        self.assertEqual((status["result"], status["attempts"]), ("attempt 1", 1))
        headers, body = Hook.requests[0]
        self.assertEqual((headers["Penstock-Task-Id"], headers["Idempotency-Key"]),
                         (status["id"], status["id"]))
        self.assertEqual((headers["Penstock-Task"], headers["Penstock-Queue"]),
                         ("thumb", self.queue))
        self.assertEqual(json.loads(body)["args"], [201])

    def test_retry_after_is_obeyed(self):
        status = self.json("run", "t", 503, '{"Retry-After": "1"}', "-q", self.queue)
        self.assertEqual((status["result"], status["attempts"]), ("attempt 2", 2))
        self.assertGreaterEqual(status["finished_at"] - status["enqueued_at"], 1000)

    def test_other_answers_are_tried_again_and_a_bad_request_is_not(self):
        for code in (500, 404, 302, 429):
            with self.subTest(code):
                status = self.json("run", "t", code, '{"Location": "/elsewhere"}', "-q", self.queue)
                self.assertEqual((status["state"], status["attempts"]), ("done", 2))
        _, errors = self.penstock("run", "t", 422, "-q", self.queue, code=1)
        self.assertIn("failed after 1 attempt: http: 422: attempt 1", errors)


class Import(ProgramTest):
    def file(self, definitions):
        file = self.folder / "definitions.json"
        file.write_text(definitions if isinstance(definitions, str) else json.dumps(definitions))
        return file

    def test_definitions_of_rabbitmq_are_taken_and_may_come_again(self):
        file = self.file({
            "rabbit_version": "3.10.8", "vhosts": [{"name": "/"}, {"name": "shop"}],
            "queues": [{"name": "imported", "vhost": "/", "durable": True, "auto_delete": False,
                        "arguments": {"x-max-length": 7}}]
                      + [{"name": f"q{n}", "vhost": "shop", "durable": True} for n in range(1200)],
            "exchanges": [{"name": "x", "vhost": "shop", "type": "topic", "durable": True}],
            "bindings": [{"source": "x", "vhost": "shop", "destination": "q1",
                          "destination_type": "queue", "routing_key": "a.#", "arguments": {}}]})
        for _ in range(2):
            said = self.penstock("import", file)
            self.assertIn("vhosts: 2 taken", said)
            self.assertIn("queues: 1201 taken", said)
            self.assertIn("bindings: 1 taken", said)
        self.assertRegex(self.penstock("queue", "show", "imported"), r"max_length +7\n")

    def test_what_cannot_be_taken_is_said_object_by_object(self):
        file = self.file({
            "queues": [{"name": "good", "vhost": "/", "durable": True},
                       {"name": "bad", "vhost": "/", "arguments": {"x-message-ttl": "soon"}},
                       {"name": "lost", "vhost": "nowhere"}],
            "policies": [{"name": "p"}], "global_parameters": []})
        said, errors = self.penstock("import", file, code=1)
        self.assertIn("queues: 1 taken", said)
        self.assertRegex(errors, r"not taken: .*bad.*x-message-ttl")
        self.assertRegex(errors, r"not taken: .*lost.*nowhere")
        self.assertIn("not taken: 1 of policies", errors)
        self.assertNotIn("global_parameters", errors)
        self.penstock("queue", "show", "good")

    def test_an_export_of_one_virtual_host_goes_to_the_one_that_is_named(self):
        self.penstock("import", self.file({"vhosts": [{"name": "other"}]}))
        said = self.penstock("import", "--vhost", "other", self.file({"queues": [{"name": "q"}]}))
        self.assertIn("queues: 1 taken", said)
        _, errors = self.penstock("import", self.file({"queues": [{"name": "q"}]}), code=1)
        self.assertIn("vhost must be given", errors)

    def test_a_file_that_is_none_is_an_error(self):
        for text in ("", "[]", "{", "7"):
            _, errors = self.penstock("import", self.file(text), code=2)
            self.assertIn("definitions.json", errors)
        _, errors = self.penstock("import", self.folder / "none.json", code=2)
        self.assertIn("cannot be read", errors)
        _, errors = self.penstock("import", self.file("{}"), url="nonsense:port", code=2)
        self.penstock("import", self.file({"vhosts": [{"name": "/"}]}), url="127.0.0.1:1", code=3)


class Demo(unittest.TestCase):
    def test_every_accepted_notification_arrives_through_a_crash(self):
        done = subprocess.run([PENSTOCK, "demo", "notifications", "--count", "1500"],
                              capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("SIGKILL", done.stdout)
        self.assertRegex(done.stdout, r"lost +0\n")
        self.assertIn("Every accepted notification arrived.", done.stdout)

    def test_a_wrong_line_is_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            file.write('{"id":"a"}\n')
            file.flush()
            done = subprocess.run([PENSTOCK, "demo", "notifications", "--events", file.name],
                                  capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 2)
        self.assertIn(':1: "email" is not there', done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
