#!/usr/bin/python3
"""Users as clients meet them: the command line, HTTP, redis-py and pika against the real program.

    access_test.py path/to/penstock [unittest arguments]

Nothing here sleeps: the server says on a pipe when it is ready, and ends of connections are read
from the connections.
"""
import base64
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

import pika
import redis

PENSTOCK = ""
TIMEOUT = 60
SECRET = "canary-in-a-coal-mine"


class Server:
    """A server in a folder of its own; start() again after kill() keeps data and port."""

    def __init__(self, folder, listen="127.0.0.1:0"):
        self.folder = folder
        self.listen = listen
        self.start()

    def start(self):
        reader, writer = os.pipe()
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [PENSTOCK, "serve", "--data", str(self.folder / "data"), "--listen", self.listen,
                 "--ready-fd", str(writer)], pass_fds=[writer], stderr=log, stdout=log)
        os.close(writer)
        with os.fdopen(reader) as ready:
            address = ready.readline().strip()
        if not address:
            raise RuntimeError(self.log())
        self.listen = address
        self.port = int(address.rpartition(":")[2])

    def log(self):
        return (self.folder / "server.log").read_text()

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(TIMEOUT)


def run(*arguments, user="", given="", server=None):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PENSTOCK_")}
    if server:
        environment["PENSTOCK_URL"] = f"penstock://127.0.0.1:{server.port}"
    if user:
        environment["PENSTOCK_USER"] = user
    return subprocess.run([PENSTOCK, *map(str, arguments)], input=given, text=True,
                          capture_output=True, timeout=TIMEOUT, env=environment)


class AccessTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="penstock-access-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def serve(self, **more):
        self.server = Server(self.folder, **more)
        self.addCleanup(lambda: self.server.process.poll() is None
                        and self.server.end(signal.SIGKILL))

    def penstock(self, *arguments, code=0, **more):
        done = run(*arguments, server=self.server, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn(SECRET, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def admin(self, *arguments, **more):
        return self.penstock(*arguments, user="admin:" + SECRET, **more)

    def make_users(self):
        self.serve()
        self.penstock("user", "add", "admin", "--tag", "administrator", given=SECRET + "\n")
        self.admin("user", "add", "app", given="app-password\n")
        self.admin("user", "grant", "app", "^app", "^(app|amq\\.default$)", "^app")

    def status(self, path, user="", method="GET", body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.port}{path}", body,
                                         method=method)
        if user:
            request.add_header("Authorization",
                               "Basic " + base64.b64encode(user.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def connect(self, user, password):
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.server.port, credentials=pika.PlainCredentials(user, password),
            socket_timeout=TIMEOUT))

    def test_the_first_user_ends_the_time_without_passwords(self):
        self.serve()
        self.penstock("queue", "list")
        self.assertIn("the first user has to be an administrator",
                      self.penstock("user", "add", "app", given="x\n", code=4))
        self.penstock("user", "add", "admin", "--tag", "administrator", given=SECRET + "\n")
        self.assertIn("the server has users", self.penstock("queue", "list", code=6))
        self.assertIn("another", self.penstock("queue", "list", user="admin:no", code=6))
        self.admin("queue", "list")
        self.assertEqual(self.status("/v1/queues"), 401)
        self.assertEqual(self.status("/healthz"), 200)

    def test_a_user_may_what_was_granted_on_every_protocol(self):
        self.make_users()
        self.assertEqual(self.status("/v1/queues/app-q", "app:app-password", "PUT", b"{}"), 201)
        self.assertEqual(self.status("/v1/queues/other", "app:app-password", "PUT", b"{}"), 403)
        self.assertEqual(self.status("/v1/queues/app-q", "app:wrong"), 401)
        client = redis.Redis(port=self.server.port, username="app", password="app-password")
        client.execute_command("SEND", "app-q", "by redis")
        with self.assertRaisesRegex(redis.exceptions.NoPermissionError, "access to queue 'other'"):
            client.execute_command("SEND", "other", "x")
        client.close()
        with self.assertRaisesRegex(redis.exceptions.ResponseError, "^WRONGPASS "):
            redis.Redis(port=self.server.port, username="app", password="no").ping()
        with self.assertRaises(redis.exceptions.AuthenticationError):
            redis.Redis(port=self.server.port).ping()
        for user, password in (("app", "no"), ("guest", "guest")):
            with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
                self.connect(user, password)
        with self.connect("app", "app-password") as connection:
            channel = connection.channel()
            self.assertEqual(channel.basic_get("app-q", auto_ack=True)[2], b"by redis")
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as closed:
                channel.basic_get("other")
            self.assertEqual(closed.exception.reply_code, 403)
        self.penstock("send", "app-q", "by hand", user="app:app-password")
        self.penstock("send", "other", "x", user="app:app-password", code=6)

    def test_what_is_taken_away_ends_connections_and_stays_away(self):
        self.make_users()
        connection = self.connect("app", "app-password")
        channel = connection.channel()
        channel.queue_declare("app-q", durable=True)
        channel.basic_publish("", "app-q", b"in hand", pika.BasicProperties(delivery_mode=2))
        next(channel.consume("app-q"))
        native = redis.Redis(port=self.server.port, username="app", password="app-password")
        native.execute_command("CLIENT", "ID")
        self.admin("user", "revoke", "app")
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as closed:
            while True:
                connection.process_data_events(time_limit=TIMEOUT)
        self.assertEqual(closed.exception.reply_code, 320)
        self.assertIn("the permissions of user 'app' were changed", closed.exception.reply_text)
        with self.assertRaises(redis.exceptions.NoPermissionError):
            native.execute_command("SEND", "app-q", "x")  # on a new connection: it logs in again
        native.close()
        self.server.end(signal.SIGKILL)
        self.server.start()
        self.penstock("receive", "app-q", user="app:app-password", code=6)
        self.admin("user", "grant", "app", "", "", "^app")
        self.assertEqual(self.penstock("receive", "app-q", user="app:app-password"), "in hand\n")
        self.admin("user", "delete", "app")
        self.server.end(signal.SIGKILL)
        self.server.start()
        self.assertEqual(self.status("/v1/queues", "app:app-password"), 401)
        users = json.loads(self.admin("user", "list", "--json"))["users"]
        self.assertEqual([user["name"] for user in users], ["admin"])

    def test_passwords_and_tags_change(self):
        self.make_users()
        self.penstock("user", "passwd", "app", user="app:app-password", given="mine\n")
        self.penstock("queue", "list", user="app:app-password", code=6)
        self.penstock("user", "list", user="app:mine", code=6)
        self.admin("user", "tag", "app", "administrator")
        self.assertIn("administrator", self.penstock("user", "list", user="app:mine"))
        self.admin("vhost", "add", "shop")
        self.assertEqual(self.penstock("vhost", "list", user="app:mine").split()[1:],
                         ["/", "shop"])
        self.admin("vhost", "delete", "shop")
        self.assertIn("is no tag", self.admin("user", "tag", "app", "root", code=2))
        self.admin("user", "grant-topic", "app", "amq.topic", "^a", "^b")
        self.assertIn("amq.topic", self.admin("user", "list"))
        self.admin("user", "revoke-topic", "app", "amq.topic")
        self.assertNotIn("amq.topic", self.admin("user", "list"))

    def test_a_server_with_users_may_listen_for_other_machines(self):
        refused = run("serve", "--data", self.folder / "data", "--listen", "0.0.0.0:0")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("penstock user add", refused.stderr)
        made = run("user", "add", "admin", "--tag", "administrator", "--data",
                   self.folder / "data", given=SECRET + "\n")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.serve(listen="0.0.0.0:0")
        self.admin("queue", "list")
        self.assertIn("without TLS: passwords cross the network", self.server.log())
        self.server.end(signal.SIGTERM)
        changed = run("user", "passwd", "admin", "--data", self.folder / "data", given="new\n")
        self.assertEqual(changed.returncode, 0, changed.stderr)
        self.server.start()
        self.admin("queue", "list", code=6)
        self.penstock("queue", "list", user="admin:new")

    def test_definitions_of_rabbitmq_bring_their_users(self):
        def kept(password):
            salted = b"salt" + password.encode()
            return base64.b64encode(b"salt" + hashlib.sha256(salted).digest()).decode()
        self.serve()
        file = self.folder / "definitions.json"
        file.write_text(json.dumps({
            "users": [{"name": "app", "password_hash": kept("app-password"), "tags": []}],
            "permissions": [{"user": "app", "vhost": "/", "configure": "", "write": "",
                             "read": "^q"}],
            "queues": [{"name": "q", "vhost": "/", "durable": True}]}))
        self.assertIn("the first user has to be an administrator",
                      self.penstock("import", file, code=1))
        definitions = json.loads(file.read_text())
        definitions["users"].append({"name": "admin", "password_hash": kept(SECRET),
                                     "tags": "administrator"})
        file.write_text(json.dumps(definitions))
        said = self.penstock("import", file)
        self.assertIn("users: 2 taken", said)
        self.assertIn("permissions: 1 taken", said)
        self.penstock("import", file, code=6)
        self.admin("import", file)
        self.penstock("receive", "q", user="app:app-password", code=1)
        self.penstock("send", "q", "x", user="app:app-password", code=6)

    def test_passwords_are_nowhere_to_be_read(self):
        self.make_users()
        self.admin("status", "--once")
        self.admin("bench", "--messages", "10", code=6)
        self.status("/metrics", "admin:" + SECRET)
        self.connect("app", "app-password").close()
        self.status("/v1/queues", "app:" + SECRET)
        self.server.end(signal.SIGTERM)
        self.assertIn('gave no right password for user "app" (1 so far)', self.server.log())
        for file in [self.folder / "server.log", *(self.folder / "data").iterdir()]:
            content = file.read_bytes()
            for password in (SECRET, "app-password"):
                self.assertNotIn(password.encode(), content, file)


if __name__ == "__main__":
    PENSTOCK = sys.argv.pop(1)
    unittest.main()
