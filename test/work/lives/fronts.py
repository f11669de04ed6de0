"""The three ways in: the C++ library, HTTP, the command line. All do the same and answer alike.

Times are in milliseconds. `options` of a task are: queue, key, delay, expires, group, priority,
debounce {key, delay, max_wait}, throttle {key, most, period, on_conflict}, timeout, hard_timeout,
result_ttl, max_attempts.
"""
import http.client
import json
import os
import subprocess

from server import PATIENCE

WAIT = 60_000  # for the end of something that is on its way


class Gone(Exception):
    """The connection broke, or there is none: nobody knows what became of it."""


class Refused(Exception):
    """The server took nothing."""


def once_with(key, ids):
    """The ids that a bulk with that key must have got, one for each."""
    if len(set(ids)) != len(ids):
        raise RuntimeError(f"bulk {key}: {len(ids)} tasks, and {len(set(ids))} ids")
    return [int(identity) for identity in ids]


class Cpp:
    name = "C++"

    def __init__(self, speaker, server, log):
        self.process = subprocess.Popen([speaker, server.url], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True)

    def say(self, do, **request):
        print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "gone" in answer:
            raise Gone(answer["gone"])
        if "refused" in answer or "duplicate" in answer:
            raise Refused(answer)
        if "error" in answer:
            raise RuntimeError(f"{do} {request}: {answer}")
        return answer

    def enqueue(self, task, argument, **options):
        return int(self.say("enqueue", task=task, argument=argument, options=options)["id"])

    def enqueue_many(self, task, count, key, queue):
        options = {"queue": queue, "key": key}
        answer = self.say("enqueue_many", task=task, count=count, options=options)
        return once_with(key, answer["ids"])

    def await_end(self, identity):
        answer = self.say("await_end", id=str(identity), wait=WAIT)
        return answer["state"], answer["result"]

    def progress(self, identity):
        answer = self.say("await_end", id=str(identity), wait=0)
        return answer["progress"], answer["total"]

    def log(self, identity):
        return [line["text"] for line in self.say("log", id=str(identity))["lines"]]

    def cancel(self, identity):
        self.say("cancel", id=str(identity))

    def redrive(self, queue, error):
        self.say("redrive", queue=queue, error=error)

    def set_group(self, queue, group, **settings):
        self.say("set_group", queue=queue, group=group, **settings)

    def put_schedule(self, name, when, task, argument, queue, **options):
        self.say("put_schedule", name=name, when=when, task=task, argument=argument,
                 **options, options={"queue": queue})

    def trigger(self, name):
        return int(self.say("trigger_schedule", name=name)["id"])

    def order(self, order, **who):
        self.say("order", order=order, **who)

    def close(self):
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


class Http:
    name = "HTTP"

    def __init__(self, server):
        self.address = server.address

    def ask(self, method, path, body=None, fields=None):
        """(status, JSON or None); None when the connection broke, so that nobody knows."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        text = body if body is None or isinstance(body, bytes) else json.dumps(body)
        try:
            connection.request(method, path, text,
                               {"Content-Type": "application/json", **(fields or {})})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def say(self, method, path, body=None, **fields):
        answer = self.ask(method, path, body, fields)
        if answer is None:
            raise Gone(path)
        status, said = answer
        if status in (409, 503):
            raise Refused(said)
        if status >= 300:
            raise RuntimeError(f"{method} {path} {body}: {status} {said}")
        return said

    def enqueue(self, task, argument, **options):
        fields, given = {}, {}
        for name, value in options.items():
            if name in ("timeout", "hard_timeout"):
                fields["Penstock-Header-penstock-" + name.replace("_", "-")] = f"{value}ms"
            elif name in ("delay", "expires", "result_ttl"):
                given[name] = f"{value}ms"
            elif name == "debounce":
                given[name] = {"key": value["key"], "delay": f"{value['delay']}ms"}
                if "max_wait" in value:
                    given[name]["max_wait"] = f"{value['max_wait']}ms"
            elif name == "throttle":
                given[name] = {"key": value["key"], "on_conflict": value["on_conflict"],
                               "rate": f"{value['most']}/{value['period']}ms"}
            else:
                given[name] = value
        return int(self.say("POST", f"/v1/tasks/{task}", {"args": [argument], "options": given},
                            **fields)["id"])

    def enqueue_many(self, task, count, key, queue):
        lines = b"".join(b'{"args":[%d]}\n' % n for n in range(count))
        answer = self.say("POST", f"/v1/tasks/{task}?queue={queue}", lines,
                          **{"Content-Type": "application/x-ndjson", "Idempotency-Key": key})
        return once_with(key, answer["ids"])

    def await_end(self, identity):
        status = self.say("GET", f"/v1/tasks/{identity}?wait={WAIT}ms")
        return status["state"], status["result"]

    def progress(self, identity):
        progress = self.say("GET", f"/v1/tasks/{identity}")["progress"]
        return progress["value"], progress["total"]

    def log(self, identity):
        return [line["text"] for line in self.say("GET", f"/v1/tasks/{identity}/log")["lines"]]

    def cancel(self, identity):
        self.say("DELETE", f"/v1/tasks/{identity}")

    def redrive(self, queue, error):
        self.say("POST", f"/v1/queues/{queue}/redrive", {"error": error})

    def set_group(self, queue, group, **settings):
        self.say("PUT", f"/v1/queues/{queue}/groups", {"name": group, **settings})

    def put_schedule(self, name, when, task, argument, queue, **options):
        self.say("PUT", f"/v1/schedules/{name}",
                 {"when": when, "task": task, "args": [argument], "queue": queue, **options})

    def trigger(self, name):
        return int(self.say("POST", f"/v1/schedules/{name}/trigger")["id"])

    def order(self, order, **who):
        self.say("POST", "/v1/workers/orders", {"order": order, **who})

    def close(self):
        return 0


class CommandLine:
    name = "command line"

    def __init__(self, program, server):
        self.program, self.server = program, server

    def run(self, *arguments, input=None, good=(0,)):
        done = subprocess.run([self.program, *map(str, arguments)], input=input, text=True,
                              env=dict(os.environ, PENSTOCK_URL=self.server.url),
                              capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode in good:
            return done.stdout
        if done.returncode == 3:  # nobody is there, or went away
            raise Gone(done.stderr)
        if done.returncode == 4:
            raise Refused(done.stderr)
        raise RuntimeError(f"{arguments}: {done.returncode} {done.stderr}")

    def enqueue(self, task, argument, **options):
        words = []
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            if name in ("timeout", "hard_timeout"):
                words += ["--header", f"penstock-{option[2:]}={value}ms"]
            elif name in ("delay", "expires", "result_ttl"):
                words += [option, f"{value}ms"]
            elif name == "debounce":
                words += [option, value["key"], "--debounce-delay", f"{value['delay']}ms"]
                if "max_wait" in value:
                    words += ["--max-wait", f"{value['max_wait']}ms"]
            elif name == "throttle":
                words += [option, value["key"], "--rate", f"{value['most']}/{value['period']}ms",
                          "--on-conflict", value["on_conflict"]]
            else:
                words += [option, str(value)]
        return int(self.run("run", task, json.dumps(argument), "--no-wait", *words))

    def enqueue_many(self, task, count, key, queue):
        lines = "".join(f"{n}\n" for n in range(count))
        return once_with(key, self.run("run", task, "--lines", "--queue", queue, "--key", key,
                                       input=lines).split())

    def await_end(self, identity):
        status = json.loads(self.run("task", "show", identity, "--wait", f"{WAIT}ms", "--json",
                                     good=(0, 1)))
        return status["state"], status.get("result")

    def progress(self, identity):
        said = json.loads(self.run("task", "show", identity, "--json", good=(0, 1)))
        progress = said.get("progress") or {}
        return progress.get("value"), progress.get("total")

    def log(self, identity):
        return [json.loads(line)["text"]
                for line in self.run("task", "logs", identity, "--json").splitlines()]

    def cancel(self, identity):
        self.run("task", "cancel", identity)

    def redrive(self, queue, error):
        self.run("task", "redrive", "--queue", queue, "--error", error)

    def set_group(self, queue, group, **settings):
        self.run("queue", "group", queue, group, *(f"{n}={v}" for n, v in settings.items()))

    def put_schedule(self, name, when, task, argument, queue, **options):
        words = []
        for option, value in options.items():
            words += [f"--{option}"] if value is True else [f"--{option}", value]
        self.run("schedule", "put", name, when, "--task", task, "--args", json.dumps([argument]),
                 "--queue", queue, *words)

    def trigger(self, name):
        return int(self.run("schedule", "trigger", name))

    def order(self, order, name, **slots):
        self.run("workers", order, *slots.values(), "--name", name)

    def close(self):
        return 0
