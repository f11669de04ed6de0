"""Queues of the type stream: read without being emptied, from any offset."""

import datetime
import time

import pika

from ..client import DURABLE, Inbox, behaviour, refused
from ..scenario import equal, holds

STREAM = {"x-queue-type": "stream"}


def stream(t, channel, count=0, **more):
    """A stream with the bodies 0, 1, 2, ..."""
    queue = t.queue(channel, "stream", {**STREAM, **more})
    for number in range(count):
        channel.basic_publish("", queue, str(number).encode(), DURABLE)
    return queue


def reader(t, queue, offset=None, prefetch=100):
    channel = t.channel()
    channel.basic_qos(prefetch_count=prefetch)
    return Inbox(channel, queue, arguments={} if offset is None else {"x-stream-offset": offset})


def numbers(inbox, count):
    return [int(body) for body in inbox.bodies(count)]


@behaviour("a stream is read from its first message by everybody, and keeps them all")
def _(t):
    channel = t.channel()
    queue = stream(t, channel, 10)
    for _ in range(3):
        equal(numbers(reader(t, queue, "first"), 10), list(range(10)), "what was read")


@behaviour("a stream's deliveries tell their offset")
def _(t):
    channel = t.channel()
    queue = stream(t, channel, 5)
    inbox = reader(t, queue, "first")
    equal([inbox.next().headers["x-stream-offset"] for _ in range(5)], list(range(5)), "offsets")


@behaviour("a stream is read from a number on")
def _(t):
    queue = stream(t, t.channel(), 10)
    equal(numbers(reader(t, queue, 7), 3), [7, 8, 9], "what was read")


@behaviour("a stream is read from the next message on, and without an offset, too")
def _(t):
    channel = t.channel()
    queue = stream(t, channel, 3)
    following, plain = reader(t, queue, "next"), reader(t, queue)
    channel.basic_publish("", queue, b"3", DURABLE)
    equal((numbers(following, 1), numbers(plain, 1)), ([3], [3]), "what was read")


@behaviour("a stream is read from a time on, or from the first message before it that it knows")
def _(t):
    channel = t.channel()
    queue = stream(t, channel, 3)
    early = datetime.datetime.fromtimestamp(time.time() - 3600, datetime.timezone.utc)
    equal(numbers(reader(t, queue, early.replace(tzinfo=None)), 3), [0, 1, 2], "what was read")


@behaviour("a stream is read from its last chunk on")
def _(t):
    channel = t.channel()
    queue = stream(t, channel, 5)
    inbox = reader(t, queue, "last")
    got = inbox.next()
    while int(got.body) < 4:
        got = inbox.next()
    equal(got.body, b"4", "the last one")


@behaviour("a stream's reader needs a prefetch, and has to acknowledge")
def _(t):
    queue = stream(t, t.channel(), 1)
    with refused(406):
        Inbox(t.channel(), queue, arguments={"x-stream-offset": "first"})
    channel = t.channel()
    channel.basic_qos(prefetch_count=1)
    try:
        Inbox(channel, queue, auto_ack=True)
    except pika.exceptions.AMQPError as error:
        holds("not_implemented" in str(error).lower() or "540" in str(error), str(error))
        return
    raise AssertionError("it was taken")


@behaviour("a stream's prefetch holds, and acknowledging goes on")
def _(t):
    queue = stream(t, t.channel(), 10)
    inbox = reader(t, queue, "first", prefetch=2)
    order = []
    for _ in range(10):
        got = inbox.next()
        holds(len(inbox.waiting) < 2, "more than the prefetch was delivered")
        order.append(int(got.body))
        inbox.channel.basic_ack(got.tag)
    equal(order, list(range(10)), "the order")


@behaviour("get from a stream closes the connection with 540")
def _(t):
    queue = stream(t, t.channel(), 1)
    channel = t.connect().channel()
    try:
        channel.basic_get(queue)
    except pika.exceptions.AMQPError as error:
        holds("540" in str(error), str(error))
        return
    raise AssertionError("it was brought")


@behaviour("a stream is durable and shared, or refused")
def _(t):
    for more in ({"durable": False}, {"durable": True, "exclusive": True},
                 {"durable": True, "auto_delete": True}):
        with refused(406):
            t.channel().queue_declare(t.name(), arguments=STREAM, **more)


@behaviour("a stream takes its own arguments and refuses those of other queues")
def _(t):
    channel = t.channel()
    stream(t, channel, 0, **{"x-max-age": "1h", "x-max-length-bytes": 1 << 30,
                             "x-stream-max-segment-size-bytes": 1 << 20})
    for arguments in ({"x-message-ttl": 1000}, {"x-max-priority": 5},
                      {"x-dead-letter-exchange": "amq.fanout"}):
        with refused(406):
            t.channel().queue_declare(t.name("other"), durable=True,
                                      arguments={**STREAM, **arguments})


@behaviour("an age that is none closes the channel with 406", only="penstock")
def _(t):  # RabbitMQ 3.10 answers 541 to this
    with refused(406):
        t.channel().queue_declare(t.name(), durable=True,
                                  arguments={**STREAM, "x-max-age": "soon"})


@behaviour("an offset that is none closes the channel with 406", only="penstock")
def _(t):  # and to this
    queue = stream(t, t.channel(), 1)
    channel = t.channel()
    channel.basic_qos(prefetch_count=1)
    with refused(406):
        Inbox(channel, queue, arguments={"x-stream-offset": "somewhere"})


@behaviour("a stream is bound like any queue, and keeps properties")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic")
    queue = stream(t, channel)
    channel.queue_bind(queue, exchange, "a.#")
    channel.basic_publish(exchange, "a.b", b"x", pika.BasicProperties(
        message_id="m", delivery_mode=2, headers={"mine": 1}))
    got = reader(t, queue, "first").next()
    equal((got.properties.message_id, got.headers["mine"], got.method.routing_key,
           got.method.exchange), ("m", 1, "a.b", exchange), "the message")


@behaviour("a thousand messages of a stream are read in order, twice")
def _(t):
    fast = t.channel(confirms=False)
    queue = stream(t, t.channel())
    for number in range(1000):
        fast.basic_publish("", queue, str(number).encode(), DURABLE)
    for _ in range(2):
        inbox = reader(t, queue, "first")
        order = []
        for _ in range(1000):
            got = inbox.next()
            order.append(int(got.body))
            inbox.channel.basic_ack(got.tag)
        equal(order, list(range(1000)), "the order")
