"""Dead letters: why, from where, how often, and where to."""

import pika

from ..client import Inbox, behaviour, depth, get
from ..scenario import equal, holds
from .limits import dead, expires


def refuse(channel, queue):
    """Rejects the oldest message for good."""
    channel.basic_reject(get(channel, queue, auto_ack=False).tag, requeue=False)


@behaviour("a rejected message becomes a dead letter, with its body and properties")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(
        message_id="m", correlation_id="c", headers={"mine": 1}))
    refuse(channel, queue)
    got = Inbox(channel, letters).next()
    equal((got.body, got.properties.message_id, got.headers["mine"]), (b"x", "m", 1), "the letter")


@behaviour("x-death tells reason, queue, exchange, keys, time and count")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    channel.queue_bind(queue, "amq.topic", t.prefix + "#")
    channel.basic_publish("amq.topic", t.prefix + "key", b"x")
    refuse(channel, queue)
    death, = Inbox(channel, letters).next().headers["x-death"]
    holds(death.pop("time") is not None, "there is no time")
    equal(death, {"reason": "rejected", "queue": queue, "exchange": "amq.topic",
                  "routing-keys": [t.prefix + "key"], "count": 1}, "x-death")


@behaviour("the first death is told in headers of its own, and stays the first")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    second = t.queue(channel, "second", arguments)
    first = t.queue(channel, "first", {"x-dead-letter-exchange": "",
                                       "x-dead-letter-routing-key": second, "x-message-ttl": 10})
    inbox = Inbox(channel, letters)
    channel.basic_publish("", first, b"x")
    t.until(lambda: depth(channel, second) == 1, "it expired")
    refuse(channel, second)
    headers = inbox.next().headers
    equal((headers["x-first-death-reason"], headers["x-first-death-queue"],
           headers["x-first-death-exchange"]), ("expired", first, ""), "the first death")
    equal([(death["queue"], death["reason"]) for death in headers["x-death"]],
          [(second, "rejected"), (first, "expired")], "the deaths, the last one first")


@behaviour("deaths in the same queue for the same reason are counted")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"x")
    for count in range(1, 4):
        refuse(channel, queue)
        got = inbox.next()
        equal([death["count"] for death in got.headers["x-death"]], [count], "the counts")
        channel.basic_publish("", queue, got.body, pika.BasicProperties(headers=got.headers))


@behaviour("a dead letter without a key of its own keeps the message's keys")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct")
    letters = t.queue(channel, "letters")
    queue = t.queue(channel, arguments={"x-dead-letter-exchange": exchange})
    channel.queue_bind(letters, exchange, queue)
    channel.basic_publish("", queue, b"x")
    refuse(channel, queue)
    got = Inbox(channel, letters).next()
    equal((got.method.exchange, got.method.routing_key), (exchange, queue), "where it came from")


@behaviour("an expired message's own expiration is taken out, and told in x-death")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    inbox = Inbox(channel, letters)
    channel.basic_publish("", queue, b"x", expires(20))
    got = inbox.next()
    equal(got.properties.expiration, None, "the expiration")
    equal(got.headers["x-death"][0]["original-expiration"], "20", "the original one")
    equal(got.headers["x-death"][0]["reason"], "expired", "the reason")


@behaviour("a dead letter for an exchange that is not there is dropped")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-dead-letter-exchange": t.name("none")})
    channel.basic_publish("", queue, b"x")
    refuse(channel, queue)
    equal(depth(channel, queue), 0, "the messages")


@behaviour("a message without a dead letter exchange is dropped when rejected")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")
    refuse(channel, queue)
    equal(get(channel, queue), None, "got")


@behaviour("a message that expires in a ring of queues is dropped at the second turn")
def _(t):
    channel = t.channel()
    one, two = t.name("one"), t.name("two")
    for queue, other in ((one, two), (two, one)):
        t.queue(channel, queue.removeprefix(t.prefix),
                {"x-message-ttl": 20, "x-dead-letter-exchange": "",
                 "x-dead-letter-routing-key": other})
    channel.basic_publish("", one, b"x")
    t.until(lambda: depth(channel, one) + depth(channel, two) == 0, "the ring is empty")


@behaviour("a message that was rejected goes round a ring of queues, with its count")
def _(t):
    channel = t.channel()
    queue = t.name()
    t.queue(channel, "q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue})
    inbox = Inbox(channel, queue)
    channel.basic_publish("", queue, b"x")
    for turn in range(4):
        got = inbox.next()
        deaths = got.headers.get("x-death", [])
        equal([death["count"] for death in deaths], [turn] if turn else [], "the counts")
        channel.basic_reject(got.tag, requeue=False)


@behaviour("a retry queue brings a message back after its time, counted")
def _(t):
    channel = t.channel()
    work = t.name("work")
    wait = t.queue(channel, "wait", {"x-message-ttl": 20, "x-dead-letter-exchange": "",
                                     "x-dead-letter-routing-key": work})
    t.queue(channel, "work", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait})
    inbox = Inbox(channel, work)
    channel.basic_publish("", work, b"x")
    for turn in range(3):
        got = inbox.next()
        counts = {death["queue"]: death["count"] for death in got.headers.get("x-death", [])}
        equal(counts, {work: turn, wait: turn} if turn else {}, "the counts")
        channel.basic_reject(got.tag, requeue=False)


@behaviour("dead letters go through exchanges to many queues")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "fanout")
    letters = [t.queue(channel, f"letters{number}") for number in range(3)]
    for queue in letters:
        channel.queue_bind(queue, exchange)
    queue = t.queue(channel, arguments={"x-dead-letter-exchange": exchange})
    channel.basic_publish("", queue, b"x")
    refuse(channel, queue)
    for name in letters:
        equal(Inbox(channel, name).next().body, b"x", "the body")


@behaviour("purged and deleted messages become no dead letters")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments=arguments)
    for _ in range(2):
        channel.basic_publish("", queue, b"x")
    channel.queue_purge(queue)
    channel.basic_publish("", queue, b"x")
    channel.queue_delete(queue)
    equal(depth(channel, letters), 0, "dead letters")


@behaviour("a dead letter's CC goes when the queue gives it a key")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue, copy = t.queue(channel, arguments=arguments), t.queue(channel, "copy")
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers={"CC": [copy]}))
    equal(get(channel, copy).body, b"x", "the copy")
    refuse(channel, queue)
    got = Inbox(channel, letters).next()
    equal("CC" in got.headers, False, "whether there is a CC")
    equal(got.headers["x-death"][0]["routing-keys"], [queue, copy], "the keys")
    equal(depth(channel, copy), 0, "further copies")


@behaviour("a dead letter queue may be declared with a strategy")
def _(t):
    channel = t.channel()
    letters, arguments = dead(t, channel)
    queue = t.queue(channel, arguments={
        **arguments, "x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish"})
    channel.basic_publish("", queue, b"x")
    refuse(channel, queue)
    equal(Inbox(channel, letters).next().body, b"x", "the body")
