"""librabbitmq's command line tools: amqp-publish, amqp-get, amqp-consume and the like."""

import subprocess

from .client import Client, depth
from .scenario import PATIENCE, equal, scenario


def behaviour(name):
    return scenario("tools", name)


def tool(t, name, *words, code=0, input=None):
    """Runs one against the scenario's server; its standard output."""
    address = t.address
    done = subprocess.run(
        [f"amqp-{name}", "--server", address.host, "--port", str(address.port),
         "--vhost", address.vhost, "--username", address.user, "--password", address.password,
         *words], input=input, capture_output=True, timeout=2 * PATIENCE)
    equal((done.returncode, done.stderr.decode() if code == 0 else ""), (code, ""),
          f"the end of amqp-{name}")
    return done.stdout


@behaviour("a queue is declared, and named by the server when it has no name")
def _(t: Client):
    queue = t.leaves("queue", t.name())
    said = tool(t, "declare-queue", "--queue", queue, "--durable").decode()
    equal(said.strip(), queue, "the name")
    t.channel().queue_declare(queue, durable=True)
    made_up = tool(t, "declare-queue", "--queue", "").decode().strip()
    t.leaves("queue", made_up)
    equal(made_up.startswith("amq.gen-"), True, f"whether {made_up!r} is made up")


@behaviour("what is published is brought by get, and then nothing is left")
def _(t):
    queue = t.leaves("queue", t.name())
    tool(t, "declare-queue", "--queue", queue)
    tool(t, "publish", "--routing-key", queue, "--body", "first", "--persistent",
         "--content-type", "text/plain")
    tool(t, "publish", "--routing-key", queue, input=b"from a pipe")
    equal(tool(t, "get", "--queue", queue), b"first", "the body")
    equal(tool(t, "get", "--queue", queue), b"from a pipe", "the body")
    tool(t, "get", "--queue", queue, code=2)


@behaviour("a large body goes through publish and get")
def _(t):
    queue = t.leaves("queue", t.name())
    tool(t, "declare-queue", "--queue", queue)
    body = bytes(range(256)) * 4000
    tool(t, "publish", "--routing-key", queue, input=body)
    equal(tool(t, "get", "--queue", queue) == body, True, "whether it is the same")


@behaviour("consume hands bodies to a program, one by one")
def _(t):
    queue = t.leaves("queue", t.name())
    tool(t, "declare-queue", "--queue", queue)
    for number in range(5):
        tool(t, "publish", "--routing-key", queue, "--body", f"{number}\n")
    equal(tool(t, "consume", "--queue", queue, "--count", "5", "--prefetch-count", "2", "cat"),
          b"0\n1\n2\n3\n4\n", "what the program got")
    equal(depth(t.channel(), queue), 0, "the messages")


@behaviour("what a failing program got is rejected")
def _(t):
    queue = t.leaves("queue", t.name())
    tool(t, "declare-queue", "--queue", queue)
    tool(t, "publish", "--routing-key", queue, "--body", "x")
    tool(t, "consume", "--queue", queue, "--count", "1", "grep", "not there")


@behaviour("a publish through an exchange reaches a consumer of its own queue")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic")
    queue = t.queue(channel)
    channel.queue_bind(queue, exchange, "a.*")
    tool(t, "publish", "--exchange", exchange, "--routing-key", "a.b", "--body", "x",
         "--header", "colour: blue")
    method, properties, body = channel.basic_get(queue, auto_ack=True)
    equal((body, method.routing_key), (b"x", "a.b"), "the message")
    equal(properties.headers.get("colour").strip(), "blue", "the header")


@behaviour("deleting a queue tells how many messages went")
def _(t):
    queue = t.name()
    tool(t, "declare-queue", "--queue", queue)
    tool(t, "publish", "--routing-key", queue, "--body", "x")
    equal(tool(t, "delete-queue", "--queue", queue).strip(), b"1", "the count")


@behaviour("an unknown queue is an error that says so")
def _(t):
    done = subprocess.run(["amqp-get", "--server", t.address.host, "--port", str(t.address.port),
                           "--queue", t.name("none")], capture_output=True, timeout=2 * PATIENCE)
    equal((done.returncode != 0, b"404" in done.stderr or b"NOT_FOUND" in done.stderr),
          (True, True), f"the end with {done.stderr!r}")


@behaviour("a wrong password is an error that says so")
def _(t):
    done = subprocess.run(["amqp-get", "--server", t.address.host, "--port", str(t.address.port),
                           "--username", "guest", "--password", "wrong", "--queue", "q"],
                          capture_output=True, timeout=2 * PATIENCE)
    equal((done.returncode != 0, b"403" in done.stderr or b"ACCESS_REFUSED" in done.stderr),
          (True, True), f"the end with {done.stderr!r}")
