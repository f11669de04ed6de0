"""A conversation frame by frame: what a client library hides, and what it would never send.

The codec is pika's; the socket and the order of things are the scenario's. Every wait ends.
"""

import socket
import struct

from pika import frame as frames
from pika import spec

from .scenario import PATIENCE, Failure, equal

CAPABILITIES = {"authentication_failure_close": True, "basic.nack": True,
                "connection.blocked": True, "consumer_cancel_notify": True,
                "publisher_confirms": True}
HEADER = b"AMQP\x00\x00\x09\x01"
END = b"\xce"
METHOD, CONTENT_HEADER, BODY, HEARTBEAT = 1, 2, 3, 8


class Closed(Failure):
    """The server ended the socket."""


def short(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def long(data):
    data = data if isinstance(data, bytes) else data.encode()
    return struct.pack(">I", len(data)) + data


def raw_frame(kind, channel, payload, end=END):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def raw_method(channel, class_id, method_id, arguments=b""):
    return raw_frame(METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def raw_header(channel, size, properties=b"\x00\x00", class_id=60):
    return raw_frame(CONTENT_HEADER, channel,
                     struct.pack(">HHQ", class_id, 0, size) + properties)


class Message:
    """A delivery, a return or what get brought: the method, properties and body."""

    def __init__(self, method, header, body):
        self.method, self.properties, self.body = method, header.properties, body
        self.headers = header.properties.headers or {}


class Wire:
    """One socket. Nothing is sent or read but what is asked for."""

    def __init__(self, address, patience=PATIENCE):
        self.address = address
        self.patience = patience
        self.socket = socket.create_connection((address.host, address.port), patience)
        self._input = b""
        self.last_bytes = b""  # of the frame that was received last

    def close(self):
        self.socket.close()

    # what goes out

    def send(self, data):
        self.socket.sendall(data)

    def method(self, channel, method):
        self.send(frames.Method(channel, method).marshal())

    def publish(self, channel, exchange, key, body=b"", properties=None, mandatory=False):
        """One publish in one piece, as most libraries write it."""
        publish = spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
        data = frames.Method(channel, publish).marshal()
        data += frames.Header(channel, len(body), properties or spec.BasicProperties()).marshal()
        for start in range(0, len(body), 100_000):
            data += frames.Body(channel, body[start:start + 100_000]).marshal()
        self.send(data)

    # what comes in

    def receive(self):
        """The next frame, or Closed; a server that says nothing is a failure."""
        while True:
            consumed, frame = frames.decode_frame(self._input)
            if consumed:
                self.last_bytes, self._input = self._input[:consumed], self._input[consumed:]
                return frame
            self._input += self.receive_bytes()

    def receive_bytes(self):
        """Whatever comes next, some of it at least."""
        self.socket.settimeout(self.patience)
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Failure(f"the server said nothing for {self.patience} s") from None
        except ConnectionError:
            data = b""
        if not data:
            raise Closed("the server closed the socket")
        return data

    def expect(self, channel, kind):
        """The next frame has to be this method on this channel; heartbeats do not count."""
        frame = self.receive()
        while isinstance(frame, frames.Heartbeat):
            frame = self.receive()
        if not isinstance(frame, frames.Method):
            raise Failure(f"expected {kind.NAME}, got {frame!r}")
        if not isinstance(frame.method, kind) or frame.channel_number != channel:
            raise Failure(f"expected {kind.NAME} on channel {channel}, got {frame.method!r} "
                          f"on channel {frame.channel_number}")
        return frame.method

    def expect_message(self, channel, kind=spec.Basic.Deliver):
        return self._content(self.expect(channel, kind))

    def _content(self, method):
        header = self.receive()
        if not isinstance(header, frames.Header):
            raise Failure(f"expected a content header, got {header!r}")
        body = b""
        while len(body) < header.body_size:
            body += self.receive().fragment
        return Message(method, header, body)

    def receive_raw(self):
        """The next frame's bytes, decoded by nobody."""
        while (len(self._input) < 7
               or len(self._input) < 8 + struct.unpack(">I", self._input[3:7])[0]):
            self._input += self.receive_bytes()
        length = 8 + struct.unpack(">I", self._input[3:7])[0]
        data, self._input = self._input[:length], self._input[length:]
        return data

    def expect_end(self):
        """The socket ends. A close before that is answered; whatever else comes does not count."""
        while True:
            try:
                frame = self.receive()
            except Closed:
                return
            if isinstance(getattr(frame, "method", None), spec.Connection.Close):
                self.method(0, spec.Connection.CloseOk())

    def expect_silent_end(self):
        """The socket ends, and nothing comes before that."""
        try:
            data = self.receive_bytes()
        except Closed:
            return
        raise Failure(f"expected the end, got {data!r}")

    def expect_close(self, *codes):
        """The server closes the connection for this reason; the method, answered."""
        close = self.expect(0, spec.Connection.Close)
        if close.reply_code not in codes:
            raise Failure(f"closed with {close.reply_code} {close.reply_text!r}, expected {codes}")
        self.method(0, spec.Connection.CloseOk())
        return close

    def expect_channel_close(self, channel, *codes):
        """The server closes this channel only; the method, answered."""
        close = self.expect(channel, spec.Channel.Close)
        if close.reply_code not in codes:
            raise Failure(f"closed with {close.reply_code} {close.reply_text!r}, expected {codes}")
        self.method(channel, spec.Channel.CloseOk())
        return close

    # what is always the same

    def call(self, channel, method, answer):
        self.method(channel, method)
        return self.expect(channel, answer)

    def start(self):
        """The greeting; the server's connection.start."""
        self.send(HEADER)
        return self.expect(0, spec.Connection.Start)

    def login(self, user=None, password=None, capabilities=None):
        """Greets and says who it is, without waiting for what the server says to that."""
        self.start()
        user, password = user or self.address.user, password or self.address.password
        self.method(0, spec.Connection.StartOk(
            client_properties={"capabilities": CAPABILITIES if capabilities is None
                               else capabilities},
            mechanism="PLAIN", response=f"\0{user}\0{password}", locale="en_US"))

    def tune(self, channel_max=2047, frame_max=131072, heartbeat=0):
        """Answers the server's proposal with this; the proposal."""
        tune = self.expect(0, spec.Connection.Tune)
        self.method(0, spec.Connection.TuneOk(channel_max=channel_max, frame_max=frame_max,
                                              heartbeat=heartbeat))
        return tune

    def open(self, **tune):
        """Everything up to an open connection; itself."""
        self.login()
        self.tune(**tune)
        self.call(0, spec.Connection.Open(virtual_host=self.address.vhost),
                  spec.Connection.OpenOk)
        return self

    def channel(self, number=1, confirms=False):
        self.call(number, spec.Channel.Open(), spec.Channel.OpenOk)
        if confirms:
            self.call(number, spec.Confirm.Select(), spec.Confirm.SelectOk)
        return number

    def queue(self, channel, name, arguments=None, **more):
        """Declares an exclusive queue, which goes with the connection."""
        more.setdefault("exclusive", True)
        ok = self.call(channel, spec.Queue.Declare(queue=name, arguments=arguments, **more),
                       spec.Queue.DeclareOk)
        return ok.queue

    def consume(self, channel, queue, tag="c", **more):
        self.call(channel, spec.Basic.Consume(queue=queue, consumer_tag=tag, **more),
                  spec.Basic.ConsumeOk)

    def get(self, channel, queue, auto_ack=True):
        """The message, or None when the queue has none."""
        self.method(channel, spec.Basic.Get(queue=queue, no_ack=auto_ack))
        frame = self.receive()
        if isinstance(frame.method, spec.Basic.GetEmpty):
            return None
        equal(type(frame.method), spec.Basic.GetOk, "the answer to basic.get")
        return self._content(frame.method)
