"""Publishing: confirms, returns, copies, who published, replies without a queue."""

import pika
from pika import exceptions, spec
from pika import frame as frames

from ..client import DURABLE, Inbox, behaviour, depth, drain, get, refused
from ..scenario import Failure, equal, holds


def confirmed(wire, count):
    """Waits for so many confirms; (tag, multiple) of each frame."""
    seen, sent = set(), []
    while len(seen) < count:
        ack = wire.expect(1, spec.Basic.Ack)
        sent.append((ack.delivery_tag, ack.multiple))
        if ack.multiple:
            seen |= set(range(1, ack.delivery_tag + 1))
        else:
            holds(ack.delivery_tag not in seen, f"{ack.delivery_tag} was confirmed twice")
            seen.add(ack.delivery_tag)
    equal(seen, set(range(1, count + 1)), "what was confirmed")
    return sent


@behaviour("confirms count from 1 on each channel, singly or up to a tag")
def _(t):
    wire = t.wire()
    wire.channel(confirms=True)
    queue = wire.queue(1, t.name())
    for _ in range(500):
        wire.publish(1, "", queue, b"x")
    confirmed(wire, 500)


@behaviour("persistent messages to a durable queue are confirmed")
def _(t):
    queue = t.queue(t.channel())
    wire = t.wire()
    wire.channel(confirms=True)
    for _ in range(200):
        wire.publish(1, "", queue, b"x", DURABLE)
    confirmed(wire, 200)


@behaviour("confirm.select twice is once; what came before it is not counted")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue, b"before")
    for _ in range(2):
        wire.call(1, spec.Confirm.Select(), spec.Confirm.SelectOk)
    wire.publish(1, "", queue, b"after")
    equal(wire.expect(1, spec.Basic.Ack).delivery_tag, 1, "the tag")


@behaviour("an unroutable message is confirmed, and lost")
def _(t):
    wire = t.wire()
    wire.channel(confirms=True)
    wire.publish(1, "", t.name("none"), b"x")
    equal(wire.expect(1, spec.Basic.Ack).delivery_tag, 1, "the tag")


@behaviour("a mandatory message that cannot be routed comes back before its confirm")
def _(t):
    wire = t.wire()
    wire.channel(confirms=True)
    properties = spec.BasicProperties(message_id="m", headers={"a": 1})
    wire.publish(1, "amq.direct", t.name("none"), b"body", properties, mandatory=True)
    back = wire.expect_message(1, spec.Basic.Return)
    equal((back.method.reply_code, back.method.reply_text), (312, "NO_ROUTE"), "the reason")
    equal((back.method.exchange, back.method.routing_key), ("amq.direct", t.name("none")),
          "where it was sent")
    equal((back.body, back.properties.message_id, back.headers), (b"body", "m", {"a": 1}),
          "what came back")
    equal(wire.expect(1, spec.Basic.Ack).delivery_tag, 1, "the tag")


@behaviour("a mandatory message comes back without confirms, too")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.publish(1, "", t.name("none"), b"", mandatory=True)
    equal(wire.expect_message(1, spec.Basic.Return).body, b"", "the body")


@behaviour("a mandatory message that can be routed does not come back")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", mandatory=True)
    equal(get(channel, queue).body, b"x", "the body")


@behaviour("a confirm follows a message into every queue that it was routed to")
def _(t):
    channel = t.channel()
    queues = [t.queue(channel, str(number)) for number in range(10)]
    for queue in queues:
        channel.queue_bind(queue, "amq.direct", t.name("key"))
    channel.basic_publish("amq.direct", t.name("key"), b"x", DURABLE)
    equal([depth(channel, queue) for queue in queues], [1] * 10, "the messages")


@behaviour("messages of one channel keep their order")
def _(t):
    wire = t.wire()
    wire.channel(confirms=True)
    queue = wire.queue(1, t.name())
    for number in range(1000):
        wire.publish(1, "", queue, str(number).encode())
    confirmed(wire, 1000)
    wire.consume(1, queue, no_ack=True)
    equal([int(wire.expect_message(1).body) for _ in range(1000)], list(range(1000)), "the order")


@behaviour("a message of many frames comes out as it went in")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    body = bytes(range(256)) * 4096 * 5  # 5 MiB, 40 frames
    channel.basic_publish("", queue, body, DURABLE)
    equal(get(channel, queue).body == body, True, "whether get brings it whole")
    inbox = Inbox(channel, queue)
    channel.basic_publish("", queue, body, DURABLE)
    equal(inbox.next().body == body, True, "whether a delivery brings it whole")


@behaviour("bodies of every length around a frame's end come out as they went in")
def _(t):
    wire = t.wire(frame_max=4096)
    wire.channel()
    queue = wire.queue(1, t.name())
    room = 4096 - 8
    for size in (0, 1, room - 1, room, room + 1, 2 * room - 1, 2 * room, 2 * room + 1):
        body = b"x" * size
        data = frames.Method(1, spec.Basic.Publish(routing_key=queue)).marshal()
        data += frames.Header(1, size, spec.BasicProperties()).marshal()
        for start in range(0, size, room):
            data += frames.Body(1, body[start:start + room]).marshal()
        wire.send(data)
        equal(wire.get(1, queue).body == body, True, f"a body of {size} bytes")


@behaviour("CC and BCC headers name further keys; BCC is taken out")
def _(t):
    channel = t.channel()
    one, two, three = (t.queue(channel, suffix) for suffix in ("one", "two", "three"))
    headers = {"CC": [two, one], "BCC": [three], "kept": True}
    channel.basic_publish("", one, b"x", pika.BasicProperties(headers=headers))
    for queue in (one, two, three):
        got = get(channel, queue)
        equal(got.body, b"x", "the body")
        equal(got.headers, {"CC": [two, one], "kept": True}, "the headers")
        equal(get(channel, queue), None, "a second copy")


@behaviour("a CC that is no list of texts closes the channel with 406")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    with refused(406):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(headers={"CC": 7}))


@behaviour("a user-id has to be one's own, or the channel is closed with 406")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(user_id=t.address.user))
    equal(get(channel, queue).properties.user_id, t.address.user, "the user")
    with refused(406, "user_id"):
        channel.basic_publish("", queue, b"x", pika.BasicProperties(user_id="somebody"))


@behaviour("an expiration that is no number closes the channel with 406")
def _(t):
    for wrong in ("soon", "-1", "", "1.5"):
        channel = t.channel()
        with refused(406, "expiration"):
            channel.basic_publish("amq.fanout", "", b"x", pika.BasicProperties(expiration=wrong))
            raise Failure(f"{wrong!r} was taken")


@behaviour("a reply finds its way without a queue")
def _(t):
    channel = t.channel()
    requests = t.queue(channel)
    asking = t.connect().channel()
    replies = Inbox(asking, "amq.rabbitmq.reply-to", auto_ack=True)
    asking.basic_publish("", requests, b"question", pika.BasicProperties(
        reply_to="amq.rabbitmq.reply-to", correlation_id="7"))
    working = Inbox(channel, requests)
    request = working.next()
    address = request.properties.reply_to
    holds(address.startswith("amq.rabbitmq.reply-to."), f"the address is {address!r}")
    channel.queue_declare(address, passive=True)
    channel.basic_publish("", address, b"answer", pika.BasicProperties(correlation_id="7"))
    reply = replies.next()
    equal((reply.body, reply.properties.correlation_id), (b"answer", "7"), "the reply")


@behaviour("a reply to one who is gone cannot be routed")
def _(t):
    channel = t.channel()
    requests = t.queue(channel)
    connection = t.connect()
    asking = connection.channel()
    Inbox(asking, "amq.rabbitmq.reply-to", auto_ack=True)
    asking.confirm_delivery()
    asking.basic_publish("", requests, b"question",
                         pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    address = get(channel, requests).properties.reply_to
    connection.close()
    with refused(404):
        t.channel().queue_declare(address, passive=True)
    try:
        channel.basic_publish("", address, b"answer", mandatory=True)
    except exceptions.UnroutableError:
        return
    raise Failure("somebody took it")


@behaviour("reply-to needs a consumer, that consumer no acknowledging, and there is one a channel")
def _(t):
    with refused(406):
        t.channel().basic_publish("", t.name(), b"x",
                                  pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    with refused(406):
        Inbox(t.channel(), "amq.rabbitmq.reply-to", auto_ack=False)
    channel = t.channel()
    Inbox(channel, "amq.rabbitmq.reply-to", auto_ack=True)
    with refused(406):
        Inbox(channel, "amq.rabbitmq.reply-to", auto_ack=True)


@behaviour("publishes without confirms and without waiting arrive in order")
def _(t):
    channel = t.channel(confirms=False)
    queue = t.queue(channel)
    for number in range(300):
        channel.basic_publish("", queue, str(number).encode())
    equal([int(body) for body in drain(channel, queue)], list(range(300)), "the order")


@behaviour("an error on a channel takes back no message that was confirmed")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x")
    with refused(404):
        channel.basic_publish(t.name("none"), "k", b"x")
    equal(depth(t.channel(), queue), 1, "the messages")
