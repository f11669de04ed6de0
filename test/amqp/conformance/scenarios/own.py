"""What Penstock has and RabbitMQ has not, or only with plugins."""

import select

import pika
from pika import exceptions, spec

from ..client import DURABLE, Inbox, behaviour, depth, drain, get, settled
from ..scenario import Failure, equal, holds
from ..wire import BODY, raw_frame, raw_header


def own(name, **more):
    return behaviour(name, only="penstock", **more)


@own("a key seen within x-dedup-window is confirmed, and not taken again")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-dedup-window": 60_000})
    for body, key in ((b"a", "one"), (b"again", "one"), (b"b", "two")):
        channel.basic_publish("", queue, body, pika.BasicProperties(
            delivery_mode=2, headers={"x-deduplication-header": key}))
    equal(drain(channel, queue), [b"a", b"b"], "what was taken")


@own("a message-id is a key, too, where the queue has a window")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-dedup-window": 60_000})
    for body in (b"a", b"again"):
        channel.basic_publish("", queue, body, pika.BasicProperties(message_id="m"))
    plain = t.queue(channel, "plain")
    for body in (b"a", b"again"):
        channel.basic_publish("", plain, body, pika.BasicProperties(message_id="m"))
    equal((drain(channel, queue), drain(channel, plain)), ([b"a"], [b"a", b"again"]),
          "what was taken")


@own("x-delay keeps a message back for its milliseconds")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    inbox = Inbox(channel, queue)
    channel.basic_publish("", queue, b"later", pika.BasicProperties(headers={"x-delay": 500}))
    channel.basic_publish("", queue, b"now")
    equal(inbox.bodies(2), [b"now", b"later"], "the order")


@own("an x-delayed-message exchange routes as its kind says, after x-delay")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "x-delayed-message", durable=True,
                          arguments={"x-delayed-type": "topic"})
    queue = t.queue(channel)
    channel.queue_bind(queue, exchange, "a.*")
    inbox = Inbox(channel, queue)
    for key, body, delay in (("a.b", b"last", 600), ("a.c", b"first", 100), ("b", b"no", 1)):
        channel.basic_publish(exchange, key, body,
                              pika.BasicProperties(headers={"x-delay": delay}))
    equal(inbox.bodies(2), [b"first", b"last"], "the order")
    inbox.nothing()


@own("an x-consistent-hash exchange sends equal keys to one queue, and shares by weights")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "x-consistent-hash", durable=True)
    queues = {t.queue(channel, str(weight)): weight for weight in (1, 3)}
    for queue, weight in queues.items():
        channel.queue_bind(queue, exchange, str(weight))
    publisher = t.channel(confirms=False)
    for number in range(400):
        publisher.basic_publish(exchange, f"key {number}", b"x")
        publisher.basic_publish(exchange, f"key {number}", b"x")
    for queue in queues:
        settled(publisher, queue)
    counts = {weight: depth(channel, queue) for queue, weight in queues.items()}
    equal(sum(counts.values()), 800, f"all of {counts}")
    equal([count % 2 for count in counts.values()], [0, 0], "pairs that were torn apart")
    holds(1.5 < counts[3] / counts[1] < 6, f"the shares are {counts}")


@own("x-max-wait refuses what would wait longer than that, once the pace is known")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-wait": 1})
    fast = t.channel(confirms=False)
    for _ in range(2000):
        fast.basic_publish("", queue, b"x")
    inbox = Inbox(channel, queue, auto_ack=False)
    refused = 0
    for _ in range(1000):
        channel.basic_ack(inbox.next().tag)
    channel.basic_cancel(inbox.tag)
    for _ in range(5):
        try:
            channel.basic_publish("", queue, b"x", DURABLE)
        except exceptions.NackError:
            refused += 1
    if not refused:
        raise Failure("all were taken though a thousand wait")


def announced_everywhere(t, channels, size):
    """A connection that has begun a message of this size on so many channels."""
    wire = t.wire()
    for number in range(1, channels + 1):
        wire.channel(number)
    for number in range(1, channels + 1):
        wire.method(number, spec.Basic.Publish(routing_key=t.name("nowhere")))
        wire.send(raw_header(number, size))
    return wire


@own("bodies that are begun on many channels and never ended are refused before they take much")
def _(t):
    wire = announced_everywhere(t, channels=100, size=15 << 20)
    piece = bytes(131_000)
    sent = 0
    while not select.select([wire.socket], [], [], 0)[0]:
        # What arrives behind the refusal is read and thrown away: that may be much.
        holds(sent < 1200 << 20, f"{sent >> 20} MiB of unfinished bodies were taken")
        for number in range(1, 101):
            wire.send(raw_frame(BODY, number, piece))
            sent += len(piece)
    wire.expect_close(506)


@own("many channels may each be in the middle of a large body")
def _(t):
    size = 4 << 20
    wire = announced_everywhere(t, channels=20, size=size)
    for _ in range(size >> 17):
        for number in range(1, 21):
            wire.send(raw_frame(BODY, number, bytes((1 << 17) - 8)))
    rest = size - (size >> 17) * ((1 << 17) - 8)
    for number in range(1, 21):
        wire.send(raw_frame(BODY, number, bytes(rest)))
    wire.channel(21)


@own("a body larger than any message may be is refused with 406 or 311")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    try:
        channel.basic_publish("", queue, bytes(300 << 20))
    except (exceptions.ChannelClosedByBroker, exceptions.ConnectionClosedByBroker) as closed:
        holds(closed.reply_code in (311, 406, 501), f"the code is {closed.reply_code}")
        return
    except exceptions.AMQPConnectionError:
        return  # the close came while pika was still writing
    raise Failure(f"it was taken: {get(channel, queue)}")
