#!/usr/bin/python3
"""A publisher without confirms, as pika's users write one, on a server whose disk is full.

    blocked_publisher.py PORT

Publishes until the server says that it is blocked, waits until it is not any more, and gets
what it has published. A line for each: "blocked: REASON", "unblocked", "SENT sent, GOT got".
"""
import sys
import time

import pika

BODY = b"x" * 8000
DURABLE = pika.BasicProperties(delivery_mode=2)
# More than the disk holds by far; and seconds, long before which the server has told.
MANY = 20_000
PATIENCE = 60


class Publisher:
    def __init__(self, port):
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
        # Of the connection below: pika's blocking one tells only between two calls, and a publish
        # that fills the socket while the server does not read is over when the server reads again.
        self.connection._impl.add_on_connection_blocked_callback(self.on_blocked)
        self.connection._impl.add_on_connection_unblocked_callback(self.on_unblocked)
        self.channel = self.connection.channel()
        self.channel.queue_declare("blocked", durable=True)
        self.blocked = self.was_blocked = False
        self.sent = 0

    def on_blocked(self, _, frame):
        self.blocked = self.was_blocked = True
        print(f"blocked: {frame.method.reason}", flush=True)

    def on_unblocked(self, _, frame):
        self.blocked = False
        print("unblocked", flush=True)

    def publish_until_blocked(self):
        while not self.was_blocked:
            if self.sent == MANY:
                sys.exit("never blocked")
            self.channel.basic_publish("", "blocked", b"%d " % self.sent + BODY, DURABLE)
            self.sent += 1
            self.connection.process_data_events(time_limit=0)

    def wait_until_unblocked(self):
        end = time.monotonic() + PATIENCE
        while self.blocked:
            if time.monotonic() > end:
                sys.exit("never unblocked")
            self.connection.process_data_events(time_limit=1)

    def get_all(self):
        numbers = []
        while (got := self.channel.basic_get("blocked", auto_ack=True))[0] is not None:
            numbers.append(int(got[2].split()[0]))
        if numbers != list(range(self.sent)):
            sys.exit(f"sent {self.sent}, and got {numbers}")
        print(f"{self.sent} sent, {len(numbers)} got", flush=True)


def main():
    publisher = Publisher(int(sys.argv[1]))
    publisher.publish_until_blocked()
    publisher.wait_until_unblocked()
    publisher.get_all()
    publisher.connection.close()


if __name__ == "__main__":
    main()
