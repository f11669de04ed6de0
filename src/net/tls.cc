#include "net/tls.h"

#include <array>
#include <optional>
#include <utility>

#include "base/check.h"
#include "net/tls_session.h"

namespace penstock::net {
namespace {

// What is read of a handshake at a time; a hello and its keys fit in.
constexpr std::size_t kHandshakeReadBytes = 4u << 10;

class ServerStream;

// shared_ptr, because a step may be under way when the stream goes: what it works on must still be
// there then, and must know that nobody waits for it any more.
struct Handshake {
  explicit Handshake(TlsContext context) : session(std::move(context)) {}
  TlsSession session;
  TlsSession::Step step = TlsSession::Step::wants_input;
  ServerStream* stream = nullptr;  // on the loop's thread only
};

class ServerStream final : public TlsStream, private StreamWatcher {
 public:
  ServerStream(Loop& loop, Background& background, TlsContext context, std::unique_ptr<Stream> wire,
               ByteView received)
      : loop_(loop),
        background_(background),
        shared_(std::make_shared<Handshake>(std::move(context))),
        wire_(std::move(wire)) {
    shared_->stream = this;
    wire_->watch(*this);
    session().input.assign(as_text(received));
    received_ = received.size();
    step();
  }
  ~ServerStream() override { shared_->stream = nullptr; }

  // ---- TlsStream
  State state() const override { return state_; }
  std::string_view failure() const override { return failure_; }
  std::string_view subject() const override {
    return state_ == State::established ? shared_->session.subject() : std::string_view();
  }

  // ---- Stream
  Transfer read(std::span<std::byte> into) override {
    if (state_ == State::handshaking) return {Transfer::State::would_block, 0};
    if (state_ == State::failed) {
      read_again_ = false;
      return wire_->read(into);
    }
    const auto moved = session().read(into);
    read_needs_write_ = moved.needs_write;
    read_again_ = moved.more;
    return {moved.state, moved.count};
  }
  Transfer write(ByteView data) override {
    if (state_ == State::handshaking) return {Transfer::State::would_block, 0};
    if (state_ == State::failed) return {Transfer::State::broken, 0};
    const auto moved = session().write(data);
    return {moved.state, moved.count};
  }
  void wait_readable() override {
    reading_wanted_ = true;
    if (read_again_) return notify_later();
    if (read_needs_write_) return arm_write();
    if (!stepping_) arm_read();
  }
  void wait_writable() override {
    writing_wanted_ = true;
    arm_write();
  }
  void end_writing() override {
    ending_ = true;
    end_when_sent();
  }
  void forget_unsent() override { wire_->forget_unsent(); }
  const Address& peer() const override { return wire_->peer(); }
  void watch(StreamWatcher& watcher) override { watcher_ = &watcher; }

  // A step of the handshake is done.
  void stepped() {
    stepping_ = false;
    if (!session().flush(*wire_)) arm_write();
    switch (shared_->step) {
      case TlsSession::Step::wants_input:
        return arm_read();
      case TlsSession::Step::done:
        session().connect(*wire_);
        state_ = State::established;
        break;
      case TlsSession::Step::failed:
        fail_with(session().failure());
        break;
    }
    if (ending_) end_when_sent();
    tell_reader();
  }

 private:
  [[nodiscard]] TlsSession& session() { return shared_->session; }

  void step() {
    stepping_ = true;
    background_.run([shared = shared_] { shared->step = shared->session.handshake(); },
                    [shared = shared_] {
                      if (shared->stream != nullptr) shared->stream->stepped();
                    });
  }

  void fail_with(std::string why) {
    state_ = State::failed;
    failure_ = std::move(why);
  }

  void on_readable() override {
    read_armed_ = false;
    if (state_ == State::handshaking) return receive_handshake();
    notify_reader();
  }
  void on_writable() override {
    write_armed_ = false;
    if (!stepping_ && !session().flush(*wire_)) return arm_write();
    if (ending_) end_when_sent();
    const bool read_goes_on = std::exchange(read_needs_write_, false);
    const auto shared = shared_;
    if (std::exchange(writing_wanted_, false)) watcher_->on_writable();
    if (read_goes_on && shared->stream != nullptr) notify_reader();
  }

  void receive_handshake() {
    std::array<std::byte, kHandshakeReadBytes> buffer;
    const Transfer got = wire_->read(buffer);
    if (got.state == Transfer::State::would_block) return arm_read();
    received_ += got.count;
    if (got.state != Transfer::State::ready) {
      fail_with("the peer went away during the handshake");
    } else if (received_ > kTlsHandshakeBytesMax) {
      fail_with("the handshake is too long");
    } else {
      session().input.append(as_text(ByteView(buffer).first(got.count)));
      return step();
    }
    tell_reader();
  }

  // Whoever reads is to look: for how the handshake ended, and for what came with its end. Nothing
  // more need come from the wire for that; so who asks only later must not wait for the wire.
  void tell_reader() {
    read_again_ = true;
    notify_reader();
  }

  void notify_reader() {
    if (std::exchange(reading_wanted_, false)) watcher_->on_readable();
  }
  // Never from within wait_readable(): the watcher may not be ready for it.
  void notify_later() {
    loop_.post([shared = shared_] {
      if (shared->stream != nullptr) shared->stream->notify_reader();
    });
  }

  void end_when_sent() {
    if (stepping_ || ended_) return;
    if (!session().flush(*wire_) || (state_ == State::established && !session().say_goodbye())) {
      return arm_write();
    }
    ended_ = true;
    wire_->end_writing();
  }

  void arm_read() {
    if (!std::exchange(read_armed_, true)) wire_->wait_readable();
  }
  void arm_write() {
    if (!std::exchange(write_armed_, true)) wire_->wait_writable();
  }

  Loop& loop_;
  Background& background_;
  const std::shared_ptr<Handshake> shared_;
  const std::unique_ptr<Stream> wire_;
  StreamWatcher* watcher_ = nullptr;
  State state_ = State::handshaking;
  std::string failure_;
  std::size_t received_ = 0;  // of the handshake
  bool stepping_ = false;     // the session is in the background
  bool reading_wanted_ = false;
  bool writing_wanted_ = false;
  bool read_armed_ = false;  // of the wire
  bool write_armed_ = false;
  bool read_again_ = false;  // there is news, or what the wire gave is not all read yet
  bool read_needs_write_ = false;
  bool ending_ = false;
  bool ended_ = false;
};

}  // namespace

class TlsServer::Impl {
 public:
  explicit Impl(Loop& loop) : loop_(loop) {}

  Result<std::string> load(const TlsMaterial& material) {
    auto context = make_tls_context(material);
    if (!context) return fail(std::move(context).error());
    context_ = std::move(*context);
    if (!background_) background_.emplace(loop_);
    return describe(context_);
  }
  [[nodiscard]] bool ready() const { return context_ != nullptr; }

  std::unique_ptr<TlsStream> accept(std::unique_ptr<Stream> plain, ByteView received) {
    CHECK(ready());
    return std::make_unique<ServerStream>(loop_, *background_, context_, std::move(plain),
                                          received);
  }

 private:
  Loop& loop_;
  TlsContext context_;
  std::optional<Background> background_;
};

TlsServer::TlsServer(Loop& loop) : impl_(std::make_unique<Impl>(loop)) {}
TlsServer::~TlsServer() = default;

Result<std::string> TlsServer::load(const TlsMaterial& material) {
  return impl_->load(material);
}

bool TlsServer::ready() const {
  return impl_->ready();
}

std::unique_ptr<TlsStream> TlsServer::accept(std::unique_ptr<Stream> plain, ByteView received) {
  return impl_->accept(std::move(plain), received);
}

}  // namespace penstock::net
