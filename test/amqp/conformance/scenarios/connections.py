"""Connections and channels: greeting, tuning, who may come in, heartbeats, closing."""

from pika import exceptions, spec
from pika import frame as frames
from pika.data import encode_table

from ..client import behaviour, get, refused
from ..scenario import Failure, equal, holds
from ..wire import CAPABILITIES, HEADER, long, raw_method, short


@behaviour("the greeting names product, version and every capability that clients look for")
def _(t):
    start = t.socket().start()
    said = start.server_properties
    holds({"product", "version", "platform", "capabilities"} <= set(said), f"it says {said}")
    for name in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                 "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
                 "authentication_failure_close", "per_consumer_qos", "direct_reply_to"):
        equal(said["capabilities"].get(name), True, name)
    equal((start.version_major, start.version_minor), (0, 9), "the version")


@behaviour("the greeting offers PLAIN and AMQPLAIN, and the locale en_US")
def _(t):
    start = t.socket().start()
    holds({b"PLAIN", b"AMQPLAIN"} <= set(start.mechanisms.split()), f"{start.mechanisms}")
    holds(b"en_US" in start.locales.split(), f"{start.locales}")


@behaviour("the proposal is 2,047 channels, frames of 128 KiB and a heartbeat of 60 seconds")
def _(t):
    wire = t.socket()
    wire.login()
    tune = wire.expect(0, spec.Connection.Tune)
    equal((tune.channel_max, tune.frame_max, tune.heartbeat), (2047, 131072, 60), "the proposal")


@behaviour("another protocol's header is answered with ours, and the socket closed")
def _(t):
    for header in (b"AMQP\x00\x00\x08\x00", b"AMQP\x01\x01\x00\x0a"):
        wire = t.socket()
        wire.send(header)
        equal(wire.receive_bytes()[:8], HEADER, f"the answer to {header}")
        wire.expect_end()


@behaviour("a client logs in with AMQPLAIN")
def _(t):
    wire = t.socket()
    wire.start()
    pieces = []
    encode_table(pieces, {"LOGIN": t.address.user, "PASSWORD": t.address.password})
    table = b"".join(pieces)
    pieces = []
    encode_table(pieces, {"capabilities": CAPABILITIES})
    wire.send(raw_method(0, 10, 11, b"".join(pieces) + short("AMQPLAIN") + long(table[4:])
                         + short("en_US")))
    wire.tune()
    wire.call(0, spec.Connection.Open(virtual_host=t.address.vhost), spec.Connection.OpenOk)


@behaviour("a wrong password closes the connection with 403")
def _(t):
    wire = t.socket()
    wire.login(password="wrong")
    close = wire.expect_close(403)
    holds(close.reply_text.startswith("ACCESS_REFUSED - Login was refused"), close.reply_text)
    try:
        t.connect(password="wrong")
    except exceptions.ProbableAuthenticationError:
        return
    raise Failure("pika was let in")


@behaviour("a wrong password ends the socket without a word for a client that knows no such close")
def _(t):
    wire = t.socket()
    wire.login(password="wrong", capabilities={})
    wire.expect_silent_end()


@behaviour("an unknown user is told the same as one with a wrong password")
def _(t):
    wire = t.socket()
    wire.login(user=t.name("nobody"))
    holds("Login was refused" in wire.expect_close(403).reply_text, "the text differs")


@behaviour("an unknown login mechanism ends the connection")
def _(t):
    wire = t.socket()
    wire.start()
    wire.method(0, spec.Connection.StartOk(client_properties={"capabilities": CAPABILITIES},
                                           mechanism="MAGIC", response="x", locale="en_US"))
    wire.expect_end()


@behaviour("an unknown vhost closes the connection with 530")
def _(t):
    wire = t.socket()
    wire.login()
    wire.tune()
    wire.method(0, spec.Connection.Open(virtual_host=t.name("nowhere")))
    close = wire.expect_close(530)
    equal((close.class_id, close.method_id), (10, 40), "the offending method")
    holds("not found" in close.reply_text, close.reply_text)


@behaviour("limits above or below what was proposed end the connection")
def _(t):
    for tune in ({"channel_max": 3000}, {"frame_max": 200_000}, {"frame_max": 100}):
        wire = t.socket()
        wire.login()
        wire.tune(**tune)
        wire.method(0, spec.Connection.Open(virtual_host=t.address.vhost))
        wire.expect_end()


@behaviour("commands before the login end the connection")
def _(t):
    wire = t.socket()
    wire.start()
    wire.method(1, spec.Channel.Open())
    wire.expect_end()


@behaviour("smaller frames are kept to")
def _(t):
    wire = t.wire(frame_max=8192)
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue)
    body = bytes(range(256)) * 100
    data = frames.Method(1, spec.Basic.Publish(routing_key=queue)).marshal()
    data += frames.Header(1, len(body), spec.BasicProperties()).marshal()
    for start in range(0, len(body), 8184):
        data += frames.Body(1, body[start:start + 8184]).marshal()
    wire.send(data)
    wire.get(1, queue)
    wire.method(1, spec.Basic.Get(queue=queue, no_ack=True))
    wire.expect(1, spec.Basic.GetOk)
    wire.receive()
    got = b""
    while len(got) < len(body):
        piece = wire.receive().fragment
        holds(len(wire.last_bytes) <= 8192, f"a frame of {len(wire.last_bytes)} bytes")
        got += piece
    equal(got, body, "the body")


@behaviour("a heartbeat comes within the time agreed on, to a client that says nothing")
def _(t):
    wire = t.wire(heartbeat=2)
    frame = wire.receive()
    holds(isinstance(frame, frames.Heartbeat), f"got {frame!r}")


@behaviour("a client that misses its heartbeats is closed")
def _(t):
    t.wire(heartbeat=1).expect_end()


@behaviour("a client that sends heartbeats and nothing else stays connected")
def _(t):
    wire = t.wire(heartbeat=1)
    for _ in range(6):
        frame = wire.receive()  # each of theirs is the event to send one of ours
        holds(isinstance(frame, frames.Heartbeat), f"got {frame!r}")
        wire.send(frames.Heartbeat().marshal())
    wire.channel()


@behaviour("a close is answered")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.call(0, spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk)


@behaviour("a close gives back what was delivered and not acknowledged")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"kept")
    wire = t.wire()
    wire.channel()
    wire.consume(1, queue)
    wire.expect_message(1)
    wire.call(0, spec.Connection.Close(200, "bye", 0, 0), spec.Connection.CloseOk)
    got = t.channel()
    t.until(lambda: got.queue_declare(queue, passive=True).method.message_count == 1,
            "the message is back")
    equal(get(got, queue).method.redelivered, True, "redelivered")


@behaviour("a socket that ends without a close gives back what was delivered")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"kept")
    wire = t.wire()
    wire.channel()
    wire.consume(1, queue)
    wire.expect_message(1)
    wire.close()
    t.until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 1,
            "the message is back")


@behaviour("a channel is opened, closed and opened again")
def _(t):
    wire = t.wire()
    for _ in range(3):
        wire.channel(7)
        wire.call(7, spec.Channel.Close(200, "bye", 0, 0), spec.Channel.CloseOk)
    wire.channel(7)


@behaviour("channel numbers count up to 2,047")
def _(t):
    wire = t.wire()
    wire.channel(2047)
    wire.channel(1)


@behaviour("deliveries of one channel number go on after an error closed another")
def _(t):
    one, other = t.channel(), t.channel()
    queue = t.queue(one)
    with refused(404):
        other.queue_declare(t.name("none"), passive=True)
    one.basic_publish("", queue, b"x")
    equal(get(one, queue).body, b"x", "the body")


@behaviour("a channel that the server closed hears nothing until close-ok")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.method(1, spec.Queue.Declare(queue=t.name("none"), passive=True))
    wire.expect(1, spec.Channel.Close)
    queue = t.name("q")
    wire.method(1, spec.Queue.Declare(queue=queue, exclusive=True))  # too late: nobody listens
    wire.method(1, spec.Channel.CloseOk())
    wire.channel()
    wire.method(1, spec.Queue.Declare(queue=queue, passive=True))
    wire.expect_channel_close(1, 404)


@behaviour("a second open of a channel closes the connection with 504")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.method(1, spec.Channel.Open())
    equal(wire.expect_close(504).class_id, 20, "the offending class")


@behaviour("a command on a channel that is not open closes the connection with 504")
def _(t):
    wire = t.wire()
    wire.method(3, spec.Queue.Declare(queue=t.name()))
    wire.expect_close(504)


@behaviour("a publish on a channel that the client closed closes the connection with 504")
def _(t):
    wire = t.wire()
    wire.channel()
    wire.call(1, spec.Channel.Close(200, "bye", 0, 0), spec.Channel.CloseOk)
    wire.publish(1, "", t.name(), b"x")
    wire.expect_close(504)


@behaviour("channel.flow may be active, and nothing else")
def _(t):
    wire = t.wire()
    wire.channel()
    equal(wire.call(1, spec.Channel.Flow(active=True), spec.Channel.FlowOk).active, True, "active")
    wire.method(1, spec.Channel.Flow(active=False))
    wire.expect_close(540)


@behaviour("access.request is granted, for clients of old")
def _(t):
    wire = t.wire()
    wire.channel()
    equal(wire.call(1, spec.Access.Request(realm="/data"), spec.Access.RequestOk).ticket, 1,
          "the ticket")


@behaviour("a connection's secret may be updated")
def _(t):
    wire = t.wire()
    wire.send(raw_method(0, 10, 70, long(t.address.password) + short("a new one")))
    try:
        answer = wire.receive().method.INDEX
    except KeyError as unknown:  # pika 1.2 does not know the answer's method
        answer = unknown.args[0]
    equal(answer, 10 << 16 | 71, "the answer's method")


@behaviour("a client may break off at any byte of its greeting")
def _(t):
    greeting = HEADER + frames.Method(0, spec.Connection.StartOk(
        client_properties={"capabilities": CAPABILITIES}, mechanism="PLAIN",
        response=f"\0{t.address.user}\0{t.address.password}", locale="en_US")).marshal()
    for length in range(0, len(greeting), 7):
        wire = t.socket()
        wire.send(greeting[:length])
        wire.close()
    t.wire().channel()


@behaviour("a hundred channels of one connection work side by side")
def _(t):
    wire = t.wire()
    for number in range(1, 101):
        wire.method(number, spec.Channel.Open())
    opened = {wire.receive().channel_number for _ in range(100)}  # the order is the server's
    equal(opened, set(range(1, 101)), "the channels")
    queue = wire.queue(1, t.name())
    for number in range(1, 101):
        wire.publish(number, "", queue, str(number).encode())
    wire.consume(1, queue, no_ack=True)
    got = {wire.expect_message(1).body for _ in range(100)}
    equal(len(got), 100, "different bodies")


@behaviour("a client that never reads is closed or paused, and others do not notice")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for _ in range(20):
        channel.basic_publish("", queue, b"x" * 500_000)
    deaf = t.wire()
    deaf.channel()
    deaf.method(1, spec.Basic.Consume(queue=queue, consumer_tag="deaf"))
    other = t.queue(channel, "other")
    channel.basic_publish("", other, b"fine")
    equal(get(channel, other).body, b"fine", "the body")


