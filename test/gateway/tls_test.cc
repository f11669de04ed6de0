// TLS on the port of everything else, with real sockets and a client of OpenSSL's own.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "test/gateway/gateway_fixture.h"
#include "test/gateway/tls_client.h"

namespace penstock::gateway {
namespace {

using namespace std::chrono_literals;
using testing::Certificate;
using testing::GatewayTest;
using testing::SocketClient;
using testing::TlsClient;

class GatewayTlsTest : public GatewayTest {
 protected:
  void open_with_tls(Options options = {}, bool ask_clients = false) {
    open(options);
    load(own_, ask_clients);
  }
  void load(const Certificate& certificate, bool ask_clients = false) {
    net::TlsMaterial material;
    material.certificate = certificate.pem();
    material.key = certificate.key_pem();
    if (ask_clients) material.client_ca = authority_.pem();
    const auto loaded = ask([&] { return tls_.load(material); });
    ASSERT_TRUE(loaded) << loaded.error().message;
  }

  const Certificate authority_{{"Test CA"}};
  const Certificate own_{{"broker"}};
};

TEST_F(GatewayTlsTest, ServesBothOnOnePort) {
  open_with_tls();
  TlsClient secret(address_);
  SocketClient plain(address_);
  ASSERT_TRUE(secret.handshake());
  EXPECT_EQ(secret.server_name(), "broker");
  secret.send("PING\nsecond line\n");
  plain.send("PING\n");
  EXPECT_EQ(secret.read(17), "PING\nsecond line\n");
  EXPECT_EQ(plain.read(5), "PING\n");
  EXPECT_EQ(statistics().tls_handshakes, 1u);
  EXPECT_EQ(ask([this] {
              int encrypted = 0;
              for (auto* echo : room_.here) encrypted += echo->host().encrypted() ? 1 : 0;
              return encrypted;
            }),
            1);
}

TEST_F(GatewayTlsTest, TellsTheConversationWhomTheCertificateNames) {
  open_with_tls({}, true);
  const Certificate alice({"alice"}, &authority_);
  TlsClient client(address_, &alice);
  ASSERT_TRUE(client.handshake());
  client.send("PING\n");
  EXPECT_EQ(client.read(5), "PING\n");
  EXPECT_EQ(ask([this] { return std::string((*room_.here.begin())->host().tls_subject()); }),
            "alice");
}

TEST_F(GatewayTlsTest, RefusesAClientWithACertificateOfAStrangerAndTellsIt) {
  open_with_tls({}, true);
  const Certificate stranger({"alice"});
  TlsClient client(address_, &stranger);
  static_cast<void>(client.handshake());  // TLS 1.3 lets a client think that all is well
  client.send("PING\n");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(client.socket().error(), 0) << "reset, so that it could not read the alert";
  client.socket().close();
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
  EXPECT_EQ(statistics().tls_failures, 1u);
  EXPECT_EQ(statistics().tls_handshakes, 0u);
}

TEST_F(GatewayTlsTest, RefusesAClientWhereNoCertificateIsSet) {
  open();
  TlsClient client(address_);
  EXPECT_FALSE(client.handshake());
  EXPECT_EQ(statistics().tls_refused, 1u);
  EXPECT_EQ(statistics().unknown_protocol, 0u);
}

TEST_F(GatewayTlsTest, ShakesHandsWithAClientWhoseOctetsComeOneByOne) {
  open_with_tls();
  // A proxy that passes on one octet at a time.
  int sides[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sides), 0);
  const testing::Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
  const testing::Owned<SSL, SSL_free> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), sides[0]);
  SocketClient to_server(address_);
  std::thread forth([&] {
    char octet;
    while (recv(sides[1], &octet, 1, 0) == 1) to_server.send({&octet, 1});
    to_server.end_sending();
  });
  std::thread back([&] {
    for (std::string octet; !(octet = to_server.read(1)).empty();) {
      ASSERT_EQ(::send(sides[1], octet.data(), 1, MSG_NOSIGNAL), 1);
    }
    shutdown(sides[1], SHUT_WR);
  });
  EXPECT_EQ(SSL_connect(ssl.get()), 1);
  EXPECT_EQ(SSL_write(ssl.get(), "PING\n", 5), 5);
  char answer[16];
  EXPECT_EQ(SSL_read(ssl.get(), answer, sizeof answer), 5);
  shutdown(sides[0], SHUT_WR);
  forth.join();
  back.join();
  ::close(sides[0]);
  ::close(sides[1]);
}

TEST_F(GatewayTlsTest, GivesUpAHandshakeThatComesToNoEnd) {
  open_with_tls();
  SocketClient silent(address_), half(address_);
  silent.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  TlsClient idle(address_);
  ASSERT_TRUE(idle.handshake());  // and then says nothing
  ASSERT_TRUE(eventually([this] { return gateway_->connections() == 3; }));
  ASSERT_TRUE(eventually([this] { return gateway_->statistics().tls_handshakes == 1; }));
  advance(Options{}.sniff_timeout + 1s);
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(eventually([this] { return gateway_->connections() == 0; }));
  EXPECT_EQ(statistics().sniff_timeouts, 3u);
}

TEST_F(GatewayTlsTest, GivesUpAHandshakeThatIsTooLong) {
  open_with_tls();
  SocketClient client(address_);
  // A hello that says it has 120,000 octets, in records of 16,384.
  std::string hello("\x16\x03\x01\x40\x00\x01\x01\xd4\xc0\x03\x03", 11);
  hello.resize(5 + 16'384, 'x');
  for (int record = 0; record < 6; ++record) {
    if (record > 0) hello.replace(5, 6, "xxxxxx");
    client.send(hello);
  }
  EXPECT_TRUE(eventually([this] { return gateway_->statistics().tls_failures == 1; }));
}

TEST_F(GatewayTlsTest, RefusesTlsWithinTls) {
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  client.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(statistics().tls_refused, 1u);
}

TEST_F(GatewayTlsTest, ClosesWhatSpeaksNoProtocolOfOursWithinTls) {
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  client.send("\x01\x02\x03 what is this\r\n");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(statistics().unknown_protocol, 1u);
}

TEST_F(GatewayTlsTest, ShowsANewCertificateToNewConnectionsOnly) {
  open_with_tls();
  TlsClient old(address_);
  ASSERT_TRUE(old.handshake());
  load(Certificate({"renewed"}));
  TlsClient fresh(address_);
  ASSERT_TRUE(fresh.handshake());
  EXPECT_EQ(fresh.server_name(), "renewed");
  old.send("STILL\n");
  EXPECT_EQ(old.read(6), "STILL\n");
}

TEST_F(GatewayTlsTest, KeepsItsCertificateWhenANewOneIsNoGood) {
  open_with_tls();
  net::TlsMaterial bad;
  bad.certificate = own_.pem();
  bad.key = authority_.key_pem();
  EXPECT_FALSE(ask([&] { return tls_.load(bad).has_value(); }));
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  EXPECT_EQ(client.server_name(), "broker");
}

TEST_F(GatewayTlsTest, CarriesMuchBothWaysAtOnce) {
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  std::string line = "LINE " + std::string(1000, 'x') + "\n";
  // Less than what lies between the two sides, so that one thread can write before it reads.
  for (int round = 0; round < 50; ++round) {
    std::string lines;
    for (int i = 0; i < 50; ++i) lines += line;
    ASSERT_TRUE(client.send(lines));
    ASSERT_TRUE(client.read(lines.size()) == lines) << round;
  }
  EXPECT_GE(statistics().received_bytes, 50u * 50u * line.size());
}

TEST_F(GatewayTlsTest, PausesASlowReaderAndThenSaysAllOfIt) {
  room_.max_output = 32u << 20;
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  std::string lines;
  while (lines.size() < 16u << 20) lines += "LINE " + std::string(1000, 'x') + "\n";
  ASSERT_TRUE(client.send(lines));
  EXPECT_TRUE(eventually([this] { return gateway_->statistics().output_pauses > 0; }));
  EXPECT_TRUE(client.read(lines.size()) == lines);
}

TEST_F(GatewayTlsTest, AnswersAllThatCameBeforeTheClientEndedAndSaysGoodbye) {
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  std::string sent;
  for (int i = 0; i < 1000; ++i) sent += "LINE" + std::to_string(i) + "\n";
  client.send(sent);
  client.end_sending();
  EXPECT_EQ(client.read_all(), sent + "bye\n");
  EXPECT_TRUE(client.heard_goodbye());
}

TEST_F(GatewayTlsTest, EndsAConnectionWhenItsConversationEnds) {
  open_with_tls();
  TlsClient client(address_);
  ASSERT_TRUE(client.handshake());
  client.send("PING\nquit\n");
  EXPECT_EQ(client.read_all(), "PING\n");
  EXPECT_TRUE(client.heard_goodbye());
}

TEST_F(GatewayTlsTest, MayLoseAConnectionWhoseHandshakeIsUnderWay) {
  open_with_tls();
  // A whole hello, as a client would send it.
  const testing::Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
  const testing::Owned<SSL, SSL_free> ssl(SSL_new(context.get()));
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_connect(ssl.get());
  std::string hello(BIO_ctrl_pending(SSL_get_wbio(ssl.get())), '\0');
  BIO_read(SSL_get_wbio(ssl.get()), hello.data(), static_cast<int>(hello.size()));

  std::vector<SocketClient> clients;
  for (int i = 0; i < 50; ++i) clients.emplace_back(address_).send(hello);
  // The first answer says that the others are waiting for theirs.
  EXPECT_FALSE(clients.front().read(1).empty());
  ask([this] {
    gateway_->close_all();
    return 0;
  });
  TlsClient client(address_);
  EXPECT_TRUE(client.handshake());
}

}  // namespace
}  // namespace penstock::gateway
