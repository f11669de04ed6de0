"""RabbitMQ's HTTP management API, as rabbitmqadmin, Celery Flower and scripts use it."""

import base64
import json
import pathlib
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pika

from .client import Client, Inbox, depth, drain, get
from .scenario import PATIENCE, equal, holds, scenario

ADMIN = "/usr/bin/rabbitmqadmin"


STATISTICS_SECONDS = 15  # RabbitMQ counts every five


def managing(name, **more):
    return scenario("management", name, seconds=30, **more)


def quoted(name):
    return urllib.parse.quote(name, safe="")


def ask(t: Client, method, path, body=None, credentials="guest:guest"):
    """(status, what was answered) of one request."""
    host, port = t.address.management
    request = urllib.request.Request(
        f"http://{host}:{port}/api/{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode(),
                 "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, json.loads(text) if text.strip() else None


def told(t, path):
    status, answer = ask(t, "GET", path)
    equal(status, 200, f"the status of {path}")
    return answer


def admin(t, *words, code=0):
    """rabbitmqadmin; what it says, read as JSON where it is."""
    host, port = t.address.management
    done = subprocess.run([ADMIN, f"--host={host}", f"--port={port}", "--format=raw_json", *words],
                          capture_output=True, timeout=3 * PATIENCE, text=True)
    equal(done.returncode, code, f"rabbitmqadmin {words}: {done.stdout[-300:]}{done.stderr[-300:]}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout


@managing("a request without the right password is 401")
def _(t):
    equal(ask(t, "GET", "overview", credentials="guest:wrong")[0], 401, "the status")


@managing("the overview tells versions, totals and listeners")
def _(t):
    overview = told(t, "overview")
    missing = {"management_version", "rabbitmq_version", "cluster_name", "object_totals",
               "queue_totals", "message_stats", "listeners", "node"} - set(overview)
    equal(missing, set(), "what it lacks")
    holds({"queues", "exchanges", "connections", "channels", "consumers"}
          <= set(overview["object_totals"]), f"the totals are {overview['object_totals']}")


@managing("rabbitmqadmin declares, publishes, gets, purges and deletes", needs=ADMIN)
def _(t):
    queue, exchange = t.leaves("queue", t.name()), t.leaves("exchange", t.name("x"))
    admin(t, "declare", "queue", f"name={queue}", "durable=true",
          'arguments={"x-max-length": 5}')
    admin(t, "declare", "exchange", f"name={exchange}", "type=topic")
    admin(t, "declare", "binding", f"source={exchange}", f"destination={queue}",
          "routing_key=a.*")
    said = admin(t, "publish", f"exchange={exchange}", "routing_key=a.b", "payload=hello")
    holds("Message published" in str(said) and "NOT routed" not in str(said), f"it said {said!r}")
    said = admin(t, "publish", f"exchange={exchange}", "routing_key=b", "payload=lost")
    holds("NOT routed" in str(said), f"it said {said!r}")
    message, = admin(t, "get", f"queue={queue}", "ackmode=ack_requeue_true")
    equal((message["payload"], message["routing_key"], message["exchange"]),
          ("hello", "a.b", exchange), "the message")
    channel = t.channel()
    t.until(lambda: depth(channel, queue) == 1, "it is back")
    admin(t, "purge", "queue", f"name={queue}")
    equal(depth(channel, queue), 0, "the messages")
    admin(t, "delete", "queue", f"name={queue}")
    admin(t, "delete", "exchange", f"name={exchange}")
    equal(ask(t, "GET", f"queues/%2F/{quoted(queue)}")[0], 404, "the status of the queue")


@managing("a queue's page tells its properties, and its messages before long")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length": 9})
    for _ in range(3):
        channel.basic_publish("", queue, b"x")
    get(channel, queue, auto_ack=False)
    page = told(t, f"queues/%2F/{quoted(queue)}")
    equal({key: page[key] for key in ("name", "vhost", "durable", "auto_delete", "exclusive",
                                      "arguments")},
          {"name": queue, "vhost": "/", "durable": True, "auto_delete": False,
           "exclusive": False, "arguments": {"x-max-length": 9}}, "the properties")

    def counted():
        now = told(t, f"queues/%2F/{quoted(queue)}")
        return [now.get(key) for key in ("messages", "messages_ready",
                                         "messages_unacknowledged")] == [3, 2, 1]
    t.until(counted, "the counts are 3, 2 and 1", seconds=STATISTICS_SECONDS)


@managing("the lists of queues, exchanges and bindings have what was declared")
def _(t):
    channel = t.channel()
    queue, exchange = t.queue(channel), t.exchange(channel, "headers")
    channel.queue_bind(queue, exchange, "k", {"x-match": "any", "a": 1})
    holds(queue in [one["name"] for one in told(t, "queues")], "the queue is not listed")
    holds(queue in [one["name"] for one in told(t, "queues/%2F")], "nor in its vhost")
    found, = [one for one in told(t, "exchanges/%2F") if one["name"] == exchange]
    equal((found["type"], found["durable"], found["internal"]), ("headers", False, False), "it")
    holds({"", "amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"}
          <= {one["name"] for one in told(t, "exchanges/%2F")}, "the usual ones are not listed")
    bindings = told(t, f"queues/%2F/{quoted(queue)}/bindings")
    equal([(one["source"], one["routing_key"], one["arguments"]) for one in bindings
           if one["source"]], [(exchange, "k", {"x-match": "any", "a": 1})], "the bindings")
    holds(("", queue, queue) in [(one["source"], one["destination"], one["routing_key"])
                                 for one in bindings], "the default one is not listed")


@managing("connections, channels and consumers are listed with who they are")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_qos(prefetch_count=7)
    inbox = Inbox(channel, queue)

    def mine():
        return [one for one in told(t, "consumers") if one["queue"]["name"] == queue]
    t.until(lambda: len(mine()) == 1, "the consumer is listed", seconds=STATISTICS_SECONDS)
    consumer, = mine()
    equal((consumer["consumer_tag"], consumer["prefetch_count"], consumer["ack_required"]),
          (inbox.tag, 7, True), "the consumer")
    connection = consumer["channel_details"]["connection_name"]
    t.until(lambda: connection in [one["name"] for one in told(t, "connections")],
            "the connection is listed", seconds=STATISTICS_SECONDS)
    t.until(lambda: consumer["channel_details"]["name"] in [
        one["name"] for one in told(t, "channels")], "the channel is listed",
        seconds=STATISTICS_SECONDS)


@managing("a connection can be closed from here")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    Inbox(channel, queue)

    def name():
        return [one["channel_details"]["connection_name"] for one in told(t, "consumers")
                if one["queue"]["name"] == queue]
    t.until(name, "the consumer is listed", seconds=STATISTICS_SECONDS)
    equal(ask(t, "DELETE", f"connections/{quoted(name()[0])}")[0], 204, "the status")
    try:
        channel.connection.process_data_events(PATIENCE)
        channel.connection.process_data_events(PATIENCE)
    except pika.exceptions.ConnectionClosedByBroker as closed:
        equal(closed.reply_code, 320, "the reply code")
        return
    raise AssertionError("it is still open")


@managing("a queue declared with other properties is 400, as over AMQP it is 406")
def _(t):
    queue = t.queue(t.channel())
    path = f"queues/%2F/{quoted(queue)}"
    equal(ask(t, "PUT", path, {"durable": True})[0], 204, "the status of the same")
    equal(ask(t, "PUT", path, {"durable": False})[0], 400, "the status of another")


@managing("publish tells whether it was routed, and takes base64 and properties")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    status, answer = ask(t, "POST", "exchanges/%2F/amq.default/publish", {
        "properties": {"delivery_mode": 2, "message_id": "m", "headers": {"a": 1}},
        "routing_key": queue, "payload": base64.b64encode(b"\x00\xff").decode(),
        "payload_encoding": "base64"})
    equal((status, answer), (200, {"routed": True}), "the answer")
    got = get(channel, queue)
    equal((got.body, got.properties.message_id, got.headers), (b"\x00\xff", "m", {"a": 1}), "it")
    answer = ask(t, "POST", "exchanges/%2F/amq.default/publish", {
        "properties": {}, "routing_key": t.name("none"), "payload": "x",
        "payload_encoding": "string"})[1]
    equal(answer, {"routed": False}, "the answer")


@managing("users, vhosts and permissions are made, listed and taken away")
def _(t):
    user, vhost = t.name("user"), t.name("vhost")
    t.cleanup.callback(lambda: ask(t, "DELETE", f"users/{quoted(user)}"))
    t.cleanup.callback(lambda: ask(t, "DELETE", f"vhosts/{quoted(vhost)}"))
    equal(ask(t, "PUT", f"vhosts/{quoted(vhost)}")[0], 201, "the vhost's status")
    equal(ask(t, "PUT", f"users/{quoted(user)}", {"password": "secret", "tags": ""})[0], 201,
          "the user's status")
    equal(ask(t, "PUT", f"permissions/{quoted(vhost)}/{quoted(user)}",
              {"configure": ".*", "write": "^w", "read": "^r"})[0], 201, "the permission's status")
    holds(vhost in [one["name"] for one in told(t, "vhosts")], "the vhost is not listed")
    holds(user in [one["name"] for one in told(t, "users")], "the user is not listed")
    permission, = told(t, f"users/{quoted(user)}/permissions")
    equal((permission["vhost"], permission["write"], permission["read"]), (vhost, "^w", "^r"), "it")
    equal(told(t, "whoami")["name"], "guest", "who asks")


@managing("definitions go out, and come in again as they were", needs=ADMIN)
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-message-ttl": 60_000})
    exchange = t.exchange(channel, "topic", durable=True)
    channel.queue_bind(queue, exchange, "a.#")
    file = pathlib.Path(subprocess.run(["mktemp", "--suffix=.json"], capture_output=True,
                                       text=True, check=True).stdout.strip())
    t.cleanup.callback(file.unlink)
    admin(t, "export", str(file))
    definitions = json.loads(file.read_text())
    holds({"users", "vhosts", "permissions", "queues", "exchanges", "bindings"}
          <= set(definitions), f"it has {set(definitions)}")
    channel.queue_delete(queue)
    channel.exchange_delete(exchange)
    file.write_text(json.dumps({key: [one for one in definitions[key]
                                      if t.prefix in json.dumps(one)]
                                for key in ("queues", "exchanges", "bindings")}))
    admin(t, "import", str(file))
    channel.queue_declare(queue, durable=True, arguments={"x-message-ttl": 60_000})
    channel.basic_publish(exchange, "a.b", b"x")
    equal(drain(channel, queue), [b"x"], "what was routed")


@managing("what Flower asks for: a vhost's queues with their counts")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")

    def row():
        return next(one for one in told(t, "queues/%2F") if one["name"] == queue)
    wanted = {"name", "messages", "messages_ready", "messages_unacknowledged", "consumers"}
    t.until(lambda: wanted <= set(row()) and row()["messages"] == 1, "its row has all counts",
            seconds=STATISTICS_SECONDS)
