"""Consumers: prefetch, turns, priorities, exclusiveness, cancelling from both sides."""

from pika import spec

from ..client import Inbox, behaviour, depth, refused, settled
from ..scenario import PATIENCE, Failure, equal, holds


def filled(t, channel, count, suffix="q", **more):
    """A queue with the bodies 0, 1, 2, ..."""
    queue = t.queue(channel, suffix, **more)
    fast = t.channel(confirms=False)
    for number in range(count):
        fast.basic_publish("", queue, str(number).encode())
    t.until(lambda: depth(fast, queue) == count, "all are there")
    fast.close()
    return queue


def numbers(inbox, count):
    return [int(body) for body in inbox.bodies(count)]


@behaviour("a consumer gets what waits and what comes, in order")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 3)
    inbox = Inbox(channel, queue)
    channel.basic_publish("", queue, b"3")
    equal(numbers(inbox, 4), [0, 1, 2, 3], "the order")


@behaviour("the server makes up a consumer's tag when it has none")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    tags = set()
    for _ in range(3):
        ok = wire.call(1, spec.Basic.Consume(queue=queue), spec.Basic.ConsumeOk)
        holds(ok.consumer_tag.startswith("amq.ctag-"), f"the tag is {ok.consumer_tag!r}")
        tags.add(ok.consumer_tag)
    equal(len(tags), 3, "different tags")


@behaviour("a tag in use closes the connection with 530, another channel may have the same")
def _(t):
    wire = t.wire()
    wire.channel(1)
    wire.channel(2)
    queue = wire.queue(1, t.name())
    wire.consume(1, queue, "same")
    wire.consume(2, queue, "same")
    wire.method(1, spec.Basic.Consume(queue=queue, consumer_tag="same"))
    wire.expect_close(530)


@behaviour("consuming from an unknown queue closes the channel with 404")
def _(t):
    with refused(404):
        Inbox(t.channel(), t.name("none"))


@behaviour("a consumer without acknowledging is not held up by its prefetch")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 50)
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel, queue, auto_ack=True)
    equal(numbers(inbox, 50), list(range(50)), "the order")
    equal(channel.queue_declare(queue, passive=True).method.message_count, 0, "left")


@behaviour("a prefetch holds for each consumer that comes after it")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 20)
    channel.basic_qos(prefetch_count=2)
    two = Inbox(channel, queue)
    channel.basic_qos(prefetch_count=3)
    three = Inbox(channel, queue)
    equal((numbers(two, 2), numbers(three, 3)), ([0, 1], [2, 3, 4]), "what each got")
    two.nothing()
    three.nothing()
    channel.basic_ack(2)
    equal(numbers(two, 1), [5], "what came after the acknowledging")
    three.nothing()


@behaviour("a global prefetch holds for the whole channel, gets included")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 20)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    one, two = Inbox(channel, queue), Inbox(channel, queue)
    settled(channel, queue)
    t.until(lambda: len(one.waiting) + len(two.waiting) >= 3, "three are here",
            lambda: channel.connection.process_data_events(0.01))
    settled(channel, queue)
    channel.connection.process_data_events(0)
    equal(len(one.waiting) + len(two.waiting), 3, "deliveries")
    channel.basic_ack(0, multiple=True)
    t.until(lambda: len(one.waiting) + len(two.waiting) >= 6, "three more are here",
            lambda: channel.connection.process_data_events(0.01))


@behaviour("a global prefetch can be raised while consumers run")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 20)
    channel.basic_qos(prefetch_count=2, global_qos=True)
    inbox = Inbox(channel, queue)
    equal(numbers(inbox, 2), [0, 1], "at first")
    inbox.nothing()
    channel.basic_qos(prefetch_count=5, global_qos=True)
    equal(numbers(inbox, 3), [2, 3, 4], "after it was raised")
    inbox.nothing()
    channel.basic_qos(prefetch_count=0, global_qos=True)
    equal(numbers(inbox, 15), list(range(5, 20)), "without a limit")


@behaviour("a global prefetch can be lowered while consumers run")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 20)
    channel.basic_qos(prefetch_count=4, global_qos=True)
    inbox = Inbox(channel, queue)
    equal(numbers(inbox, 4), [0, 1, 2, 3], "at first")
    channel.basic_qos(prefetch_count=2, global_qos=True)
    channel.basic_ack(2, multiple=True)
    inbox.nothing()
    channel.basic_ack(3)
    equal(numbers(inbox, 1), [4], "with one of two free")
    inbox.nothing()


@behaviour("a prefetch for consumers and a global one hold together")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 20)
    channel.basic_qos(prefetch_count=2)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    one = Inbox(channel, queue)
    equal(numbers(one, 2), [0, 1], "the first's share")
    two = Inbox(channel, queue)
    equal(numbers(two, 1), [2], "what is left of the channel's")
    one.nothing()
    two.nothing()


@behaviour("consumers with room take turns")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    inboxes = [Inbox(t.channel(), queue) for _ in range(3)]
    for number in range(30):
        channel.basic_publish("", queue, str(number).encode())
    t.until(lambda: sum(len(inbox.waiting) for inbox in inboxes) == 30, "all are delivered",
            lambda: channel.connection.process_data_events(0.01))
    equal([len(inbox.waiting) for inbox in inboxes], [10, 10, 10], "what each got")


@behaviour("a consumer with a higher priority gets everything while it has room")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_qos(prefetch_count=2)
    low = Inbox(channel, queue, arguments={"x-priority": -1})
    none = Inbox(channel, queue)
    high = Inbox(channel, queue, arguments={"x-priority": 5})
    for number in range(5):
        channel.basic_publish("", queue, str(number).encode())
    equal((numbers(high, 2), numbers(none, 2), numbers(low, 1)), ([0, 1], [2, 3], [4]), "shares")


@behaviour("a priority that is no number closes the channel with 406")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    with refused(406):
        Inbox(channel, queue, arguments={"x-priority": "first"})


@behaviour("an exclusive consumer shuts out others, with 403")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    first = Inbox(channel, queue, exclusive=True)
    with refused(403, "exclusive"):
        Inbox(t.channel(), queue)
    with refused(403):
        Inbox(t.channel(), queue, exclusive=True)
    channel.basic_cancel(first.tag)
    Inbox(channel, queue)
    with refused(403):
        Inbox(t.channel(), queue, exclusive=True)


@behaviour("after cancel-ok nothing is delivered, and what was delivered can be settled")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.consume(1, queue, "c")
    wire.publish(1, "", queue, b"one")
    one = wire.expect_message(1)
    equal(wire.call(1, spec.Basic.Cancel(consumer_tag="c"), spec.Basic.CancelOk).consumer_tag, "c",
          "the tag")
    wire.publish(1, "", queue, b"two")
    wire.method(1, spec.Basic.Ack(delivery_tag=one.method.delivery_tag))
    ok = wire.call(1, spec.Queue.Declare(queue=queue, passive=True), spec.Queue.DeclareOk)
    equal((ok.message_count, ok.consumer_count), (1, 0), "messages and consumers")


@behaviour("cancelling an unknown tag is not an error")
def _(t):
    wire = t.wire()
    wire.channel()
    equal(wire.call(1, spec.Basic.Cancel(consumer_tag="none"), spec.Basic.CancelOk).consumer_tag,
          "none", "the tag")


@behaviour("a consumer is told when its queue is deleted")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = t.queue(t.channel())
    wire.consume(1, queue, "mine")
    t.channel().queue_delete(queue)
    equal(wire.expect(1, spec.Basic.Cancel).consumer_tag, "mine", "the tag")
    wire.queue(1, t.name("channel is open"))


@behaviour("a consumer on the deleting channel is told, too")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.consume(1, queue, "mine")
    wire.method(1, spec.Queue.Delete(queue=queue))
    kinds = {type(wire.receive().method).__name__ for _ in range(2)}
    equal(kinds, {"Cancel", "DeleteOk"}, "what came")


@behaviour("a message delivered from a queue that was deleted can still be acknowledged")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue, b"x")
    tag = wire.get(1, queue, auto_ack=False).method.delivery_tag
    wire.call(1, spec.Queue.Delete(queue=queue), spec.Queue.DeleteOk)
    wire.method(1, spec.Basic.Ack(delivery_tag=tag))
    wire.queue(1, t.name("channel is open"))


@behaviour("no-local is not heeded")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.consume(1, queue, no_local=True)
    wire.publish(1, "", queue, b"my own")
    equal(wire.expect_message(1).body, b"my own", "the body")


@behaviour("a delivery names its consumer, its queue's exchange and key, and is new")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.call(1, spec.Queue.Bind(queue=queue, exchange="amq.topic", routing_key=queue),
              spec.Queue.BindOk)
    wire.consume(1, queue, "tag")
    wire.publish(1, "amq.topic", queue, b"x")
    got = wire.expect_message(1).method
    equal((got.consumer_tag, got.delivery_tag, got.redelivered, got.exchange, got.routing_key),
          ("tag", 1, False, "amq.topic", queue), "the delivery")


@behaviour("a slow consumer costs only itself")
def _(t):
    channel = t.channel()
    slow = t.wire()
    slow.channel()
    queue = filled(t, channel, 2000)
    slow.method(1, spec.Basic.Consume(queue=queue, consumer_tag="slow"))  # and never reads
    other = filled(t, channel, 100, "other")
    equal(numbers(Inbox(channel, other), 100), list(range(100)), "the other queue")


@behaviour("of a single-active-consumer queue one works, and the next takes over")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-single-active-consumer": True})
    first, second = t.channel(), t.channel()
    active, waiting = Inbox(first, queue), Inbox(second, queue)
    for number in range(4):
        channel.basic_publish("", queue, str(number).encode())
    equal(numbers(active, 4), [0, 1, 2, 3], "the active one's")
    waiting.nothing()
    first.close()
    equal(numbers(waiting, 4), [0, 1, 2, 3], "the next one's")


@behaviour("of a single-active-consumer queue a cancelled one keeps what it has, the next goes on")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-single-active-consumer": True})
    active, waiting = Inbox(t.channel(), queue), Inbox(t.channel(), queue)
    channel.basic_publish("", queue, b"0")
    got = active.next()
    active.channel.basic_cancel(active.tag)
    channel.basic_publish("", queue, b"1")
    equal(numbers(waiting, 1), [1], "the next one's")
    active.channel.basic_ack(got.tag)


@behaviour("a single-active-consumer queue refuses exclusive consumers, with 403")
def _(t):
    channel = t.channel()
    queue = t.queue(channel, arguments={"x-single-active-consumer": True})
    with refused(403):
        Inbox(channel, queue, exclusive=True)


@behaviour("a channel with many consumers on many queues gets from all of them")
def _(t):
    channel = t.channel()
    queues = [t.queue(channel, str(number)) for number in range(50)]
    inboxes = [Inbox(channel, queue) for queue in queues]
    for queue in queues:
        channel.basic_publish("", queue, queue.encode())
    for inbox in inboxes:
        equal(inbox.next().body, inbox.queue.encode(), "the body")


@behaviour("pika's own consume loop works, and its cancel gives back the rest")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 10)
    got = []
    for method, _, body in channel.consume(queue, inactivity_timeout=PATIENCE):
        if method is None:
            raise Failure("nothing was delivered")
        got.append(int(body))
        channel.basic_ack(method.delivery_tag)
        if len(got) == 4:
            break
    channel.cancel()
    equal(got, [0, 1, 2, 3], "what was worked on")
    other = t.channel()
    t.until(lambda: depth(other, queue) == 6, "the rest is back")
    equal(numbers(Inbox(other, queue), 6), list(range(4, 10)), "the rest")


@behaviour("pika is told of a deleted queue while it consumes")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    told = []
    channel.add_on_cancel_callback(lambda frame: told.append(frame.method.consumer_tag))
    inbox = Inbox(channel, queue)
    t.connect().channel().queue_delete(queue)
    t.until(lambda: told, "it was told", lambda: channel.connection.process_data_events(0.1))
    equal(told, [inbox.tag], "the tag")


@behaviour("basic.qos of a closed channel's consumers does not outlive it")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 3)
    limited = t.channel()
    limited.basic_qos(prefetch_count=1)
    Inbox(limited, queue).next()
    limited.close()
    equal(sorted(numbers(Inbox(channel, queue), 3)), [0, 1, 2], "all")


@behaviour("an unknown consume argument is not an error")
def _(t):
    channel = t.channel()
    queue = filled(t, channel, 1)
    equal(numbers(Inbox(channel, queue, arguments={"x-nobody-knows": 1}), 1), [0], "got")
