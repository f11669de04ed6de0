"""Properties and header tables: what goes in comes out, every type and width of it."""

import datetime
import decimal
import struct

import pika
from pika import spec

from ..client import behaviour, get
from ..scenario import equal
from ..wire import BODY, raw_frame, raw_header

ALL = {"content_type": "text/plain", "content_encoding": "utf-8", "delivery_mode": 2,
       "priority": 7, "correlation_id": "correlation", "reply_to": "reply", "expiration": "60000",
       "message_id": "message", "timestamp": 1700000000, "type": "kind", "user_id": "guest",
       "app_id": "app", "cluster_id": "cluster"}


@behaviour("every property comes out as it went in")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers={"a": 1}, **ALL))
    got = get(channel, queue).properties
    equal({name: getattr(got, name) for name in ALL}, ALL, "the properties")
    equal(got.headers, {"a": 1}, "the headers")


@behaviour("each property alone comes out alone")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    for name, value in {**ALL, "headers": {"a": 1}}.items():
        channel.basic_publish("", queue, b"x", pika.BasicProperties(**{name: value}))
        got = get(channel, queue).properties
        equal({key: getattr(got, key) for key in (*ALL, "headers")
               if getattr(got, key) is not None}, {name: value}, "the properties")


@behaviour("a message without properties has none")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    wire.publish(1, "", queue, b"x")
    wire.get(1, queue)
    wire.publish(1, "", queue, b"")
    equal(wire.get(1, queue).properties.headers, None, "the headers")
    equal(wire.last_bytes, raw_header(1, 0), "the content header")


@behaviour("headers of pika's types come out as they went in")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    headers = {
        "text": "grüße 👋", "empty": "", "bytes": b"\x00\xff", "yes": True, "no": False,
        "small": -7, "large": 1 << 40, "none": None,
        "decimal": decimal.Decimal("3.14"),
        "time": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "list": [1, "two", [3, {"four": 5}], None, True],
        "table": {"a": {"b": {"c": [{}]}}}, "": "a header may have no name",
    }
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers=headers))
    equal(get(channel, queue).headers, headers, "the headers")


def values():
    """One of every type, as on the wire."""
    text = b"text"
    return {
        b"t": b"\x01", b"b": b"\x80", b"B": b"\xff", b"s": b"\x80\x01", b"u": b"\xff\xfe",
        b"I": b"\x80\x00\x00\x01", b"i": b"\xff\x00\x00\x01", b"l": bytes(7) + b"\x05",
        b"f": struct.pack(">f", 1.5), b"d": struct.pack(">d", 0.1),
        b"D": b"\x02" + struct.pack(">I", 314), b"S": struct.pack(">I", len(text)) + text,
        b"x": struct.pack(">I", 3) + b"\x00\xff\x01", b"T": struct.pack(">Q", 1700000000),
        b"A": struct.pack(">I", 4) + b"t\x01t\x00", b"F": struct.pack(">I", 4) + b"\x01at\x01",
        b"V": b"",
    }


def with_table(wire, queue, table):
    """Publishes with these bytes as headers; the content header that get brings."""
    properties = struct.pack(">HI", 0x2000, len(table)) + table
    wire.method(1, spec.Basic.Publish(routing_key=queue))
    wire.send(raw_header(1, 1, properties) + raw_frame(BODY, 1, b"x"))
    wire.method(1, spec.Basic.Get(queue=queue, no_ack=True))
    wire.expect(1, spec.Basic.GetOk)
    header = wire.receive_raw()
    equal(wire.receive_raw()[7:-1], b"x", "the body")
    return header[7 + 12:-1], properties


@behaviour("header tables of every type come out byte by byte as they went in")
def _(t):
    wire = t.wire()
    wire.channel()
    queue = wire.queue(1, t.name())
    whole = b""
    for letter, value in values().items():
        entry = b"\x01" + letter + letter + value
        got, sent = with_table(wire, queue, entry)
        equal(got, sent, f"the properties with a value of type {letter}")
        whole += entry
    got, sent = with_table(wire, queue, whole)
    equal(got, sent, "the properties with all of them")


@behaviour("a table survives a dead letter's change of headers")
def _(t):
    channel = t.channel()
    letters = t.queue(channel, "letters")
    queue = t.queue(channel, arguments={"x-dead-letter-exchange": "",
                                        "x-dead-letter-routing-key": letters})
    headers = {"list": [1, "two", [3]], "time": datetime.datetime(2026, 1, 2), "none": None,
               "table": {"a": {"b": True}}, "bytes": b"\x00"}
    channel.basic_publish("", queue, b"x", pika.BasicProperties(
        headers=headers, **{**ALL, "expiration": None}))
    channel.basic_reject(get(channel, queue, auto_ack=False).tag, requeue=False)
    t.until(lambda: channel.queue_declare(letters, passive=True).method.message_count == 1,
            "the dead letter is there")
    got = get(channel, letters)
    equal({key: got.headers.get(key) for key in headers}, headers, "the headers")
    equal({name: getattr(got.properties, name) for name in ALL},
          {**ALL, "expiration": None}, "the properties")


@behaviour("headers of many kilobytes come out as they went in")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    headers = {f"header {number}": "x" * 100 for number in range(500)}
    channel.basic_publish("", queue, b"x", pika.BasicProperties(headers=headers))
    equal(get(channel, queue).headers, headers, "the headers")


@behaviour("texts of 255 bytes fit in every property")
def _(t):
    channel = t.channel()
    queue = t.queue(channel)
    texts = {name: "x" * 255 for name in ALL
             if name not in ("delivery_mode", "priority", "timestamp", "user_id", "expiration")}
    channel.basic_publish("", queue, b"x", pika.BasicProperties(**texts))
    got = get(channel, queue).properties
    equal({name: getattr(got, name) for name in texts}, texts, "the properties")
