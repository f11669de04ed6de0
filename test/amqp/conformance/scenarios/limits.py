"""Time to live, lengths, priorities."""

import pika
from pika import exceptions, spec

from ..client import Inbox, behaviour, depth, drain, get
from ..scenario import Failure, equal


def expires(milliseconds):
    return pika.BasicProperties(expiration=str(milliseconds))


def dead(t, channel, suffix="dead"):
    """A queue for dead letters; the arguments that send them there."""
    queue = t.queue(channel, suffix)
    return queue, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


def nacked(channel, queue, body=b"x", **more):
    try:
        channel.basic_publish("", queue, body, **more)
    except exceptions.NackError:
        return True
    return False


@behaviour("a message expires after its queue's time to live")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-message-ttl": 50})
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"x")
    equal(inbox.next().body, b"x", "what expired")
    equal(depth(channel, queue), 0, "the messages")


@behaviour("a message expires after its own expiration")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"x", expires(50))
    equal(inbox.next().body, b"x", "what expired")


@behaviour("the shorter of the two times counts")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    inbox = Inbox(channel, letters)
    short = t.queue(channel, "short", {**arguments, "x-message-ttl": 30})
    long = t.queue(channel, "long", {**arguments, "x-message-ttl": 60_000})
    channel.basic_publish("", short, b"the queue's", expires(60_000))
    channel.basic_publish("", long, b"its own", expires(30))
    equal({inbox.next().body, inbox.next().body}, {b"the queue's", b"its own"}, "what expired")


@behaviour("what expired is never delivered, whoever comes late")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-message-ttl": 20})
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body)
    equal(Inbox(channel, letters).bodies(3), [b"a", b"b", b"c"], "what expired")
    equal(get(channel, queue), None, "got")


@behaviour("a time to live of 0 delivers to who waits now, and to nobody else")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-message-ttl": 0})
    channel.basic_publish("", queue, b"nobody waits")
    equal(Inbox(channel, letters).next().body, b"nobody waits", "what expired")
    equal(depth(channel, queue), 0, "the messages")
    inbox = Inbox(channel, queue)
    # A millisecond is the least that Penstock knows; on a busy machine one message may outlive it.
    for _ in range(20):
        channel.basic_publish("", queue, b"somebody waits")
    equal(inbox.next().body, b"somebody waits", "the body")


@behaviour("a message that is being worked on does not expire; given back it does")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-message-ttl": 400})
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"held")
    held = get(channel, queue, auto_ack=False)
    channel.basic_publish("", queue, b"later")
    equal(inbox.next().body, b"later", "what expired first")
    channel.basic_nack(held.tag)
    equal(inbox.next().body, b"held", "what expired next")


@behaviour("a longer expiration in front does not let a queue's other messages live on")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"long", expires(60_000))
    clock, arguments = dead(t, channel, "rang")
    channel.basic_publish("", queue, b"short", expires(20))
    ticking = t.queue(channel, "ticking", {**arguments, "x-message-ttl": 60})
    rang = Inbox(channel, clock)
    channel.basic_publish("", ticking, b"")
    rang.next()
    equal(drain(channel, queue), [b"long"], "what is delivered")


@behaviour("a full queue drops its oldest messages")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length": 3})
    for number in range(6):
        channel.basic_publish("", queue, str(number).encode())
    equal(drain(channel, queue), [b"3", b"4", b"5"], "what is left")


@behaviour("a full queue counts bytes of bodies, too", differs="headers and properties count")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length-bytes": 100})
    for number in range(6):
        channel.basic_publish("", queue, str(number).encode() * 40)
    equal([body[:1] for body in drain(channel, queue)], [b"4", b"5"], "what is left")


@behaviour("what is being worked on does not count for a queue's length")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length": 1})
    channel.basic_publish("", queue, b"0")
    get(channel, queue, auto_ack=False)
    channel.basic_publish("", queue, b"1")
    equal(drain(channel, queue), [b"1"], "what is left")


@behaviour("what a full queue drops becomes a dead letter")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-max-length": 2})
    for number in range(4):
        channel.basic_publish("", queue, str(number).encode())
    inbox = Inbox(channel, letters)
    got = [inbox.next() for _ in range(2)]
    equal([one.body for one in got], [b"0", b"1"], "dead letters")
    equal(got[0].headers["x-death"][0]["reason"], "maxlen", "the reason")


@behaviour("a full queue with reject-publish refuses the newest")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    for _ in range(2):
        equal(nacked(channel, queue), False, "refused")
    t.until(lambda: nacked(channel, queue), "one too many is refused")
    held = depth(channel, queue)
    equal(nacked(channel, queue), True, "refused")
    equal(depth(channel, queue), held, "the messages")
    get(channel, queue)
    drain(channel, queue)
    t.until(lambda: not nacked(channel, queue), "there is room again")


@behaviour("a refused publish is nacked with its own tag, the others are acked")
def _(t):
    queue = t.queue(t.channel(), arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    wire = t.wire()
    wire.channel(confirms=True)
    outcome = {}
    for tag in range(1, 6):
        wire.publish(1, "", queue, b"x")
        method = wire.receive().method
        equal(method.delivery_tag, tag, "the tag")
        outcome[tag] = isinstance(method, spec.Basic.Ack)
    equal((outcome[1], outcome[5]), (True, False), f"the first and the last of {outcome}")


@behaviour("a publish to several queues is nacked when one of them refuses")
def _(t):
    channel = t.channel()
    full = t.queue(channel, "full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    roomy = t.queue(channel, "roomy")
    t.until(lambda: nacked(channel, full), "it is full")
    key = t.name("key")
    for queue in (full, roomy):
        channel.queue_bind(queue, "amq.direct", key)
    try:
        channel.basic_publish("amq.direct", key, b"x")
    except exceptions.NackError:
        return
    raise Failure("it was confirmed")


@behaviour("a full queue with reject-publish-dlx refuses the newest, as a dead letter")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, "x-max-length": 1,
                                        "x-overflow": "reject-publish-dlx"})
    inbox = Inbox(channel, letters)
    t.until(lambda: nacked(channel, queue, b"refused"), "one too many is refused")
    got = inbox.next()
    equal((got.body, got.headers["x-death"][0]["reason"]), (b"refused", "maxlen"), "dead letter")


@behaviour("a queue with priorities delivers higher ones first, equals in order")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-priority": 5})
    for number, priority in enumerate((1, 5, None, 3, 5, 0, 9)):
        channel.basic_publish("", queue, str(number).encode(),
                              pika.BasicProperties(priority=priority))
    equal(drain(channel, queue), [b"1", b"4", b"6", b"3", b"0", b"2", b"5"], "the order")


@behaviour("what is given back to a queue with priorities goes before its equals")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-priority": 5})
    for body, priority in ((b"a", 2), (b"b", 2), (b"high", 4)):
        channel.basic_publish("", queue, body, pika.BasicProperties(priority=priority))
    get(channel, queue)
    channel.basic_nack(get(channel, queue, auto_ack=False).tag)
    equal(drain(channel, queue), [b"a", b"b"], "the order")


@behaviour("a queue without x-max-priority keeps the order of arrival, and the property")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for priority in (1, 9):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(priority=priority))
    equal([get(channel, queue).properties.priority for _ in range(2)], [1, 9], "the order")


@behaviour("a full queue with priorities drops what it would have delivered next")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-priority": 5, "x-max-length": 2})
    for body, priority in ((b"high", 5), (b"low", 1), (b"middle", 3)):
        channel.basic_publish("", queue, body, pika.BasicProperties(priority=priority))
    equal(drain(channel, queue), [b"middle", b"low"], "what is left")
