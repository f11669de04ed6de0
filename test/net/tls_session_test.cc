// TLS without sockets and threads: a client of OpenSSL's own, and a wire that does as it is told.
#include "net/tls_session.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <limits>
#include <string>

#include "test/net/tls_peer.h"

namespace penstock::net {
namespace {

using testing::Certificate;
using Client = testing::TlsPeer;
using State = Transfer::State;

// Takes and gives so many bytes at a time, and no more than there are.
class Wire final : public Stream {
 public:
  Transfer read(std::span<std::byte> into) override {
    if (incoming.empty()) return {ended ? State::end : State::would_block, 0};
    const auto count = std::min({into.size(), incoming.size(), piece});
    incoming.copy(reinterpret_cast<char*>(into.data()), count);
    incoming.erase(0, count);
    return {State::ready, count};
  }
  Transfer write(ByteView data) override {
    const auto count = std::min({data.size(), room, piece});
    if (count == 0) return {State::would_block, 0};
    outgoing.append(as_text(data.first(count)));
    room -= count;
    return {State::ready, count};
  }
  void wait_readable() override {}
  void wait_writable() override {}
  void end_writing() override {}
  void forget_unsent() override {}
  const Address& peer() const override { return peer_; }
  void watch(StreamWatcher& /*watcher*/) override {}

  std::string incoming;
  std::string outgoing;
  std::size_t piece = std::numeric_limits<std::size_t>::max();
  std::size_t room = std::numeric_limits<std::size_t>::max();
  bool ended = false;

 private:
  Address peer_;
};

class TlsSessionTest : public ::testing::Test {
 protected:
  TlsSessionTest() : own_({"broker"}) {}

  TlsMaterial material(bool require = false, bool ask = false) const {
    TlsMaterial result;
    result.certificate = own_.pem();
    result.key = own_.key_pem();
    if (ask || require) result.client_ca = authority_.pem();
    result.require_client = require;
    return result;
  }
  static TlsContext context_of(const TlsMaterial& material) {
    auto context = make_tls_context(material);
    EXPECT_TRUE(context) << context.error().message;
    return *context;
  }

  // Both sides in turns, in pieces of so many bytes.
  static TlsSession::Step handshake(TlsSession& session, Client& client, Wire& wire,
                                    std::size_t piece = 100'000) {
    auto step = TlsSession::Step::wants_input;
    for (int round = 0; round < 20 && step == TlsSession::Step::wants_input; ++round) {
      client.handshake();
      const auto sent = client.sent();
      for (std::size_t at = 0; at < sent.size() && step == TlsSession::Step::wants_input;
           at += piece) {
        session.input.append(sent, at, piece);
        step = session.handshake();
        // What came behind the last octet of the handshake.
        if (step == TlsSession::Step::done && at + piece < sent.size()) {
          session.input.append(sent, at + piece, std::string::npos);
        }
      }
      EXPECT_TRUE(session.flush(wire));
      client.receive(std::exchange(wire.outgoing, {}));
    }
    if (step == TlsSession::Step::done) session.connect(wire);
    client.handshake();
    return step;
  }

  static std::string read_all(TlsSession& session, std::size_t piece = 65'536) {
    std::string text;
    Bytes buffer(piece);
    for (;;) {
      const auto moved = session.read(buffer);
      if (moved.state != State::ready) return text;
      text.append(as_text(ByteView(buffer).first(moved.count)));
    }
  }

  const Certificate authority_{{"Test CA"}};
  const Certificate own_;
};

TEST_F(TlsSessionTest, ShakesHandsHoweverTheOctetsAreCut) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::size_t piece : {1u, 7u, 100'000u}) {
      TlsSession session(context_of(material()));
      Client client(version);
      Wire wire;
      ASSERT_EQ(handshake(session, client, wire, piece), TlsSession::Step::done);
      EXPECT_EQ(session.subject(), "");
      client.write("hello");
      wire.incoming = client.sent();
      EXPECT_EQ(read_all(session), "hello");
      EXPECT_EQ(session.write(as_bytes("welcome")).count, 7u);
      client.receive(wire.outgoing);
      EXPECT_EQ(client.read(), "welcome");
    }
  }
}

TEST_F(TlsSessionTest, GivesWhatCameTogetherWithTheEndOfTheHandshake) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  client.handshake();
  session.input = client.sent();
  ASSERT_EQ(session.handshake(), TlsSession::Step::wants_input);
  EXPECT_TRUE(session.flush(wire));
  client.receive(wire.outgoing);
  ASSERT_TRUE(client.handshake());
  client.write("first words");
  session.input = client.sent();
  ASSERT_EQ(session.handshake(), TlsSession::Step::done);
  session.connect(wire);
  EXPECT_EQ(read_all(session), "first words");
}

TEST_F(TlsSessionTest, ReadsTheSameHoweverItIsCut) {
  std::string text;
  for (int i = 0; text.size() < 60'000; ++i) text += std::to_string(i) + ' ';
  for (const std::size_t wire_piece : {1u, 1000u, 1'000'000u}) {
    for (const std::size_t buffer : {100u, 16'384u, 65'536u}) {
      TlsSession session(context_of(material()));
      Client client;
      Wire wire;
      ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
      client.write(text);
      const auto sent = client.sent();
      std::string received;
      for (std::size_t at = 0; at < sent.size(); at += wire_piece) {
        wire.incoming.append(sent, at, wire_piece);
        received += read_all(session, buffer);
      }
      EXPECT_TRUE(received == text) << wire_piece << ' ' << buffer;
    }
  }
}

TEST_F(TlsSessionTest, SaysThatMoreIsThereWhenTheBufferWasFull) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
  client.write("0123456789");
  wire.incoming = client.sent();
  Bytes small(4);
  EXPECT_TRUE(session.read(small).more);
  EXPECT_TRUE(session.read(small).more);
  const auto last = session.read(small);
  EXPECT_EQ(last.count, 2u);
  EXPECT_FALSE(last.more);
  EXPECT_EQ(session.read(small).state, State::would_block);
}

TEST_F(TlsSessionTest, WritesThroughAWireThatTakesLittle) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
  std::string text(50'000, 'x');
  std::string received;
  wire.piece = 1000;
  wire.room = 0;
  std::string_view rest = text;
  for (int turns = 0; !rest.empty() && turns < 10'000; ++turns) {
    const auto moved = session.write(as_bytes(rest));
    rest.remove_prefix(moved.count);
    if (moved.state != State::ready) {
      ASSERT_EQ(moved.state, State::would_block);
      wire.room = 700;  // and the same bytes are offered again
    }
    client.receive(std::exchange(wire.outgoing, {}));
    received += client.read();
  }
  EXPECT_TRUE(received == text);
}

TEST_F(TlsSessionTest, KeepsWhatTheHandshakeLeftUntilTheWireTakesIt) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  wire.room = 10;
  client.handshake();
  session.input = client.sent();
  ASSERT_EQ(session.handshake(), TlsSession::Step::wants_input);
  EXPECT_FALSE(session.flush(wire));
  wire.room = 100'000;
  EXPECT_TRUE(session.flush(wire));
  client.receive(wire.outgoing);
  EXPECT_TRUE(client.handshake());
}

TEST_F(TlsSessionTest, ChangesKeysInTheMidstOfIt) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
  client.change_keys();
  client.write("after");
  wire.incoming = client.sent();
  wire.room = 0;  // so that its own new keys cannot be told yet
  EXPECT_EQ(read_all(session), "after");
  wire.room = 100'000;
  EXPECT_EQ(session.write(as_bytes("with new keys")).state, State::ready);
  client.receive(wire.outgoing);
  EXPECT_EQ(client.read(), "with new keys");
}

TEST_F(TlsSessionTest, EndsWithAGoodbyeOrWithout) {
  for (const bool polite : {true, false}) {
    TlsSession session(context_of(material()));
    Client client;
    Wire wire;
    ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
    client.write("last words");
    if (polite) client.say_goodbye();
    wire.incoming = client.sent();
    wire.ended = !polite;
    Bytes buffer(100);
    const auto words = session.read(buffer);
    EXPECT_EQ(words.count, 10u);
    EXPECT_EQ(words.more, polite);  // otherwise it is the wire that has the end to tell
    EXPECT_EQ(session.read(buffer).state, State::end);
    EXPECT_EQ(session.read(buffer).state, State::end);
    EXPECT_EQ(session.write(as_bytes("the answer")).state, State::ready);
    wire.room = 0;
    EXPECT_FALSE(session.say_goodbye());
    wire.room = 100'000;
    EXPECT_TRUE(session.say_goodbye());
    client.receive(wire.outgoing);
    EXPECT_EQ(client.read(), "the answer");
    EXPECT_TRUE(client.heard_goodbye());
  }
}

TEST_F(TlsSessionTest, BreaksWhereARecordWasChanged) {
  TlsSession session(context_of(material()));
  Client client;
  Wire wire;
  ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
  client.write("hello");
  wire.incoming = client.sent();
  wire.incoming.back() ^= 1;
  Bytes buffer(100);
  EXPECT_EQ(session.read(buffer).state, State::broken);
  EXPECT_EQ(session.read(buffer).state, State::broken);
  EXPECT_EQ(ERR_peek_error(), 0u) << "left for somebody else to stumble over";
}

TEST_F(TlsSessionTest, FailsForWhatIsNoHandshake) {
  TlsSession session(context_of(material()));
  session.input = std::string("\x16\x03\x01\x00\x05hello", 10);
  EXPECT_EQ(session.handshake(), TlsSession::Step::failed);
  EXPECT_FALSE(session.failure().empty());
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST_F(TlsSessionTest, RefusesVersionsBefore12AndSaysSoToTheClient) {
  TlsSession session(context_of(material()));
  Client client(TLS1_1_VERSION);
  Wire wire;
  client.handshake();
  session.input = client.sent();
  EXPECT_EQ(session.handshake(), TlsSession::Step::failed);
  EXPECT_EQ(session.failure(), "unsupported protocol");
  EXPECT_TRUE(session.flush(wire));
  EXPECT_EQ(wire.outgoing.substr(0, 1), "\x15") << "no alert";
}

TEST_F(TlsSessionTest, KnowsAClientByTheCommonNameThatOurAuthoritySigned) {
  const Certificate alice({"alice"}, &authority_);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsSession session(context_of(material(false, true)));
    Client client(version, &alice);
    Wire wire;
    ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
    EXPECT_EQ(session.subject(), "alice");
  }
}

TEST_F(TlsSessionTest, TakesNoNameFromACertificateWithSeveralOrABadOne) {
  for (const auto& names :
       {std::vector<std::string>{"alice", "bob"}, {}, {std::string("ali\0ce", 6)}, {"a\nb"}}) {
    const Certificate strange(names, &authority_);
    TlsSession session(context_of(material(false, true)));
    Client client(TLS1_3_VERSION, &strange);
    Wire wire;
    ASSERT_EQ(handshake(session, client, wire), TlsSession::Step::done);
    EXPECT_EQ(session.subject(), "");
  }
}

TEST_F(TlsSessionTest, RefusesACertificateOfAStranger) {
  const Certificate stranger({"alice"});
  TlsSession session(context_of(material(false, true)));
  Client client(TLS1_3_VERSION, &stranger);
  Wire wire;
  EXPECT_EQ(handshake(session, client, wire), TlsSession::Step::failed);
  EXPECT_EQ(session.failure(), "certificate verify failed: self-signed certificate");
}

TEST_F(TlsSessionTest, DemandsACertificateOnlyWhereItIsTold) {
  {
    TlsSession session(context_of(material(false, true)));
    Client client;
    Wire wire;
    EXPECT_EQ(handshake(session, client, wire), TlsSession::Step::done);
    EXPECT_EQ(session.subject(), "");
  }
  TlsSession session(context_of(material(true)));
  Client client;
  Wire wire;
  EXPECT_EQ(handshake(session, client, wire), TlsSession::Step::failed);
  EXPECT_EQ(session.failure(), "peer did not return a certificate");
}

TEST_F(TlsSessionTest, RefusesMaterialThatDoesNotFit) {
  const auto error_of = [](const TlsMaterial& bad) {
    const auto context = make_tls_context(bad);
    EXPECT_EQ(ERR_peek_error(), 0u);
    return context ? std::string("it was taken") : context.error().message;
  };
  auto bad = material();
  bad.certificate = "nothing of the kind";
  EXPECT_EQ(error_of(bad), "certificate: it holds no certificate in PEM");
  bad = material();
  bad.certificate += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_TRUE(error_of(bad).starts_with("certificate: ")) << error_of(bad);
  bad = material();
  bad.key = authority_.key_pem();
  EXPECT_EQ(error_of(bad), "key: key values mismatch");
  bad.key = own_.key_pem("secret");
  EXPECT_EQ(error_of(bad), "key: it holds no private key in PEM that needs no password");
  bad = material();
  bad.client_ca = own_.key_pem();
  EXPECT_EQ(error_of(bad), "client CA: it holds no certificate in PEM");
  EXPECT_TRUE(describe(context_of(material())).starts_with("CN = broker, valid until "));
}

}  // namespace
}  // namespace penstock::net
