"""What clients expect of queues of the type quorum."""

from ..client import DURABLE, Inbox, behaviour, depth, drain, get, refused
from ..scenario import equal
from .limits import dead

QUORUM = {"x-queue-type": "quorum"}


@behaviour("a quorum queue takes, delivers and settles")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments=QUORUM)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body, DURABLE)
    channel.basic_qos(prefetch_count=2)
    inbox = Inbox(channel, queue)
    for body in (b"a", b"b", b"c"):
        got = inbox.next()
        equal(got.body, body, "the body")
        channel.basic_ack(got.tag)
    inbox.nothing()


@behaviour("a quorum queue counts deliveries in x-delivery-count")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments=QUORUM)
    channel.basic_publish("", queue, b"x", DURABLE)
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel, queue)
    counts = []
    for _ in range(4):
        got = inbox.next()
        counts.append(got.headers.get("x-delivery-count"))
        channel.basic_nack(got.tag)
    equal(counts, [None, 1, 2, 3], "the counts")


@behaviour("x-delivery-limit makes a dead letter of what was given back too often")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, **QUORUM, "x-delivery-limit": 2})
    inbox, end = Inbox(channel, queue), Inbox(channel, letters)
    channel.basic_publish("", queue, b"x", DURABLE)
    for _ in range(3):
        channel.basic_nack(inbox.next().tag)
    got = end.next()
    equal(got.headers["x-death"][0]["reason"], "delivery_limit", "the reason")
    inbox.nothing()


@behaviour("a quorum queue is durable and shared, or refused")
def _(t):
    for more in ({"durable": False}, {"durable": True, "exclusive": True},
                 {"durable": True, "auto_delete": True}):
        with refused(406):
            t.channel().queue_declare(t.name(), arguments=QUORUM, **more)


@behaviour("a quorum queue keeps its lengths")
def _(t):
    channel = t.channel()
    drop = t.queue(channel, "drop", {**QUORUM, "x-max-length": 2})
    for number in range(4):
        channel.basic_publish("", drop, str(number).encode(), DURABLE)
    t.until(lambda: depth(channel, drop) == 2, "the oldest were dropped")
    equal(drain(channel, drop), [b"2", b"3"], "what is left")


@behaviour("a quorum queue expires messages by its time to live")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={**arguments, **QUORUM, "x-message-ttl": 30})
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"x", DURABLE)
    got = inbox.next()
    equal((got.body, got.headers["x-death"][0]["reason"]), (b"x", "expired"), "the dead letter")


@behaviour("a quorum queue can have a single active consumer")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={**QUORUM, "x-single-active-consumer": True})
    first, second = t.channel(), t.channel()
    active, waiting = Inbox(first, queue), Inbox(second, queue)
    for number in range(3):
        channel.basic_publish("", queue, str(number).encode(), DURABLE)
    equal(active.bodies(3), [b"0", b"1", b"2"], "the active one's")
    waiting.nothing()
    first.close()
    equal(sorted(waiting.bodies(3)), [b"0", b"1", b"2"], "the next one's")


@behaviour("a quorum queue is not a classic one: 406")
def _(t):
    queue = t.queue(t.channel(), arguments=QUORUM)
    with refused(406):
        t.channel().queue_declare(queue, durable=True)
    with refused(406):
        t.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": "classic"})


@behaviour("a queue may say that it is classic")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-queue-type": "classic"})
    channel.basic_publish("", queue, b"x")
    equal(get(channel, queue).body, b"x", "the body")
