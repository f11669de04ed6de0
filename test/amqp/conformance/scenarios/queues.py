"""Queues: declaring, finding, refusing, purging, deleting, expiring."""

import pika
from pika import spec

from ..client import Inbox, behaviour, depth, get, refused
from ..scenario import equal, holds
from ..wire import raw_method, short
from .publishing import confirmed


@behaviour("declaring a queue tells its name, its messages and its consumers")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for body in (b"a", b"b"):
        channel.basic_publish("", queue, body)
    ok = channel.queue_declare(queue, durable=True).method
    equal((ok.queue, ok.message_count, ok.consumer_count), (queue, 2, 0), "the answer")
    Inbox(channel, queue)
    ok = channel.queue_declare(queue, passive=True).method
    equal((ok.message_count, ok.consumer_count), (0, 1), "messages and consumers")


@behaviour("a passive declare of an unknown queue closes only the channel, with 404")
def _(t):
    channel = t.channel()
    with refused(404, "NOT_FOUND - no queue"):
        channel.queue_declare(t.name("none"), passive=True)
    t.channel().queue_declare("", exclusive=True)


@behaviour("an error names the method that it answers")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.method(1, spec.Queue.Declare(queue=t.name(), passive=True))
    close = wire.expect_channel_close(1, 404)
    equal((close.class_id, close.method_id), (50, 10), "the offending method")


@behaviour("declaring a queue again with the same arguments changes nothing")
def _(t):
    channel = t.channel()
    arguments = {"x-max-length": 7, "x-message-ttl": 60_000}
    queue = t.queue(channel, arguments=arguments)
    channel.queue_declare(queue, durable=True, arguments=arguments)


@behaviour("numbers in arguments are the same in any width")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name(), {"x-max-length": 7})  # pika: a 32 bit integer
    wide = b"\x0cx-max-lengthl" + (7).to_bytes(8, "big")
    wire.send(raw_method(1, 50, 10, b"\0\0" + short(queue) + b"\x04"
                         + len(wide).to_bytes(4, "big") + wide))
    wire.expect(1, spec.Queue.DeclareOk)


@behaviour("declaring a queue again with other properties or arguments closes the channel with 406")
def _(t):
    queue = t.queue(t.channel(), arguments={"x-max-length": 7})
    for other in ({"durable": False, "arguments": {"x-max-length": 7}},
                  {"durable": True, "auto_delete": True, "arguments": {"x-max-length": 7}},
                  {"durable": True, "arguments": {"x-max-length": 8}},
                  {"durable": True, "arguments": {"x-max-length": 7, "x-message-ttl": 1}},
                  {"durable": True}):
        with refused(406, "PRECONDITION_FAILED - inequivalent arg"):
            t.channel().queue_declare(queue, **other)


@behaviour("a passive declare asks only whether the queue is there")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-max-length": 7})
    channel.queue_declare(queue, passive=True)


@behaviour("an exclusive queue is locked for other connections, with 405")
def _(t):
    queue = t.name()
    t.channel().queue_declare(queue, exclusive=True)
    other = t.connect()
    for use in (lambda c: c.queue_declare(queue, exclusive=True),
                lambda c: c.queue_declare(queue, passive=True),
                lambda c: c.basic_get(queue),
                lambda c: c.basic_consume(queue, lambda *_: None),
                lambda c: c.queue_purge(queue),
                lambda c: c.queue_delete(queue),
                lambda c: c.queue_bind(queue, "amq.direct", "k")):
        with refused(405, "RESOURCE_LOCKED"):
            use(other.channel())


@behaviour("anybody may publish to an exclusive queue")
def _(t):
    channel = t.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    other = t.connect().channel()
    other.confirm_delivery()
    other.basic_publish("", queue, b"x", mandatory=True)
    equal(get(channel, queue).body, b"x", "the body")


@behaviour("an exclusive queue goes with its connection")
def _(t):
    queue = t.name()
    connection = t.connect()
    connection.channel().queue_declare(queue, exclusive=True)
    connection.close()
    with refused(404):
        t.channel().queue_declare(queue, passive=True)


@behaviour("names that begin with amq. are reserved, with 403")
def _(t):
    with refused(403, "ACCESS_REFUSED"):
        t.channel().queue_declare("amq." + t.name())
    with refused(404):  # asking is allowed
        t.channel().queue_declare("amq." + t.name(), passive=True)


@behaviour("the server makes up a name that nobody else has")
def _(t):
    channel = t.channel()
    names = {channel.queue_declare("", exclusive=True).method.queue for _ in range(20)}
    equal(len(names), 20, "different names")
    holds(all(name.startswith("amq.gen-") for name in names), f"the names are {names}")


@behaviour("an empty name is the queue that the channel declared last")
def _(t):
    channel = t.channel()
    channel.queue_declare("", exclusive=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"x")
    channel.queue_bind("", "amq.direct", t.name("key"))
    equal(get(channel, "").body, b"x", "the body")
    inbox = Inbox(channel, "")
    channel.basic_publish("amq.direct", t.name("key"), b"bound")
    equal(inbox.next().body, b"bound", "the body")
    equal(channel.queue_purge("").method.message_count, 0, "purged")
    channel.queue_delete("")


@behaviour("an empty key binds by the last queue's name when the queue's name is empty, too")
def _(t):
    channel = t.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    wire = t.wire()
    wire.channel()
    mine = wire.queue(1, "")
    wire.call(1, spec.Queue.Bind(queue="", exchange="amq.direct", routing_key=""),
              spec.Queue.BindOk)
    channel.basic_publish("amq.direct", mine, b"by name")
    equal(wire.get(1, mine).body, b"by name", "the body")
    equal(get(channel, queue), None, "the other queue")


@behaviour("an empty name without a queue declared before is 404")
def _(t):
    with refused(404):
        t.channel().basic_get("")


@behaviour("every queue is bound to the default exchange by its name")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", mandatory=True)
    equal(get(channel, queue).body, b"x", "the body")


@behaviour("nothing can be bound to or unbound from the default exchange")
def _(t):
    queue = t.queue(t.channel())
    with refused(403):
        t.channel().queue_bind(queue, "", "key")
    with refused(403):
        t.channel().queue_unbind(queue, "", queue)


@behaviour("purging tells how many went, and leaves what is being worked on")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for body in (b"a", b"b", b"c"):
        channel.basic_publish("", queue, body)
    held = get(channel, queue, auto_ack=False)
    equal(channel.queue_purge(queue).method.message_count, 2, "purged")
    channel.basic_nack(held.tag)
    equal(get(channel, queue).body, b"a", "the body")


@behaviour("deleting tells how many went with the queue")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")
    equal(channel.queue_delete(queue).method.message_count, 1, "deleted")
    with refused(404):
        channel.queue_declare(queue, passive=True)


@behaviour("deleting an unknown queue is not an error")
def _(t):
    equal(t.channel().queue_delete(t.name("none")).method.message_count, 0, "deleted")


@behaviour("delete if-unused refuses with 406 while somebody consumes")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    inbox = Inbox(channel, queue)
    with refused(406, "in use"):
        t.channel().queue_delete(queue, if_unused=True)
    channel.basic_cancel(inbox.tag)
    channel.queue_delete(queue, if_unused=True)


@behaviour("delete if-empty refuses with 406 while messages wait")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")
    with refused(406, "not empty"):
        t.channel().queue_delete(queue, if_empty=True)
    channel.queue_purge(queue)
    channel.queue_delete(queue, if_empty=True)


@behaviour("an auto-delete queue goes with its last consumer")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, auto_delete=True)
    one, two = Inbox(channel, queue), Inbox(channel, queue)
    channel.basic_cancel(one.tag)
    channel.queue_declare(queue, passive=True)
    channel.basic_cancel(two.tag)
    with refused(404):
        t.channel().queue_declare(queue, passive=True)


@behaviour("an auto-delete queue that nobody consumed from stays")
def _(t):
    queue = t.queue(t.channel(), auto_delete=True)
    connection = t.connect()
    connection.channel().queue_declare(queue, passive=True)
    connection.close()
    t.channel().queue_declare(queue, passive=True)


@behaviour("a queue that nobody uses expires after x-expires")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-expires": 100})

    def gone():
        try:
            # Declaring would be a use; binding is none.
            t.channel().queue_unbind(queue, "amq.direct", "no such key")
            t.channel().queue_bind(queue, "amq.direct", t.name("key"))
            return False
        except pika.exceptions.ChannelClosedByBroker as closed:
            return closed.reply_code == 404
    t.until(gone, "the queue is gone")


@behaviour("a queue with a consumer does not expire")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-expires": 400})
    Inbox(channel, queue)
    clock = t.queue(channel, "clock", {"x-message-ttl": 800, "x-dead-letter-exchange": "",
                                       "x-dead-letter-routing-key": t.name("rang")})
    rang = Inbox(channel, t.queue(channel, "rang"))
    channel.basic_publish("", clock, b"800 ms")
    rang.next()
    channel.queue_declare(queue, passive=True)


@behaviour("arguments of the wrong type or value close the channel with 406")
def _(t):
    for arguments in ({"x-message-ttl": "soon"}, {"x-message-ttl": -1}, {"x-expires": 0},
                      {"x-max-length": -1}, {"x-max-priority": "high"}, {"x-max-priority": 256},
                      {"x-overflow": "spill"}, {"x-dead-letter-exchange": 7},
                      {"x-dead-letter-routing-key": "k"}, {"x-queue-type": "fifo"},
                      {"x-single-active-consumer": "yes"}):
        try:
            with refused(406):
                t.channel().queue_declare(t.name(), exclusive=True, arguments=arguments)
        except AssertionError as wrong:
            raise AssertionError(f"{arguments}: {wrong}") from wrong


@behaviour("arguments that nobody knows are taken and remembered")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-nobody-knows": "this", "colour": 7})
    channel.queue_declare(queue, durable=True, arguments={"x-nobody-knows": "this", "colour": 7})


@behaviour("x-queue-mode lazy is taken")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-queue-mode": "lazy"})
    channel.basic_publish("", queue, b"x")
    equal(get(channel, queue).body, b"x", "the body")


@behaviour("names may have up to 255 bytes, and any letters")
def _(t):
    channel = t.channel()
    long = t.prefix + "ü" * ((255 - len(t.prefix)) // 2)
    for name in (long, t.name("a b/c?d=é&%20")):
        channel.queue_declare(name, exclusive=True)
        channel.basic_publish("", name, b"x", mandatory=True)
        equal(get(channel, name).body, b"x", "the body")


@behaviour("no-wait is taken at its word: there is no answer, and the work is done")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = t.name()
    wire.method(1, spec.Queue.Declare(queue=queue, exclusive=True, nowait=True))
    wire.method(1, spec.Queue.Bind(queue=queue, exchange="amq.direct", routing_key=queue,
                                   nowait=True))
    wire.method(1, spec.Confirm.Select(nowait=True))
    wire.publish(1, "amq.direct", queue, b"x")
    wire.expect(1, spec.Basic.Ack)
    wire.method(1, spec.Basic.Consume(queue=queue, consumer_tag="c", nowait=True))
    equal(wire.expect_message(1).body, b"x", "the body")
    wire.method(1, spec.Basic.Cancel(consumer_tag="c", nowait=True))
    wire.method(1, spec.Queue.Purge(queue=queue, nowait=True))
    wire.method(1, spec.Queue.Delete(queue=queue, nowait=True))
    wire.method(1, spec.Queue.Declare(queue=queue, passive=True))
    wire.expect_channel_close(1, 404)


@behaviour("a thousand queues are declared, used and deleted")
def _(t):
    wire = t.wire()
    wire.channel(confirms=True)
    names = [t.name(str(number)) for number in range(1000)]
    for name in names:
        wire.method(1, spec.Queue.Declare(queue=name, exclusive=True))
    for name in names:
        equal(wire.expect(1, spec.Queue.DeclareOk).queue, name, "the queue")
    for name in names:
        wire.publish(1, "", name, name.encode())
    confirmed(wire, len(names))
    equal(wire.get(1, names[-1]).body, names[-1].encode(), "the body")
    for name in names:
        wire.method(1, spec.Queue.Delete(queue=name))
    for name in names:
        wire.expect(1, spec.Queue.DeleteOk)


@behaviour("a durable queue keeps its count over all of its connections' ends")
def _(t):
    connection = t.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(delivery_mode=2))
    connection.close()
    equal(depth(t.channel(), queue), 1, "the messages")
