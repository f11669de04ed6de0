// A connection that begins with a TLS handshake.
#include <spdlog/spdlog.h>

#include "gateway/connection.h"

namespace penstock::gateway {
namespace {

// A scanner must not fill the log; the counters have them all.
constexpr Duration kBetweenLines = std::chrono::seconds(10);

bool may_log(Hall& hall) {
  const Time now = hall.clock.now();
  if (now < hall.next_tls_line) return false;
  hall.next_tls_line = now + kBetweenLines;
  return true;
}

}  // namespace

bool Connection::encrypted() const {
  return tls_ != nullptr;
}

std::string_view Connection::tls_subject() const {
  return tls_ == nullptr ? std::string_view() : tls_->subject();
}

std::size_t Connection::begin_tls(ByteView input) {
  if (encrypted() || hall_.tls == nullptr || !hall_.tls->ready()) {
    ++hall_.statistics.tls_refused;
    if (may_log(hall_)) {
      spdlog::warn("{} speaks TLS{}: refused ({} so far)", peer(),
                   encrypted() ? " within TLS" : ", and no tls_certificate is set",
                   hall_.statistics.tls_refused);
    }
    kill();
    return 0;
  }
  auto stream = hall_.tls->accept(std::move(stream_), input);
  tls_ = stream.get();
  stream_ = std::move(stream);
  stream_->watch(*this);
  handshaking_ = true;
  return input.size();
}

bool Connection::passed_handshake() {
  switch (tls_->state()) {
    case net::TlsStream::State::handshaking:
      return false;
    case net::TlsStream::State::established:
      handshaking_ = false;
      ++hall_.statistics.tls_handshakes;
      return true;
    case net::TlsStream::State::failed:
      break;
  }
  handshaking_ = false;
  ++hall_.statistics.tls_failures;
  if (may_log(hall_)) {
    spdlog::warn("TLS handshake with {} failed: {} ({} so far)", peer(), tls_->failure(),
                 hall_.statistics.tls_failures);
  }
  linger();
  return false;
}

}  // namespace penstock::gateway
