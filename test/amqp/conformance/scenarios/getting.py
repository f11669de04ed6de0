"""basic.get: one message at a time."""

import pika

from ..client import behaviour, depth, get, refused
from ..scenario import equal


@behaviour("get brings the oldest message, and how many are left")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body)
    got = get(channel, queue)
    equal((got.body, got.method.message_count, got.method.redelivered), (b"a", 2, False), "got")
    equal((got.method.exchange, got.method.routing_key), ("", queue), "where it came from")


@behaviour("get of an empty queue says so")
def _(t):
    channel = t.channel()
    equal(get(channel, t.queue(channel)), None, "got")


@behaviour("get of an unknown queue closes the channel with 404")
def _(t):
    with refused(404):
        get(t.channel(), t.name("none"))


@behaviour("delivery tags count from 1 on each channel, over gets and deliveries")
def _(t):
    one, two = t.channel(), t.channel()
    queue = t.queue(one)
    for _ in range(4):
        one.basic_publish("", queue, b"x")
    tags = [get(channel, queue, auto_ack=False).tag for channel in (one, one, two, one)]
    equal(tags, [1, 2, 1, 3], "the tags")


@behaviour("what get brought without acknowledging comes back when the channel closes")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")
    other = t.channel()
    get(other, queue, auto_ack=False)
    equal(depth(channel, queue), 0, "ready messages")
    other.close()
    t.until(lambda: depth(channel, queue) == 1, "the message is back")
    got = get(channel, queue)
    equal((got.body, got.method.redelivered), (b"x", True), "got")


@behaviour("get is not held up by a prefetch")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body)
    channel.basic_qos(prefetch_count=1, global_qos=True)
    equal([get(channel, queue, auto_ack=False).body for _ in range(3)], [b"a", b"b", b"c"], "got")


@behaviour("transient messages and transient queues work alike")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, durable=False)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(delivery_mode=1))
    got = get(channel, queue)
    equal((got.body, got.properties.delivery_mode), (b"x", 1), "got")
