// One peer's TLS state, without a thread of its own: ciphertext in, ciphertext out.
//
//   handshake   wire is null: octets come from `input` and go to `output`
//   afterwards  what is left of `input` first, then straight from and to the wire
//
// Threads: one at a time; it changes hands through a queue.
#pragma once

#include <string>

#include "net/tls_context.h"

namespace penstock::net {

class TlsSession {
 public:
  explicit TlsSession(TlsContext context) : context_(std::move(context)) {}
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // ---- Until it is done or failed.
  enum class Step : std::uint8_t { wants_input, done, failed };
  // Goes on with what is in `input`; what is to be sent comes behind `output`.
  Step handshake();
  // After `failed`.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // After `done`; see TlsStream::subject().
  [[nodiscard]] const std::string& subject() const { return subject_; }

  // ---- Once it is done: on the thread of the wire, which outlives this.
  void connect(Stream& wire) { wire_ = &wire; }
  struct Moved {
    Transfer::State state = Transfer::State::broken;
    std::size_t count = 0;
    bool needs_write = false;  // with would_block: it goes on when the wire can be written
    bool more = false;         // of a read: another may give something without a word of the wire
  };
  // Until `into` is full or nothing more is there.
  Moved read(std::span<std::byte> into);
  // After would_block the same bytes are to be offered again, or these and more.
  Moved write(ByteView data);
  // Tells the peer that nothing more will come. False when the wire is full: again, then.
  [[nodiscard]] bool say_goodbye();
  // Sends what the handshake left. False while the wire does not take it all.
  [[nodiscard]] bool flush(Stream& wire);

  std::string input;  // received and not taken by TLS yet

  // For OpenSSL: what its BIO does.
  int take(char* into, std::size_t size, std::size_t& count, bool& retry);
  int give(const char* data, std::size_t size, std::size_t& count, bool& retry);
  [[nodiscard]] bool wire_ended() const { return wire_ended_; }

 private:
  bool begin();
  Moved outcome(int result);

  TlsContext context_;
  OpenSslPtr<SSL, SSL_free> ssl_;
  Stream* wire_ = nullptr;
  std::size_t input_taken_ = 0;
  std::string output_;
  bool wire_dry_ = false;  // since this read() began
  bool wire_ended_ = false;
  std::string failure_;
  std::string subject_;
};

}  // namespace penstock::net
