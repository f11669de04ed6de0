// A stream with its handshake beside the loop, and a watcher that asks when it likes.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "net/tls.h"
#include "test/net/tls_peer.h"

namespace penstock::net {
namespace {

using testing::Certificate;
using testing::TlsPeer;

class TlsStreamTest : public ::testing::Test, public StreamWatcher {
 protected:
  TlsStreamTest() {
    const Certificate own({"broker"});
    TlsMaterial material;
    material.certificate = own.pem();
    material.key = own.key_pem();
    EXPECT_TRUE(server_.load(material));
    std::array<int, 2> sides{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sides.data()), 0);
    wire_ = adopt_socket(loop_, sides[0], {});
    peer_ = sides[1];
  }
  ~TlsStreamTest() override { ::close(peer_); }

  void on_readable() override {
    ++told_;
    std::array<std::byte, 100> buffer;
    const auto got = stream_->read(buffer);
    heard_ += as_text(ByteView(buffer).first(got.count));
  }
  void on_writable() override {}

  void accept(std::string_view hello) {
    stream_ = server_.accept(std::move(wire_), as_bytes(hello));
    stream_->watch(*this);
  }
  void carry(TlsPeer& client) {
    std::array<char, 20'000> buffer;
    for (ssize_t count = 0; (count = recv(peer_, buffer.data(), buffer.size(), 0)) > 0;)
      client.receive({buffer.data(), static_cast<std::size_t>(count)});
    const bool finishes = client.handshake() && !std::exchange(greeted_, true);
    if (finishes) client.write("first words");
    const auto sent = client.sent();
    EXPECT_EQ(send(peer_, sent.data(), sent.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(sent.size()));
  }
  // Asks for the first time when all is over, and nothing more comes from the wire.
  void ask_late(const auto& between) {
    loop_.run([&] {
      between();
      if (stream_->state() == TlsStream::State::handshaking || std::exchange(asked_, true)) return;
      stream_->wait_readable();
      loop_.post([this] { loop_.stop(); });
    });
  }

  Loop loop_;
  TlsServer server_{loop_};
  std::unique_ptr<Stream> wire_;
  std::unique_ptr<TlsStream> stream_;
  int peer_ = -1;
  int told_ = 0;
  std::string heard_;
  bool greeted_ = false, asked_ = false;
};

TEST_F(TlsStreamTest, TellsWhoAsksLateOfWhatCameWithTheEndOfTheHandshake) {
  TlsPeer client;
  EXPECT_FALSE(client.handshake());
  accept(client.sent());
  ask_late([&] { carry(client); });
  EXPECT_EQ(stream_->state(), TlsStream::State::established);
  EXPECT_EQ(heard_, "first words");
}

TEST_F(TlsStreamTest, TellsWhoAsksLateThatTheHandshakeFailed) {
  accept("\x16\x03 this is no hello");
  ask_late([] {});
  EXPECT_EQ(stream_->state(), TlsStream::State::failed);
  EXPECT_EQ(told_, 1);
}

}  // namespace
}  // namespace penstock::net
