"""Transactions: publishes and settles that happen together or not at all."""

from pika import spec

from ..client import DURABLE, behaviour, depth, drain, get, refused
from ..scenario import equal
from .consuming import filled


def transaction(t):
    channel = t.channel(confirms=False)
    channel.tx_select()
    return channel


@behaviour("nothing of a transaction is seen before its commit")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = t.queue(other)
    channel.basic_publish("", queue, b"x", DURABLE)
    equal(depth(channel, queue), 0, "the messages")
    channel.tx_commit()
    equal(depth(other, queue), 1, "the messages")


@behaviour("a commit publishes to several queues")
def _(t):
    channel, other = transaction(t), t.channel()
    queues = [t.queue(other, str(number)) for number in range(5)]
    for queue in queues:
        for body in (b"a", b"b"):
            channel.basic_publish("", queue, body, DURABLE)
    channel.tx_commit()
    for queue in queues:
        equal(drain(other, queue), [b"a", b"b"], queue)


@behaviour("a rollback forgets publishes and settles")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = filled(t, other, 1)
    got = get(channel, queue, auto_ack=False)
    channel.basic_publish("", queue, b"never", DURABLE)
    channel.basic_ack(got.tag)
    channel.tx_rollback()
    equal(depth(other, queue), 0, "ready messages")
    channel.basic_ack(got.tag)  # it is still out, so it can be settled once more
    channel.tx_commit()
    channel.close()
    equal(depth(other, queue), 0, "the messages")


@behaviour("a settle counts with its commit")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = filled(t, other, 2)
    for _ in range(2):
        channel.basic_ack(get(channel, queue, auto_ack=False).tag)
    channel.tx_commit()
    channel.close()
    equal(depth(other, queue), 0, "the messages")


@behaviour("a channel that closes in a transaction rolls it back")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = filled(t, other, 1)
    channel.basic_ack(get(channel, queue, auto_ack=False).tag)
    channel.basic_publish("", queue, b"never")
    channel.close()
    t.until(lambda: depth(other, queue) == 1, "the message is back")
    equal(drain(other, queue), [b"0"], "the messages")


@behaviour("a consume-and-publish transaction moves a message whole")
def _(t):
    channel, other = transaction(t), t.channel()
    source, target = filled(t, other, 3), t.queue(other, "target")
    for _ in range(3):
        got = get(channel, source, auto_ack=False)
        channel.basic_publish("", target, got.body, DURABLE)
        channel.basic_ack(got.tag)
        channel.tx_commit()
    equal((depth(other, source), drain(other, target)), (0, [b"0", b"1", b"2"]), "the messages")


@behaviour("a transaction follows a transaction without a further select")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = t.queue(other)
    channel.basic_publish("", queue, b"a")
    channel.tx_commit()
    channel.basic_publish("", queue, b"b")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"c")
    channel.tx_commit()
    equal(drain(other, queue), [b"a", b"c"], "the messages")


@behaviour("a refused settle in a transaction gives back at the commit")
def _(t):
    channel, other = transaction(t), t.channel()
    queue = filled(t, other, 1)
    channel.basic_nack(get(channel, queue, auto_ack=False).tag)
    equal(depth(other, queue), 0, "before the commit")
    channel.tx_commit()
    t.until(lambda: depth(other, queue) == 1, "it is back")


@behaviour("a mandatory message comes back at the commit")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.call(1, spec.Tx.Select(), spec.Tx.SelectOk)
    wire.publish(1, "", t.name("none"), b"x", mandatory=True)
    wire.method(1, spec.Tx.Commit())
    equal(wire.expect_message(1, spec.Basic.Return).body, b"x", "what came back")
    wire.expect(1, spec.Tx.CommitOk)


@behaviour("commit and rollback outside of a transaction close the channel with 406")
def _(t):
    for end in (lambda c: c.tx_commit(), lambda c: c.tx_rollback()):
        with refused(406, "not transactional"):
            end(t.channel(confirms=False))


@behaviour("confirms and transactions exclude each other, with 406")
def _(t):
    for first, ok, second in ((spec.Confirm.Select(), spec.Confirm.SelectOk, spec.Tx.Select()),
                              (spec.Tx.Select(), spec.Tx.SelectOk, spec.Confirm.Select())):
        wire = t.wire()
        wire.channel()
        wire.call(1, first, ok)
        wire.method(1, second)
        wire.expect_channel_close(1, 406)
