#!/usr/bin/python3
"""A mail server that delivers nothing and remembers everything: a line for each mail taken.

    smtp_sink.py --record FILE [--port 0] [--delay-ms 15] [--fail 0.02] [--seed 1]

A line is written before the mail is answered with 250: its X-Notification-Id, a tab, the recipient,
a tab, the decoded subject. A share of the mails (--fail) is turned away with a 4xx, as real mail
servers do; nothing is recorded of those. Prints "ready PORT" when it listens; ends when its
standard input does.
"""
import argparse
import asyncio
import email
import email.policy
import random
import sys

from aiosmtpd.smtp import SMTP

TEMPORARY = ["451 4.3.0 Try again later", "450 4.2.1 Mailbox busy"]


class Recorder:
    def __init__(self, options):
        # Unbuffered: what was answered with 250 is in the file, whatever happens to this process.
        self.file = open(options.record, "ab", buffering=0)
        self.delay = options.delay_ms / 1000
        self.fail = options.fail
        self.rng = random.Random(options.seed)

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.delay)
        if self.rng.random() < self.fail:
            return self.rng.choice(TEMPORARY)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        fields = [mail["X-Notification-Id"] or "", envelope.rcpt_tos[0], mail["Subject"] or ""]
        self.file.write("\t".join(fields).replace("\n", " ").encode("utf-8", "replace") + b"\n")
        return "250 2.0.0 Taken"


async def serve(options):
    loop = asyncio.get_running_loop()
    recorder = Recorder(options)
    server = await loop.create_server(
        lambda: SMTP(recorder, enable_SMTPUTF8=True, hostname="sink.test", loop=loop),
        "127.0.0.1", options.port)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--record", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=15)
    parser.add_argument("--fail", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
