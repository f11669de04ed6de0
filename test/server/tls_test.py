#!/usr/bin/python3
"""TLS as clients meet it: curl, redis-cli, openssl and Python against the real program.

    tls_test.py path/to/penstock [unittest arguments]

Nothing here sleeps: the server says on a pipe when it is ready, and its log is read as a stream.
"""
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

PENSTOCK = ""
TIMEOUT = 60


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=TIMEOUT)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments}: {done.stderr.decode()}")


class Authority:
    """Signs certificates; NAME.pem and NAME-key.pem in its folder."""

    KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def __init__(self, folder, name):
        self.folder = folder
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}-key.pem"
        openssl("req", "-x509", *self.KEY, "-keyout", self.key, "-out", self.certificate,
                "-days", 2, "-subj", f"/CN={name}")

    def sign(self, name, *, names="DNS:localhost,IP:127.0.0.1", into=None):
        into = into or name
        certificate, key = self.folder / f"{into}.pem", self.folder / f"{into}-key.pem"
        request, extensions = self.folder / f"{into}.csr", self.folder / f"{into}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("req", *self.KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", 2, "-extfile", extensions, "-out", certificate)
        return certificate, key


class Server:
    def __init__(self, folder, *more):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [PENSTOCK, "serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0",
             "--segment", "4MiB", "--max-message", "1MiB", "--ready-fd", str(writer),
             *map(str, more)], pass_fds=[writer], stderr=subprocess.PIPE, text=True)
        os.close(writer)
        with os.fdopen(reader) as ready:
            address = ready.readline().strip()
        if not address:
            raise RuntimeError(self.process.communicate()[1])
        self.port = int(address.rpartition(":")[2])

    def log_until(self, text):
        """The lines up to one with `text`; waits for it."""
        lines = ""
        for line in self.process.stderr:
            lines += line
            if text in line:
                return lines
        raise AssertionError(f"no {text!r} in {lines}")

    def status(self):
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT) as plain:
            return http(plain, "GET", "/v1/status")["server"]

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode


def http(connection, method, target, body=b""):
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       f"Content-Type: application/json\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="penstock-tls-")
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.authority = Authority(cls.folder, "authority")
        cls.certificate, cls.key = cls.authority.sign("broker")
        cls.clients = Authority(cls.folder, "clients")
        cls.server = Server(cls.folder, "--tls-certificate", cls.certificate, "--tls-key", cls.key,
                            "--tls-client-ca", cls.clients.certificate)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.temporary.cleanup()
        assert code == 0, f"the server ended with {code}"

    def connect(self, server=None, identity=None):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if identity:
            context.load_cert_chain(*identity)
        plain = socket.create_connection(("127.0.0.1", (server or self.server).port), TIMEOUT)
        return context.wrap_socket(plain, server_hostname="localhost")

    def run_client(self, *arguments, **others):
        return subprocess.run(list(map(str, arguments)), capture_output=True, text=True,
                              timeout=TIMEOUT, **others)

    def test_curl_speaks_http(self):
        done = self.run_client("curl", "-sS", "--cacert", self.authority.certificate,
                               f"https://localhost:{self.server.port}/v1/status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(int(json.loads(done.stdout)["server"]["tls_handshakes"]), 0)

    def test_curl_carries_a_large_message(self):
        body = "x" * 900_000
        (self.folder / "body").write_text(json.dumps({"body": body}))
        curl = ["curl", "-sS", "--cacert", self.authority.certificate,
                "-H", "Content-Type: application/json"]
        url = f"https://localhost:{self.server.port}/v1/queues/large/messages"
        done = self.run_client(*curl, "--data-binary", f"@{self.folder / 'body'}", url)
        self.assertIn("id", json.loads(done.stdout), done.stdout + done.stderr)
        done = self.run_client(*curl, "-d", "{}", url.replace("/messages", "/lease"))
        self.assertTrue(body in done.stdout, done.stdout[:500])

    def test_redis_cli_speaks_the_native_protocol(self):
        done = self.run_client("redis-cli", "--tls", "--cacert", self.authority.certificate,
                               "-h", "localhost", "-p", self.server.port, "SEND", "mail", "hello")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("ERR", done.stdout)

    def test_openssl_agrees_on_tls_1_2_and_1_3_and_on_nothing_older(self):
        for version, good in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)):
            done = self.run_client(
                "openssl", "s_client", version, "-cipher", "DEFAULT@SECLEVEL=0", "-CAfile",
                self.authority.certificate, "-verify_return_error", "-ign_eof", "-connect",
                f"localhost:{self.server.port}", input="PING\r\nQUIT\r\n")
            self.assertEqual("+PONG" in done.stdout, good, done.stdout + done.stderr)

    def test_a_certificate_of_a_stranger_is_refused(self):
        stranger = Authority(self.folder, "stranger")
        before = int(self.server.status()["tls_failures"])
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with self.connect(identity=(stranger.certificate, stranger.key)) as connection:
                connection.sendall(b"PING\r\n")
                connection.recv(100)
        self.assertEqual(int(self.server.status()["tls_failures"]), before + 1)

    def test_a_certificate_of_a_client_is_taken(self):
        with self.connect(identity=self.clients.sign("alice")) as connection:
            connection.sendall(b"PING\r\n")
            self.assertEqual(connection.recv(100), b"+PONG\r\n")

    def test_sessions_are_resumed(self):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for resumed in (False, True):
            plain = socket.create_connection(("127.0.0.1", self.server.port), TIMEOUT)
            with context.wrap_socket(plain, server_hostname="localhost",
                                     session=session) as connection:
                connection.sendall(b"PING\r\n")
                self.assertEqual(connection.recv(100), b"+PONG\r\n")
                self.assertEqual(connection.session_reused, resumed)
                session = connection.session

    def test_many_at_once(self):
        connections = [self.connect() for _ in range(100)]
        for connection in connections:
            connection.sendall(b"PING\r\n")
        for connection in connections:
            self.assertEqual(connection.recv(100), b"+PONG\r\n")
            connection.close()


class ReloadTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="penstock-tls-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.authority = Authority(self.folder, "authority")

    def shown(self, server):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                return dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]

    def refused(self, *more):
        done = subprocess.run(
            [PENSTOCK, "serve", "--data", str(self.folder / "data"), "--listen", "127.0.0.1:0",
             *map(str, more)], capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_sighup_loads_new_certificates_and_survives_bad_ones(self):
        certificate, key = self.authority.sign("first", into="live")
        server = Server(self.folder, "--tls-certificate", certificate, "--tls-key", key)
        self.addCleanup(server.stop)
        self.assertIn("CN = first", server.log_until("ready"))
        self.assertEqual(self.shown(server), "first")
        self.authority.sign("second", into="live")
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("CN = second", server.log_until("from now on"))
        self.assertEqual(self.shown(server), "second")
        certificate.write_text("half a file")
        server.process.send_signal(signal.SIGHUP)
        self.assertIn("holds no certificate", server.log_until("it had"))
        self.assertEqual(self.shown(server), "second")

    def test_a_client_that_speaks_tls_where_it_is_not_set_up_is_explained_in_the_log(self):
        server = Server(self.folder)
        self.addCleanup(server.stop)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.shown(server)
        self.assertIn("speaks TLS, and no tls_certificate is set",
                      server.log_until("speaks TLS"))

    def test_a_client_without_a_certificate_is_refused_where_one_is_required(self):
        certificate, key = self.authority.sign("broker")
        server = Server(self.folder, "--tls-certificate", certificate, "--tls-key", key,
                        "--tls-client-ca", self.authority.certificate,
                        "--tls-client-certificate", "require")
        self.addCleanup(server.stop)
        context = ssl.create_default_context(cafile=self.authority.certificate)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as connection:
                    connection.sendall(b"PING\r\n")
                    connection.recv(100)
        context.load_cert_chain(*self.authority.sign("alice"))
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(b"PING\r\n")
                self.assertEqual(connection.recv(100), b"+PONG\r\n")

    def test_settings_that_do_not_fit_are_refused_by_name(self):
        certificate, key = self.authority.sign("broker")
        missing = self.folder / "missing.pem"
        self.assertIn("tls_key: it is missing", self.refused("--tls-certificate", certificate))
        self.assertIn("tls_certificate: it is missing", self.refused("--tls-key", key))
        self.assertIn("tls_client_ca: it is missing",
                      self.refused("--tls-certificate", certificate, "--tls-key", key,
                                   "--tls-client-certificate", "require"))
        self.assertIn(f"tls_certificate: open {missing}: No such file",
                      self.refused("--tls-certificate", missing, "--tls-key", key))
        self.assertIn("key values mismatch",
                      self.refused("--tls-certificate", certificate,
                                   "--tls-key", self.authority.key))
        self.assertIn("neither ask nor require",
                      self.refused("--tls-client-certificate", "maybe"))


if __name__ == "__main__":
    PENSTOCK = sys.argv.pop(1)
    unittest.main()
