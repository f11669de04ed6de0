#!/usr/bin/python3
"""The SMS and push gateways of the demonstration: web hooks that remember what they were told.

    hook_sink.py --record FILE [--port 0] [--delay-ms 10] [--fail 0.02] [--seed 1]

POST /sms and /push take a task's payload, {"args":[{"id":...,"to":...}]}. A line of RECORD is
written before the 204: the notification's id, a tab, the receiver, a tab, the path. A share of the
requests (--fail) is answered with 500, or with 503 and a Retry-After; nothing is recorded of those.
Prints "ready PORT" when it listens; ends when its standard input does.
"""
import argparse
import asyncio
import json
import random
import sys

LIMIT = 1 << 20
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nsigh"
WRONG = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Gateway(asyncio.Protocol):
    """One connection: requests one after the other, as HTTP/1.1 without pipelining."""

    def __init__(self, state):
        self.state = state
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        self.look()

    def look(self):
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if self.busy or not found:
            if len(self.buffer) > LIMIT:
                self.transport.close()
            return
        lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines[1:]]
        length = next((int(v) for k, _, v in fields if k.lower() == "content-length"), 0)
        if len(rest) < length <= LIMIT:
            return
        if length > LIMIT:
            self.transport.close()
            return
        self.busy = True
        self.buffer = rest[length:]
        path = lines[0].split(" ")[1]
        asyncio.get_running_loop().call_later(self.state.delay, self.answer, path, rest[:length])

    def answer(self, path, body):
        self.busy = False
        if self.transport.is_closing():
            return  # nobody hears the answer: as if it had never come
        self.transport.write(self.state.handle(path, body))
        self.look()


class State:
    def __init__(self, options):
        # Unbuffered: what was answered with 204 is in the file, whatever happens to this process.
        self.file = open(options.record, "ab", buffering=0)
        self.delay = options.delay_ms / 1000
        self.fail = options.fail
        self.rng = random.Random(options.seed)

    def handle(self, path, body):
        if self.rng.random() < self.fail:
            return BUSY if self.rng.random() < 0.5 else BROKEN
        try:
            notice = json.loads(body)["args"][0]
            line = "\t".join([notice["id"], notice["to"], path])
        except (ValueError, KeyError, IndexError, TypeError):
            return WRONG
        self.file.write(line.encode() + b"\n")
        return TAKEN


async def serve(options):
    loop = asyncio.get_running_loop()
    state = State(options)
    server = await loop.create_server(lambda: Gateway(state), "127.0.0.1", options.port)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=10)
    parser.add_argument("--fail", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
