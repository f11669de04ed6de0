"""What the scenarios that use pika share: connections that are closed, queues that are deleted."""

import contextlib
import time

import pika
from pika import exceptions

from .scenario import PATIENCE, Context, Failure, equal, holds, scenario
from .wire import Wire

DURABLE = pika.BasicProperties(delivery_mode=2)


def behaviour(name, **more):
    """A scenario of the suite `pika`; its function gets a Client."""
    return scenario("pika", name, **more)


class Inbox:
    """A consumer; its deliveries wait here until they are asked for."""

    def __init__(self, channel, queue, auto_ack=False, tag=None, **more):
        self.channel, self.queue = channel, queue
        self.waiting = []
        self.cancelled = False
        self.tag = channel.basic_consume(queue, self._take, auto_ack=auto_ack, consumer_tag=tag,
                                         **more)

    def _take(self, channel, method, properties, body):
        self.waiting.append(Got(method, properties, body))

    def _events(self, seconds):
        self.channel.connection.process_data_events(time_limit=seconds)

    def next(self, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while not self.waiting:
            left = end - time.monotonic()
            holds(left > 0, f"nothing was delivered within {seconds} s")
            self._events(left)
        return self.waiting.pop(0)

    def bodies(self, count):
        return [self.next().body for _ in range(count)]

    def nothing(self):
        """Nothing was delivered, and what was asked for before this has had its effect."""
        settled(self.channel, self.queue)
        self._events(0)
        equal([got.body for got in self.waiting], [], "what was delivered")


class Got:
    """A delivery, or what get brought."""

    def __init__(self, method, properties, body):
        self.method, self.properties, self.body = method, properties, body
        self.headers = properties.headers or {}
        self.tag = method.delivery_tag


def settled(channel, queue):
    """Two round trips through the queue: what it had to say before them has been said."""
    for _ in range(2):
        channel.queue_declare(queue, passive=True)


def get(channel, queue, auto_ack=True):
    method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
    return Got(method, properties, body) if method else None


def depth(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def drain(channel, queue):
    """The bodies of all that waits, in order."""
    bodies = []
    while got := get(channel, queue):
        bodies.append(got.body)
    return bodies


@contextlib.contextmanager
def refused(code, text=""):
    """What is inside closes the channel with this code; `text` is part of the reason."""
    try:
        yield
    except exceptions.ChannelClosedByBroker as closed:
        equal(closed.reply_code, code, "the reply code")
        holds(text in closed.reply_text, f"the reply text is {closed.reply_text!r}")
        return
    raise Failure(f"nothing was refused, expected {code}")


class Client(Context):
    """A scenario's own connection, its channels, and what it leaves behind deleted at the end."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._connection = None
        self._left = []  # (class, name)

    def connect(self, **parameters):
        address = self.address
        credentials = pika.PlainCredentials(parameters.pop("user", address.user),
                                            parameters.pop("password", address.password))
        parameters.setdefault("heartbeat", 0)
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            address.host, address.port, address.vhost, credentials,
            socket_timeout=PATIENCE, stack_timeout=PATIENCE, blocked_connection_timeout=PATIENCE,
            **parameters))
        self.cleanup.callback(lambda: connection.close() if connection.is_open else None)
        return connection

    @property
    def connection(self):
        if not self._connection:
            self._connection = self.connect()
        return self._connection

    def forget_connection(self):
        """The server was killed: the next channel is one of a new connection."""
        self._connection = None

    def channel(self, confirms=True):
        """A channel whose publishes are confirmed one by one, unless told otherwise."""
        channel = self.connection.channel()
        if confirms:
            channel.confirm_delivery()
        return channel

    def wire(self, **tune):
        return self.socket().open(**tune)

    def socket(self, patience=PATIENCE):
        wire = Wire(self.address, patience)
        self.cleanup.callback(wire.close)
        return wire

    def queue(self, channel, suffix="q", arguments=None, durable=True, **more):
        """Declares a queue of this scenario; its name."""
        name = self.name(suffix)
        self.leaves("queue", name)
        channel.queue_declare(name, durable=durable, arguments=arguments, **more)
        return name

    def exchange(self, channel, kind, suffix="x", **more):
        name = self.name(suffix)
        self.leaves("exchange", name)
        channel.exchange_declare(name, kind, **more)
        return name

    def leaves(self, what, name):
        """Deletes it when the scenario is over."""
        if not self._left:
            self.cleanup.callback(self._delete_all)
        self._left.append((what, name))
        return name

    def _delete_all(self):
        connection = self.connect()
        channel = connection.channel()
        for what, name in self._left:
            try:
                if what == "queue":
                    channel.queue_delete(name)
                else:
                    channel.exchange_delete(name)
            except exceptions.ChannelClosedByBroker:
                channel = connection.channel()  # somebody's exclusive queue goes by itself
        connection.close()
