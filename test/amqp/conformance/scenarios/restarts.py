"""What is there after the server was killed. Each scenario yields where that happens."""

import contextlib

import pika
from pika import exceptions, spec

from ..client import DURABLE, Inbox, depth, drain, get, refused
from ..scenario import Failure, equal, holds, scenario
from .limits import dead
from .streams import STREAM, reader


def survival(name, **more):
    return scenario("restart", name, **more)


@survival("durable queues keep their persistent messages, in order, with properties")
def _(t):
    channel = t.channel()
    arguments = {"x-max-length": 1000}
    queue = t.queue(channel, arguments=arguments)
    for number in range(50):
        channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(
            delivery_mode=2, message_id=str(number), headers={"number": number}))
    yield
    channel = t.channel()
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for number in range(50):
        got = get(channel, queue)
        equal((got.body, got.properties.message_id, got.headers),
              (str(number).encode(), str(number), {"number": number}), "the message")


@survival("every message that was confirmed is there, whenever the kill comes")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    wire = t.wire()
    wire.channel(confirms=True)
    for number in range(1, 3001):
        wire.publish(1, "", queue, str(number).encode(), DURABLE)
    confirmed = set()
    while len(confirmed) < 300:
        confirmed |= confirms(wire)
    yield
    with contextlib.suppress(Failure):  # the end of the socket, or a close before it
        while True:
            confirmed |= confirms(wire)
    channel = t.channel()
    count = depth(channel, queue)
    there = {int(body) for body in Inbox(channel, queue, auto_ack=True).bodies(count)}
    holds(confirmed <= there, f"{len(confirmed - there)} of {len(confirmed)} confirmed are lost")


def confirms(wire):
    """The tags that one frame confirms."""
    ack = wire.expect(1, spec.Basic.Ack)
    if not ack.multiple:
        return {ack.delivery_tag}
    return set(range(1, ack.delivery_tag + 1))


@survival("transient and exclusive queues are gone")
def _(t):
    channel = t.channel()
    transient = t.queue(channel, "transient", durable=False)
    exclusive = t.name("exclusive")
    channel.queue_declare(exclusive, exclusive=True)
    yield
    for queue in (transient, exclusive):
        with refused(404):
            t.channel().queue_declare(queue, passive=True)


@survival("durable exchanges and their bindings route as before; transient ones are gone")
def _(t):
    channel = t.channel()
    topic = t.exchange(channel, "topic", "topic", durable=True)
    headers = t.exchange(channel, "headers", "headers", durable=True,
                         arguments={"alternate-exchange": "amq.fanout"})
    transient = t.exchange(channel, "fanout", "transient")
    queue = t.queue(channel)
    channel.exchange_bind(headers, topic, "by.header.#")
    channel.queue_bind(queue, headers, "", {"x-match": "any", "colour": "blue"})
    channel.queue_bind(queue, topic, "*.direct")
    channel.queue_unbind(queue, topic, "*.direct")
    channel.queue_bind(queue, topic, "a.direct")
    yield
    channel = t.channel()
    channel.exchange_declare(headers, "headers", durable=True,
                             arguments={"alternate-exchange": "amq.fanout"})
    for key, body, table in (("by.header.x", b"1", {"colour": "blue"}), ("b.direct", b"no", {}),
                             ("by.header.x", b"no", {"colour": "red"}), ("a.direct", b"2", {})):
        channel.basic_publish(topic, key, body, pika.BasicProperties(headers=table))
    equal(drain(channel, queue), [b"1", b"2"], "what was routed")
    with refused(404):
        channel.exchange_declare(transient, passive=True)


@survival("what was deleted or unbound stays so")
def _(t):
    channel = t.channel()
    queue, gone = t.queue(channel), t.queue(channel, "gone")
    exchange = t.exchange(channel, "fanout", durable=True)
    channel.queue_delete(gone)
    channel.exchange_delete(exchange)
    yield
    with refused(404):
        t.channel().queue_declare(gone, passive=True)
    with refused(404):
        t.channel().exchange_declare(exchange, passive=True)
    t.channel().queue_declare(queue, passive=True)


@survival("what was delivered and not acknowledged comes back")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body, DURABLE)
    get(channel, queue, auto_ack=False)
    Inbox(channel, queue).bodies(2)
    yield
    channel = t.channel()
    t.until(lambda: depth(channel, queue) == 3, "all are back")
    equal(drain(channel, queue), [b"a", b"b", b"c"], "the messages")


@survival("what was settled in a committed transaction stays settled")
def _(t):
    channel = t.channel(confirms=False)
    channel.tx_select()
    queue, other = t.queue(channel), t.queue(channel, "other")
    channel.basic_publish("", queue, b"a", DURABLE)
    channel.tx_commit()
    channel.basic_ack(get(channel, queue, auto_ack=False).tag)
    channel.basic_publish("", other, b"b", DURABLE)
    channel.tx_commit()
    yield
    equal((drain(t.channel(), queue), drain(t.channel(), other)), ([], [b"b"]), "the messages")


@survival("a transaction that was not committed leaves nothing")
def _(t):
    channel = t.channel(confirms=False)
    channel.tx_select()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", DURABLE)
    yield
    equal(drain(t.channel(), queue), [], "the messages")


@survival("messages still expire, and become dead letters")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-message-ttl": 1500})
    channel.basic_publish("", queue, b"x", DURABLE)
    yield
    got = Inbox(t.channel(), letters).next()
    equal((got.body, got.headers["x-death"][0]["reason"]), (b"x", "expired"), "the dead letter")


@survival("deaths that somebody was told of stay counted")
def _(t):
    channel = t.channel()
    queue = t.name()
    t.queue(channel, "q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue})
    channel.basic_publish("", queue, b"x", DURABLE)
    inbox = Inbox(channel, queue)
    for _ in range(2):
        channel.basic_reject(inbox.next().tag, requeue=False)
    equal(inbox.next().headers["x-death"][0]["count"], 2, "the count")
    yield
    got = Inbox(t.channel(), queue).next()
    equal(got.headers["x-death"][0]["count"], 2, "the count")


@survival("priorities are kept")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-priority": 5})
    for body, priority in ((b"low", 1), (b"high", 5), (b"middle", 3)):
        channel.basic_publish("", queue, body,
                              pika.BasicProperties(priority=priority, delivery_mode=2))
    yield
    equal(drain(t.channel(), queue), [b"high", b"middle", b"low"], "the order")


@survival("a quorum queue still counts deliveries")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", queue, b"x", DURABLE)
    inbox = Inbox(channel, queue)
    channel.basic_nack(inbox.next().tag)
    equal(inbox.next().headers["x-delivery-count"], 1, "the count")
    yield
    got = Inbox(t.channel(), queue).next()
    holds(got.headers.get("x-delivery-count", 0) >= 1, f"the headers are {got.headers}")


@survival("a stream keeps its messages and their offsets")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, "stream", STREAM)
    for number in range(10):
        channel.basic_publish("", queue, str(number).encode(), DURABLE)
    yield
    t.channel().basic_publish("", queue, b"10", DURABLE)
    inbox = reader(t, queue, 5)
    got = [inbox.next() for _ in range(6)]
    equal([int(one.body) for one in got], [5, 6, 7, 8, 9, 10], "what was read")
    equal([one.headers["x-stream-offset"] for one in got], [5, 6, 7, 8, 9, 10], "the offsets")


@survival("a client learns that the server has gone")
def _(t):
    channel = t.channel()
    yield
    try:
        channel.queue_declare("", exclusive=True)
    except (exceptions.AMQPConnectionError, exceptions.ChannelWrongStateError):
        return
    raise AssertionError("it went on")


@survival("a delayed message still comes after its time", only="penstock")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"later", pika.BasicProperties(
        delivery_mode=2, headers={"x-delay": 1500}))
    yield
    equal(Inbox(t.channel(), queue).next().body, b"later", "the body")


@survival("a key that was seen is still known", only="penstock")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-dedup-window": 60_000})
    once = pika.BasicProperties(delivery_mode=2, message_id="m")
    channel.basic_publish("", queue, b"once", once)
    yield
    channel = t.channel()
    channel.basic_publish("", queue, b"again", once)
    equal(drain(channel, queue), [b"once"], "the messages")
