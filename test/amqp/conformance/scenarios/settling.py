"""Acknowledging, refusing, giving back."""

import pika
from pika import spec

from ..client import Inbox, behaviour, depth, drain, get, refused
from ..scenario import equal
from .consuming import filled, numbers


@behaviour("an acknowledged message is gone")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 1)
    working = t.channel()
    working.basic_ack(get(working, queue, auto_ack=False).tag)
    working.close()
    equal(depth(channel, queue), 0, "the messages")


@behaviour("acknowledging up to a tag leaves the later ones")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 5)
    working = t.channel()
    tags = [get(working, queue, auto_ack=False).tag for _ in range(5)]
    working.basic_ack(tags[1])
    working.basic_ack(tags[2], multiple=True)
    working.close()
    t.until(lambda: depth(channel, queue) == 2, "two are back")
    equal(drain(channel, queue), [b"3", b"4"], "the rest")


@behaviour("acknowledging up to 0 takes all that is out")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 3)
    working = t.channel()
    equal(numbers(Inbox(working, queue), 3), [0, 1, 2], "delivered")
    working.basic_ack(0, multiple=True)
    working.close()
    equal(depth(channel, queue), 0, "the messages")


@behaviour("acknowledging up to 0 when nothing is out is not an error")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.method(1, spec.Basic.Ack(delivery_tag=0, multiple=True))
    wire.queue(1, t.name())


@behaviour("settling an unknown tag closes the channel with 406")
def _(t):
    for method in (spec.Basic.Ack(delivery_tag=7), spec.Basic.Nack(delivery_tag=7),
                   spec.Basic.Reject(delivery_tag=7), spec.Basic.Ack(delivery_tag=0),
                   spec.Basic.Ack(delivery_tag=7, multiple=True)):
        wire = t.wire()
        wire.channel()
        wire.method(1, method)
        close = wire.expect_channel_close(1, 406)
        equal("unknown delivery tag" in close.reply_text, True, f"{close.reply_text!r}: says why")


@behaviour("settling a tag twice closes the channel with 406")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue, b"x")
    tag = wire.get(1, queue, auto_ack=False).method.delivery_tag
    wire.method(1, spec.Basic.Ack(delivery_tag=tag))
    wire.method(1, spec.Basic.Ack(delivery_tag=tag))
    wire.expect_channel_close(1, 406)


@behaviour("a tag of another channel is unknown")
def _(t):
    one, two = t.channel(), t.channel()
    queue = filled(t, one, 1)
    tag = get(one, queue, auto_ack=False).tag
    two.basic_ack(tag)
    with refused(406):
        two.queue_declare(queue, passive=True)
    one.basic_ack(tag)
    equal(depth(one, queue), 0, "the messages")


@behaviour("a rejected message is gone, or back as redelivered")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 1)
    channel.basic_reject(get(channel, queue, auto_ack=False).tag, requeue=True)
    got = get(channel, queue, auto_ack=False)
    equal(got.method.redelivered, True, "redelivered")
    channel.basic_reject(got.tag, requeue=False)
    equal(get(channel, queue), None, "got")


@behaviour("refusing up to a tag gives all of those back")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 4)
    tags = [get(channel, queue, auto_ack=False).tag for _ in range(4)]
    channel.basic_nack(tags[2], multiple=True, requeue=True)
    equal(drain(channel, queue), [b"0", b"1", b"2"], "back")
    channel.basic_nack(0, multiple=True, requeue=True)
    equal(drain(channel, queue), [b"3"], "the last")


@behaviour("what is given back goes to its old place, not to the end")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 6)
    tags = [get(channel, queue, auto_ack=False).tag for _ in range(4)]
    channel.basic_nack(tags[2])
    channel.basic_nack(tags[0])
    equal(drain(channel, queue), [b"0", b"2", b"4", b"5"], "the order")
    channel.basic_nack(tags[3])
    channel.basic_nack(tags[1])
    equal(drain(channel, queue), [b"1", b"3"], "the order")


@behaviour("what a consumer gives back is offered again, marked as redelivered")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 1)
    inbox = Inbox(channel, queue)
    seen = []
    for _ in range(5):
        got = inbox.next()
        seen.append(got.method.redelivered)
        channel.basic_nack(got.tag)
    equal(seen, [False, True, True, True, True], "redelivered")


@behaviour("recover gives back everything that is out")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 3)
    inbox = Inbox(channel, queue)
    equal(numbers(inbox, 3), [0, 1, 2], "at first")
    channel.basic_recover(requeue=True)
    again = [inbox.next() for _ in range(3)]
    equal([int(got.body) for got in again], [0, 1, 2], "again")
    equal([got.method.redelivered for got in again], [True] * 3, "redelivered")


@behaviour("recover-async gives back everything without an answer")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue, b"x")
    wire.get(1, queue, auto_ack=False)
    wire.method(1, spec.Basic.RecoverAsync(requeue=True))
    equal(wire.get(1, queue).method.redelivered, True, "redelivered")


@behaviour("messages out on one channel are not settled by another one's multiple")
def _(t):
    one, two = t.channel(), t.channel()
    queue = filled(t, one, 4)
    get(one, queue, auto_ack=False)
    get(two, queue, auto_ack=False)
    get(two, queue, auto_ack=False)
    two.basic_ack(0, multiple=True)
    one.basic_nack(0, multiple=True)
    equal(drain(one, queue), [b"0", b"3"], "the rest")


@behaviour("a thousand messages are acknowledged by one frame")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 1000)
    inbox = Inbox(channel, queue)
    got = [inbox.next() for _ in range(1000)]
    channel.basic_ack(got[-1].tag, multiple=True)
    channel.basic_cancel(inbox.tag)
    channel.close()
    equal(depth(t.channel(), queue), 0, "the messages")


@behaviour("settling makes room in order: the oldest that waits comes next")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 10)
    channel.basic_qos(prefetch_count=3)
    inbox = Inbox(channel, queue)
    order = []
    for _ in range(10):
        got = inbox.next()
        order.append(int(got.body))
        channel.basic_ack(got.tag)
    equal(order, list(range(10)), "the order")


@behaviour("a redelivered message keeps its properties")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers={"a": [1, "two"]},
                                                                message_id="m"))
    for _ in range(3):
        got = get(channel, queue, auto_ack=False)
        equal((got.headers, got.properties.message_id), ({"a": [1, "two"]}, "m"), "properties")
        channel.basic_nack(got.tag)
