"""Exchanges: their kinds, what they refuse, alternates, bindings to each other."""

import pika
from pika import exceptions

from ..client import behaviour, depth, drain, get, refused
from ..scenario import Failure, equal


def bound(t, channel, exchange, suffix, key="", arguments=None):
    """A queue that is bound so."""
    queue = t.queue(channel, suffix)
    channel.queue_bind(queue, exchange, key, arguments)
    return queue


def returned(channel, exchange, key, **properties):
    """Whether a mandatory publish comes back."""
    try:
        channel.basic_publish(exchange, key, b"x", pika.BasicProperties(**properties),
                              mandatory=True)
    except exceptions.UnroutableError:
        return True
    return False


@behaviour("the exchanges that every server has are there")
def _(t):
    channel = t.channel()
    for name, kind in (("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"),
                       ("amq.headers", "headers"), ("amq.match", "headers")):
        channel.exchange_declare(name, passive=True)
        channel.exchange_declare(name, kind, durable=True)


@behaviour("a direct exchange routes by equal keys, each queue once")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct")
    one = bound(t, channel, exchange, "one", "a")
    two = bound(t, channel, exchange, "two", "a")
    channel.queue_bind(two, exchange, "b")
    channel.queue_bind(two, exchange, "a", {"another": "binding"})
    for key in ("a", "b", "A", ""):
        channel.basic_publish(exchange, key, key.encode())
    equal(drain(channel, one), [b"a"], "one")
    equal(drain(channel, two), [b"a", b"b"], "two")


@behaviour("a fanout exchange routes to every queue, whatever the key")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "fanout")
    queues = [bound(t, channel, exchange, f"q{number}", f"key{number}") for number in range(3)]
    channel.basic_publish(exchange, "anything", b"x")
    for queue in queues:
        equal(drain(channel, queue), [b"x"], queue)


TOPICS = {
    "a.b.c": ("a.b.c", "a.*.c", "*.b.*", "#", "a.#", "#.c", "a.#.c", "#.b.#", "a.b.c.#", "*.*.*",
              "#.a.b.c", "a.#.#.c", "#.#"),
    "a": ("a", "*", "#", "a.#", "#.a", "*.#", "#.*"),
    "": ("#", "", "#.#"),
    "a.b": ("a.b", "a.*", "*.b", "*.*", "#", "a.#", "#.b", "*.#", "a.#.b", "#.a.#.b.#"),
    "a..b": ("a..b", "a.*.b", "#", "a.#.b", "a.#"),
    ".": (".", "*.*", "#"),
    "*": ("*", "#"),
    "a.#": ("a.*", "a.#", "#"),
}
PATTERNS = sorted({pattern for patterns in TOPICS.values() for pattern in patterns}
                  | {"b", "a.b.c.d", "*.*.*.*", "a.*.b.*", "b.#", "#.b.c.d", "A.b.c"})


def topic_matches(pattern, key):
    """The rule, once more and simply: * is one word, # is any number of them."""
    def match(want, have):
        if not want:
            return not have
        if want[0] == "#":
            return any(match(want[1:], have[skip:]) for skip in range(len(have) + 1))
        return bool(have) and want[0] in ("*", have[0]) and match(want[1:], have[1:])
    return match(pattern.split(".") if pattern else [], key.split(".") if key else [])


@behaviour("a topic exchange routes by words: * is one, # is any number")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic")
    queues = {pattern: bound(t, channel, exchange, f"q{number}", pattern)
              for number, pattern in enumerate(PATTERNS)}
    for key in TOPICS:
        channel.basic_publish(exchange, key, key.encode())
    for pattern, queue in queues.items():
        equal(sorted(drain(channel, queue)),
              sorted(key.encode() for key in TOPICS if topic_matches(pattern, key)),
              f"what matches {pattern!r}")


@behaviour("a queue that matches several patterns gets a message once")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic")
    queue = bound(t, channel, exchange, "q", "a.#")
    channel.queue_bind(queue, exchange, "#.b")
    channel.queue_bind(queue, exchange, "*.*")
    channel.basic_publish(exchange, "a.b", b"x")
    equal(drain(channel, queue), [b"x"], "the queue")


@behaviour("one pattern can be unbound, and the others stay")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "topic")
    queue = bound(t, channel, exchange, "q", "a.#")
    channel.queue_bind(queue, exchange, "a.*.c")
    channel.queue_bind(queue, exchange, "b.#")
    channel.queue_unbind(queue, exchange, "a.#")
    for key in ("a.b", "a.b.c", "b"):
        channel.basic_publish(exchange, key, key.encode())
    equal(drain(channel, queue), [b"a.b.c", b"b"], "the queue")


def heads(headers):
    return pika.BasicProperties(headers=headers)


@behaviour("a headers exchange with x-match all wants every header equal")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "headers")
    queue = bound(t, channel, exchange, "q", "", {"x-match": "all", "a": 1, "b": "two"})
    default = bound(t, channel, exchange, "default", "", {"a": 1, "b": "two"})
    for body, headers in ((b"both", {"a": 1, "b": "two"}), (b"more", {"a": 1, "b": "two", "c": 3}),
                          (b"one", {"a": 1}), (b"other", {"a": 1, "b": "three"}),
                          (b"type", {"a": "1", "b": "two"}), (b"none", None)):
        channel.basic_publish(exchange, "ignored", body, heads(headers))
    for name in (queue, default):
        equal(drain(channel, name), [b"both", b"more"], name)


@behaviour("a headers exchange with x-match any wants one header equal")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "headers")
    queue = bound(t, channel, exchange, "q", "", {"x-match": "any", "a": 1, "b": "two"})
    for body, headers in ((b"both", {"a": 1, "b": "two"}), (b"one", {"a": 1, "b": "no"}),
                          (b"other", {"b": "two"}), (b"neither", {"a": 2}), (b"none", None)):
        channel.basic_publish(exchange, "", body, heads(headers))
    equal(drain(channel, queue), [b"both", b"one", b"other"], "the queue")


@behaviour("a binding's header without a value asks only whether the header is there")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "headers")
    queue = bound(t, channel, exchange, "q", "", {"x-match": "all", "a": None})
    channel.basic_publish(exchange, "", b"there", heads({"a": "whatever"}))
    channel.basic_publish(exchange, "", b"absent", heads({"b": 1}))
    equal(drain(channel, queue), [b"there"], "the queue")


@behaviour("x-match all and any leave out headers that begin with x-")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "headers")
    every = bound(t, channel, exchange, "all", "", {"x-match": "all", "a": 1, "x-b": 2})
    some = bound(t, channel, exchange, "any", "", {"x-match": "any", "a": 1, "x-b": 2})
    channel.basic_publish(exchange, "", b"a", heads({"a": 1}))
    channel.basic_publish(exchange, "", b"x-b", heads({"x-b": 2}))
    equal(drain(channel, every), [b"a"], "all")
    equal(drain(channel, some), [b"a"], "any")


@behaviour("x-match all-with-x and any-with-x count headers that begin with x-")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "headers")
    every = bound(t, channel, exchange, "all", "", {"x-match": "all-with-x", "a": 1, "x-b": 2})
    some = bound(t, channel, exchange, "any", "", {"x-match": "any-with-x", "a": 1, "x-b": 2})
    channel.basic_publish(exchange, "", b"a", heads({"a": 1}))
    channel.basic_publish(exchange, "", b"x-b", heads({"x-b": 2}))
    channel.basic_publish(exchange, "", b"both", heads({"a": 1, "x-b": 2}))
    equal(drain(channel, every), [b"both"], "all")
    equal(drain(channel, some), [b"a", b"x-b", b"both"], "any")


@behaviour("an x-match that nobody knows closes the channel with 406")
def _(t):
    channel = t.channel()
    exchange, queue = t.exchange(channel, "headers"), t.queue(channel)
    with refused(406):
        channel.queue_bind(queue, exchange, "", {"x-match": "most"})


@behaviour("a publish to an unknown exchange closes the channel with 404")
def _(t):
    with refused(404, "no exchange"):
        channel = t.channel()
        channel.basic_publish(t.name("none"), "k", b"x")
        raise Failure("it was confirmed")


@behaviour("a passive declare of an unknown exchange closes the channel with 404")
def _(t):
    with refused(404, "no exchange"):
        t.channel().exchange_declare(t.name("none"), passive=True)


@behaviour("an exchange declared again has to be the same, or it is 406")
def _(t):
    exchange = t.exchange(t.channel(), "direct", durable=True)
    t.channel().exchange_declare(exchange, "direct", durable=True)
    for kind, more in (("fanout", {"durable": True}), ("direct", {"durable": False}),
                       ("direct", {"durable": True, "auto_delete": True}),
                       ("direct", {"durable": True, "internal": True}),
                       ("direct", {"durable": True,
                                   "arguments": {"alternate-exchange": "amq.fanout"}})):
        with refused(406, "inequivalent arg"):
            t.channel().exchange_declare(exchange, kind, **more)


@behaviour("an exchange of an unknown kind closes the connection with 503")
def _(t):
    channel = t.connect().channel()
    try:
        channel.exchange_declare(t.name("x"), "x-nobody-knows")
    except exceptions.ConnectionClosedByBroker as closed:
        equal(closed.reply_code, 503, "the reply code")
        return
    raise Failure("it was declared")


@behaviour("exchanges' names that begin with amq. are reserved, and the default one, too: 403")
def _(t):
    with refused(403):
        t.channel().exchange_declare("amq." + t.name(), "direct")
    for name in ("", "amq.direct"):
        with refused(403):
            t.channel().exchange_delete(name)


@behaviour("deleting an exchange takes its bindings along; an unknown one is not an error")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "fanout")
    queue = bound(t, channel, exchange, "q")
    channel.exchange_delete(exchange)
    channel.exchange_delete(exchange)
    channel.exchange_declare(exchange, "fanout")
    equal(returned(channel, exchange, ""), True, "returned")
    equal(depth(channel, queue), 0, "the messages")


@behaviour("delete if-unused of an exchange with bindings is refused with 406")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "fanout")
    queue = bound(t, channel, exchange, "q")
    with refused(406, "in use"):
        t.channel().exchange_delete(exchange, if_unused=True)
    channel.queue_unbind(queue, exchange, "")
    channel.exchange_delete(exchange, if_unused=True)


@behaviour("binding to or from what is not there closes the channel with 404")
def _(t):
    queue = t.queue(t.channel())
    with refused(404, "no exchange"):
        t.channel().queue_bind(queue, t.name("none"), "k")
    with refused(404, "no queue"):
        t.channel().queue_bind(t.name("none"), "amq.direct", "k")
    with refused(404):
        t.channel().exchange_bind(t.name("none"), "amq.direct", "k")


@behaviour("unbinding what is not bound is not an error")
def _(t):
    channel = t.channel()
    channel.queue_unbind(t.queue(channel), "amq.direct", "never bound")


@behaviour("deleting a queue takes its bindings along")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct")
    queue = bound(t, channel, exchange, "q", "k")
    equal(returned(channel, exchange, "k"), False, "returned")
    channel.queue_delete(queue)
    equal(returned(channel, exchange, "k"), True, "returned")


@behaviour("what an exchange cannot route goes to its alternate exchange")
def _(t):
    channel = t.channel()
    spare = t.exchange(channel, "fanout", "spare")
    exchange = t.exchange(channel, "direct", arguments={"alternate-exchange": spare})
    known, unknown = bound(t, channel, exchange, "q", "k"), bound(t, channel, spare, "unknown")
    equal(returned(channel, exchange, "k"), False, "returned")
    equal(returned(channel, exchange, "strange"), False, "returned")
    equal((depth(channel, known), depth(channel, unknown)), (1, 1), "the messages")


@behaviour("alternate exchanges form a chain, and a ring of them ends")
def _(t):
    channel = t.channel()
    one, two = t.name("one"), t.name("two")
    t.exchange(channel, "direct", "one", arguments={"alternate-exchange": two})
    t.exchange(channel, "direct", "two", arguments={"alternate-exchange": one})
    queue = bound(t, channel, two, "q", "k")
    equal(returned(channel, one, "k"), False, "returned")
    equal(returned(channel, one, "strange"), True, "returned")
    equal(depth(channel, queue), 1, "the messages")


@behaviour("an alternate exchange that is not there loses what it would get, or returns it")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct", arguments={"alternate-exchange": t.name("none")})
    equal(returned(channel, exchange, "k"), True, "returned")


@behaviour("nobody publishes to an internal exchange, but others route to it")
def _(t):
    channel = t.channel()
    inner = t.exchange(channel, "fanout", "inner", internal=True)
    outer = t.exchange(channel, "fanout", "outer")
    channel.exchange_bind(inner, outer)
    queue = bound(t, channel, inner, "q")
    channel.basic_publish(outer, "", b"x")
    equal(get(channel, queue).body, b"x", "the body")
    with refused(403, "internal"):
        channel.basic_publish(inner, "", b"x")


@behaviour("an auto-delete exchange goes with its last binding")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct", auto_delete=True)
    queue = bound(t, channel, exchange, "q", "a")
    channel.queue_bind(queue, exchange, "b")
    channel.queue_unbind(queue, exchange, "a")
    channel.exchange_declare(exchange, passive=True)
    channel.queue_unbind(queue, exchange, "b")
    with refused(404):
        channel.exchange_declare(exchange, passive=True)


@behaviour("an auto-delete exchange goes with the last queue that was bound to it")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct", auto_delete=True)
    channel.queue_delete(bound(t, channel, exchange, "q", "a"))
    with refused(404):
        channel.exchange_declare(exchange, passive=True)


@behaviour("an exchange routes to another by a key or by a pattern, and each queue gets one copy")
def _(t):
    channel = t.channel()
    source, middle = t.exchange(channel, "topic", "source"), t.exchange(channel, "direct", "middle")
    channel.exchange_bind(middle, source, "a.#")
    queue = bound(t, channel, middle, "q", "a.b")
    channel.queue_bind(queue, source, "a.*")
    for key in ("a.b", "a.c", "a.b.c", "b"):
        channel.basic_publish(source, key, key.encode())
    equal(drain(channel, queue), [b"a.b", b"a.c"], "the queue")
    channel.exchange_unbind(middle, source, "a.#")
    channel.queue_unbind(queue, source, "a.*")
    equal(returned(channel, source, "a.b"), True, "returned")


@behaviour("exchanges bound in a ring route once")
def _(t):
    channel = t.channel()
    one, two = t.exchange(channel, "fanout", "one"), t.exchange(channel, "fanout", "two")
    channel.exchange_bind(one, two)
    channel.exchange_bind(two, one)
    queue = bound(t, channel, two, "q")
    channel.basic_publish(one, "", b"x")
    equal(drain(channel, queue), [b"x"], "the queue")


@behaviour("a delivery names the exchange and the key that the publisher used")
def _(t):
    channel = t.channel()
    source, middle = t.exchange(channel, "topic", "source"), t.exchange(channel, "fanout", "middle")
    channel.exchange_bind(middle, source, "#")
    queue = bound(t, channel, middle, "q")
    channel.basic_publish(source, "a.b", b"x")
    got = get(channel, queue)
    equal((got.method.exchange, got.method.routing_key), (source, "a.b"), "where it came from")


@behaviour("a binding made twice is one binding; with other arguments it is another")
def _(t):
    channel = t.channel()
    exchange = t.exchange(channel, "direct")
    queue = bound(t, channel, exchange, "q", "k")
    channel.queue_bind(queue, exchange, "k")
    channel.queue_bind(queue, exchange, "k", {"another": 1})
    channel.queue_unbind(queue, exchange, "k")
    equal(returned(channel, exchange, "k"), False, "returned")
    channel.queue_unbind(queue, exchange, "k", {"another": 1})
    equal(returned(channel, exchange, "k"), True, "returned")
