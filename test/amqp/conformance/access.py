"""Who may do what: users, their vhosts, patterns of permissions, and those of topics.

The server is given DEFINITIONS, as RabbitMQ exports and imports them.
"""

import base64
import dataclasses
import hashlib

import pika
from pika import exceptions, spec

from .client import Client, Inbox, get, refused
from .scenario import Failure, equal, holds, scenario


def hashed(password):
    """RabbitMQ's password_hash: a salt of four bytes, then SHA-256 of salt and password."""
    salt = hashlib.sha256(password.encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def user(name, tags=""):
    return {"name": name, "password_hash": hashed(f"{name}'s"), "tags": tags,
            "hashing_algorithm": "rabbit_password_hashing_sha256"}


def may(name, configure, write, read, vhost="/"):
    return {"user": name, "vhost": vhost, "configure": configure, "write": write, "read": read}


DEFINITIONS = {
    "users": [{**user("guest", "administrator"), "password_hash": hashed("guest")},
              user("owner"), user("sender"), user("reader"), user("nobody"), user("topical")],
    "vhosts": [{"name": "/"}, {"name": "elsewhere"}],
    "permissions": [
        may("guest", ".*", ".*", ".*"), may("guest", ".*", ".*", ".*", "elsewhere"),
        may("owner", "^mine-", "^mine-", "^mine-"),
        may("owner", ".*", ".*", ".*", "elsewhere"),
        may("sender", "^$", "^(open-|amq\\.default$)", "^$"),
        may("reader", "^$", "^$", "^open-"),
        may("topical", ".*", ".*", ".*"),
    ],
    "topic_permissions": [
        {"user": "topical", "vhost": "/", "exchange": "amq.topic",
         "write": "^allowed\\.", "read": "^allowed\\."},
    ],
    "parameters": [], "policies": [], "queues": [], "exchanges": [], "bindings": [],
}


def right(name):
    return scenario("access", name)


def as_user(t, name, vhost="/"):
    """A channel of this user."""
    address = dataclasses.replace(t.address, vhost=vhost, user=name, password=f"{name}'s")
    other = Client(address)
    t.cleanup.push(other.cleanup)
    return other.channel()


def forbidden():
    return refused(403, "ACCESS_REFUSED - ")


@right("a user logs in with its password, and no other")
def _(t):
    as_user(t, "owner")
    wire = t.socket()
    wire.login(user="owner", password="guest's")
    wire.expect_close(403)


@right("a vhost that a user may not see closes the connection with 530")
def _(t):
    wire = t.socket()
    wire.login(user="nobody", password="nobody's")
    wire.tune()
    wire.method(0, spec.Connection.Open(virtual_host="/"))
    holds("refused" in wire.expect_close(530).reply_text, "it does not say so")


@right("vhosts have their own queues")
def _(t):
    channel = as_user(t, "owner", "elsewhere")
    queue = t.name()
    channel.queue_declare(queue, exclusive=True)
    with refused(404):
        t.channel().queue_declare(queue, passive=True)


@right("declaring and deleting take the right to configure")
def _(t):
    name = "mine-" + t.name()
    as_user(t, "owner").queue_declare(name, exclusive=True)
    as_user(t, "owner").exchange_declare(name, "fanout", auto_delete=True)
    t.leaves("exchange", name)
    queue = t.queue(t.channel(), "others")
    for use in (lambda c: c.queue_declare(t.name()), lambda c: c.queue_delete(queue),
                lambda c: c.exchange_declare(t.name("x"), "fanout"),
                lambda c: c.exchange_delete("amq.fanout"),
                lambda c: c.queue_declare("", exclusive=True)):
        with forbidden():
            use(as_user(t, "owner"))


@right("asking passively takes no right")
def _(t):
    queue = t.queue(t.channel())
    as_user(t, "reader").queue_declare(queue, passive=True)
    as_user(t, "reader").exchange_declare("amq.fanout", passive=True)


@right("publishing takes the right to write to the exchange, amq.default for the nameless one")
def _(t):
    exchange, queue = "open-" + t.name("x"), t.queue(t.channel())
    t.channel().exchange_declare(exchange, "fanout")
    t.leaves("exchange", exchange)
    as_user(t, "sender").basic_publish(exchange, "", b"x")
    as_user(t, "sender").basic_publish("", queue, b"x")
    with forbidden():
        as_user(t, "sender").basic_publish("amq.fanout", "", b"x")
    with forbidden():
        as_user(t, "reader").basic_publish("", queue, b"x")
    equal(get(t.channel(), queue).body, b"x", "the body")


@right("get, consume and purge take the right to read")
def _(t):
    queue = "open-" + t.name()
    channel = t.channel()
    channel.queue_declare(queue)
    t.leaves("queue", queue)
    channel.basic_publish("", queue, b"x")
    equal(get(as_user(t, "reader"), queue).body, b"x", "the body")
    as_user(t, "reader").queue_purge(queue)
    for use in (get, Inbox, lambda c, q: c.queue_purge(q)):
        with forbidden():
            use(as_user(t, "sender"), queue)


@right("binding takes writing to what is bound, and reading from the exchange")
def _(t):
    mine, others = "mine-" + t.name(), t.name("others")
    owner = as_user(t, "owner")
    owner.queue_declare(mine, exclusive=True)
    for exchange in ("mine-" + t.name("x"), t.name("x")):
        t.channel().exchange_declare(exchange, "fanout")
        t.leaves("exchange", exchange)
    t.channel().queue_declare(others)
    t.leaves("queue", others)
    owner.queue_bind(mine, "mine-" + t.name("x"), "")
    with forbidden():
        owner.queue_bind(mine, t.name("x"), "")
    with forbidden():
        as_user(t, "owner").queue_bind(others, "mine-" + t.name("x"), "")
    with forbidden():
        as_user(t, "owner").exchange_bind("mine-" + t.name("x"), t.name("x"), "")
    with forbidden():
        as_user(t, "owner").exchange_bind(t.name("x"), "mine-" + t.name("x"), "")


@right("a dead letter exchange takes the rights to read the queue and to write there")
def _(t):
    name = "mine-" + t.name()
    with forbidden():
        as_user(t, "owner").queue_declare(name, exclusive=True, arguments={
            "x-dead-letter-exchange": "amq.fanout"})
    as_user(t, "owner").queue_declare(name, exclusive=True, arguments={
        "x-dead-letter-exchange": "mine-letters"})


@right("an alternate exchange takes the rights to read the exchange and to write there")
def _(t):
    name = "mine-" + t.name()
    with forbidden():
        as_user(t, "owner").exchange_declare(name, "fanout", arguments={
            "alternate-exchange": "amq.fanout"})
    as_user(t, "owner").exchange_declare(name, "fanout", auto_delete=True, arguments={
        "alternate-exchange": "mine-spare"})
    t.leaves("exchange", name)


@right("a topic exchange may allow keys by pattern, to publish and to bind")
def _(t):
    channel = as_user(t, "topical")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "allowed.#")
    channel.basic_publish("amq.topic", "allowed.x", b"x")
    equal(get(channel, queue).body, b"x", "the body")
    with forbidden():
        as_user(t, "topical").basic_publish("amq.topic", "other.x", b"x")
    with forbidden():
        channel.queue_bind(queue, "amq.topic", "other.#")


@right("what was refused had no effect")
def _(t):
    queue = t.name()
    with forbidden():
        as_user(t, "owner").queue_declare(queue, durable=True)
    with refused(404):
        t.channel().queue_declare(queue, passive=True)


@right("a user's id on a message is checked against who is logged in")
def _(t):
    queue = t.queue(t.channel())
    as_user(t, "sender").basic_publish("", queue, b"x", pika.BasicProperties(user_id="sender"))
    with refused(406, "user_id"):
        as_user(t, "sender").basic_publish("", queue, b"x", pika.BasicProperties(user_id="guest"))
    equal(get(t.channel(), queue).properties.user_id, "sender", "the user")


@right("replies without a queue take the right to publish the request, and no more")
def _(t):
    queue = "open-" + t.name()
    channel = t.channel()
    channel.queue_declare(queue)
    t.leaves("queue", queue)
    asking = as_user(t, "sender")
    try:
        replies = Inbox(asking, "amq.rabbitmq.reply-to", auto_ack=True)
    except exceptions.AMQPError as error:
        raise Failure(f"the consumer was refused: {error}") from error
    asking.basic_publish("", queue, b"question",
                         pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    channel.basic_publish("", get(channel, queue).properties.reply_to, b"answer")
    equal(replies.next().body, b"answer", "the reply")
