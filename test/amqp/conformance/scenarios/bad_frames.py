"""Frames that no library sends: the right code, the right scope, and nothing else is harmed."""

import struct

from pika import frame as frames
from pika import spec

from ..client import behaviour
from ..scenario import equal
from ..wire import (BODY, CONTENT_HEADER, HEARTBEAT, METHOD, raw_frame, raw_header, raw_method,
                    short)

PING = raw_method(1, 20, 20, b"\x01")  # channel.flow, active


def opened(t, **tune):
    wire = t.wire(**tune)
    wire.channel()
    return wire


def begun(t):
    """A connection that is in the middle of a publish."""
    wire = opened(t)
    wire.method(1, spec.Basic.Publish(routing_key=t.name("nowhere")))
    return wire


@behaviour("a wrong frame end closes the connection with 501")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(METHOD, 1, struct.pack(">HHB", 20, 20, 1), end=b"\x00"))
    wire.expect_close(501)


@behaviour("a frame of an unknown type closes the connection with 501")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(7, 1, b"abc"))
    wire.expect_close(501)


@behaviour("a frame larger than agreed on closes the connection with 501")
def _(t):
    wire = opened(t)
    wire.send(struct.pack(">BHI", METHOD, 1, 200_000) + b"x" * 1000)
    wire.expect_close(501)


@behaviour("a method frame without room for a method closes the connection with 501")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(METHOD, 1, b"\x00"))
    wire.expect_close(501, 502)


@behaviour("a method with too few arguments closes the connection")
def _(t):
    wire = opened(t)
    wire.send(raw_method(1, 50, 10, b"\x00"))
    equal(wire.expect_close(501, 502).class_id, 50, "the offending class")


@behaviour("a method with too many arguments closes the connection")
def _(t):
    wire = opened(t)
    wire.send(raw_method(1, 20, 20, b"\x01\x02\x03"))
    wire.expect_close(501, 502)


@behaviour("a table that is no table ends the connection")
def _(t):
    wire = opened(t)
    table = struct.pack(">I", 5) + b"\x01aZ\x00\x00"
    wire.send(raw_method(1, 50, 10, b"\x00\x00" + short(t.name()) + b"\x00" + table))
    wire.expect_end()


@behaviour("an unknown method ends the connection")
def _(t):
    for class_id, method_id in ((50, 99), (99, 10)):
        wire = opened(t)
        wire.send(raw_method(1, class_id, method_id))
        wire.expect_end()


@behaviour("a method that only servers send closes the connection with 503")
def _(t):
    wire = opened(t)
    wire.send(raw_method(1, 50, 11, short("x") + bytes(8)))
    wire.expect_close(503)


@behaviour("a connection's method on a channel closes the connection with 503")
def _(t):
    wire = opened(t)
    wire.method(1, spec.Connection.Open(virtual_host="/"))
    wire.expect_close(503)


@behaviour("a channel's method on channel 0 closes the connection with 504")
def _(t):
    wire = opened(t)
    wire.method(0, spec.Channel.Open())
    wire.expect_close(503, 504)


@behaviour("a content header before its method closes the connection with 505")
def _(t):
    wire = opened(t)
    wire.send(raw_header(1, 1))
    wire.expect_close(505)


@behaviour("a body before its method closes the connection with 505")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(BODY, 1, b"x"))
    wire.expect_close(505)


@behaviour("a content header on channel 0 closes the connection with 505")
def _(t):
    wire = opened(t)
    wire.send(raw_header(0, 1))
    wire.expect_close(503, 504, 505)


@behaviour("a method where a content header belongs closes the connection with 505")
def _(t):
    wire = begun(t)
    wire.send(PING)
    close = wire.expect_close(505)
    equal((close.class_id, close.method_id), (60, 40), "the offending method")


@behaviour("a method where a body belongs closes the connection with 505")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 3) + PING)
    wire.expect_close(505)


@behaviour("a content header of another class closes the connection with 505")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 3, class_id=50))
    wire.expect_close(501, 505)


@behaviour("properties that are cut off close the connection")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 1, b"\x80\x00\xff") + raw_frame(BODY, 1, b"x"))
    wire.expect_close(501, 502, 541)


@behaviour("a body larger than announced closes the connection with 501", only="penstock")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 3) + raw_frame(BODY, 1, b"xxxxx"))
    wire.expect_close(501, 505)


@behaviour("a body larger than any message may be is refused before it comes", only="penstock")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 1 << 40))
    frame = wire.receive()
    equal(frame.method.reply_code in (311, 406, 501), True, f"{frame.method!r}: its code")


@behaviour("a body that never ends holds up nobody else")
def _(t):
    wire = begun(t)
    wire.send(raw_header(1, 1000) + raw_frame(BODY, 1, b"x" * 10))
    wire.channel(2)
    queue = wire.queue(2, t.name())
    wire.publish(2, "", queue, b"whole")
    equal(wire.get(2, queue).body, b"whole", "the body")


@behaviour("a publish that was cut off leaves no message")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    wire = opened(t)
    wire.method(1, spec.Basic.Publish(routing_key=queue))
    wire.send(raw_header(1, 1000) + raw_frame(BODY, 1, b"x" * 10))
    wire.channel(2)  # the server has read what came before
    wire.close()
    equal(channel.queue_declare(queue, passive=True).method.message_count, 0, "the messages")


@behaviour("a body in many small frames, some of them empty, is one body")
def _(t):
    wire = opened(t)
    queue = wire.queue(1, t.name())
    wire.method(1, spec.Basic.Publish(routing_key=queue))
    wire.send(raw_header(1, 50))
    for byte in range(50):
        wire.send(raw_frame(BODY, 1, b""))
        wire.send(raw_frame(BODY, 1, bytes([byte])))
    equal(wire.get(1, queue).body, bytes(range(50)), "the body")


@behaviour("publishes of two channels may come in alternating frames")
def _(t):
    wire = opened(t)
    wire.channel(2)
    queue = wire.queue(1, t.name())
    publish = spec.Basic.Publish(routing_key=queue)
    wire.method(1, publish)
    wire.method(2, publish)
    wire.send(raw_header(1, 2) + raw_header(2, 2))
    wire.send(raw_frame(BODY, 1, b"a") + raw_frame(BODY, 2, b"b"))
    wire.send(raw_frame(BODY, 2, b"B") + raw_frame(BODY, 1, b"A"))
    wire.channel(3)
    wire.consume(3, queue, no_ack=True)
    equal({wire.expect_message(3).body for _ in range(2)}, {b"aA", b"bB"}, "the bodies")


@behaviour("frames may come byte by byte")
def _(t):
    wire = opened(t)
    queue = t.name()
    declare = frames.Method(1, spec.Queue.Declare(queue=queue, exclusive=True)).marshal()
    for byte in declare + raw_frame(HEARTBEAT, 0, b""):
        wire.send(bytes([byte]))
    equal(wire.expect(1, spec.Queue.DeclareOk).queue, queue, "the queue")


@behaviour("a heartbeat on a channel closes the connection")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(HEARTBEAT, 1, b""))
    wire.expect_close(501, 503, 505)


@behaviour("a heartbeat with a payload closes the connection with 501")
def _(t):
    wire = opened(t)
    wire.send(raw_frame(HEARTBEAT, 0, b"abc"))
    wire.expect_close(501)


@behaviour("an immediate publish closes the connection with 540")
def _(t):
    wire = opened(t)
    wire.method(1, spec.Basic.Publish(routing_key=t.name(), immediate=True))
    wire.send(raw_header(1, 0))
    wire.expect_close(540)


@behaviour("a prefetch counted in bytes closes the connection with 540")
def _(t):
    wire = opened(t)
    wire.method(1, spec.Basic.Qos(prefetch_size=10))
    wire.expect_close(540)


@behaviour("a recover without requeue closes the connection with 540")
def _(t):
    wire = opened(t)
    wire.method(1, spec.Basic.Recover(requeue=False))
    wire.expect_close(540)


@behaviour("tables nested beyond reason end the connection or are taken whole")
def _(t):
    table = b""
    for _ in range(2000):
        table = b"\x01aF" + struct.pack(">I", len(table)) + table
    wire = opened(t)
    properties = struct.pack(">HI", 0x2000, len(table)) + table
    wire.method(1, spec.Basic.Publish(routing_key=t.name("nowhere")))
    wire.send(raw_frame(CONTENT_HEADER, 1, struct.pack(">HHQ", 60, 0, 0) + properties))
    other = t.wire()
    other.channel()
