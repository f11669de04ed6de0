#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

#include "base/text.h"

namespace penstock::net {
namespace {

using State = Transfer::State;

TlsSession& session_of(BIO* bio) {
  return *static_cast<TlsSession*>(BIO_get_data(bio));
}

int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* count) {
  bool retry = false;
  BIO_clear_retry_flags(bio);
  const int result = session_of(bio).take(into, size, *count, retry);
  if (retry) BIO_set_retry_read(bio);
  return result;
}

int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* count) {
  bool retry = false;
  BIO_clear_retry_flags(bio);
  const int result = session_of(bio).give(data, size, *count, retry);
  if (retry) BIO_set_retry_write(bio);
  return result;
}

long bio_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_EOF) return session_of(bio).wire_ended() ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "penstock stream");
  BIO_meth_set_read_ex(method, bio_read);
  BIO_meth_set_write_ex(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO_METHOD* bio_method() {
  static const OpenSslPtr<BIO_METHOD, BIO_meth_free> method(make_method());
  return method.get();
}

std::string common_name_of(const X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return {};
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return valid_name(result, "common name") ? result : std::string();
}

}  // namespace

TlsSession::~TlsSession() = default;

bool TlsSession::begin() {
  ssl_.reset(SSL_new(context_.get()));
  BIO* bio = ssl_ == nullptr ? nullptr : BIO_new(bio_method());
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
  return true;
}

TlsSession::Step TlsSession::handshake() {
  ERR_clear_error();
  if (ssl_ == nullptr && !begin()) {
    failure_ = openssl_problem("out of memory");
    return Step::failed;
  }
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    const OpenSslPtr<X509, X509_free> peer(SSL_get1_peer_certificate(ssl_.get()));
    if (peer != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
      subject_ = common_name_of(peer.get());
    }
    return Step::done;
  }
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return Step::wants_input;
  failure_ = openssl_problem("the handshake broke off");
  const auto verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK) {
    failure_.append(": ").append(X509_verify_cert_error_string(verdict));
  }
  return Step::failed;
}

TlsSession::Moved TlsSession::outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {State::would_block};
    case SSL_ERROR_WANT_WRITE:
      return {.state = State::would_block, .needs_write = true};
    case SSL_ERROR_ZERO_RETURN:
      return {State::end};
    default:
      ERR_clear_error();
      return {State::broken};
  }
}

TlsSession::Moved TlsSession::read(std::span<std::byte> into) {
  ERR_clear_error();
  wire_dry_ = false;
  Moved moved{.state = State::ready, .more = true};
  while (moved.count < into.size()) {
    std::size_t count = 0;
    const auto rest = into.subspan(moved.count);
    const int result = SSL_read_ex(ssl_.get(), rest.data(), rest.size(), &count);
    if (result != 1) {
      const Moved stopped = outcome(result);
      if (moved.count == 0) return stopped;
      moved.more = stopped.state != State::would_block || stopped.needs_write;
      return moved;
    }
    moved.count += count;
  }
  return moved;
}

TlsSession::Moved TlsSession::write(ByteView data) {
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_write_ex(ssl_.get(), data.data(), data.size(), &count);
  if (result == 1) return {State::ready, count};
  Moved moved = outcome(result);
  if (moved.state == State::end) moved.state = State::broken;
  return moved;
}

bool TlsSession::say_goodbye() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  if (result >= 0) return true;
  const bool again = SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE;
  ERR_clear_error();
  return !again;
}

bool TlsSession::flush(Stream& wire) {
  while (!output_.empty()) {
    const Transfer put = wire.write(as_bytes(output_));
    if (put.state == State::would_block) return false;
    if (put.state != State::ready) break;  // the next read says so
    output_.erase(0, put.count);
  }
  std::string().swap(output_);
  return true;
}

int TlsSession::take(char* into, std::size_t size, std::size_t& count, bool& retry) {
  count = 0;
  if (const auto left = input.size() - input_taken_; left > 0) {
    count = std::min(left, size);
    input.copy(into, count, input_taken_);
    input_taken_ += count;
    if (input_taken_ == input.size()) {
      std::string().swap(input);
      input_taken_ = 0;
    }
    return 1;
  }
  if (wire_ == nullptr || wire_dry_) {
    retry = true;
    return 0;
  }
  const Transfer got = wire_->read({reinterpret_cast<std::byte*>(into), size});
  wire_dry_ = got.state != State::ready || got.count < size;
  wire_ended_ = got.state == State::end;
  retry = got.state == State::would_block;
  count = got.count;
  return got.state == State::ready ? 1 : 0;
}

int TlsSession::give(const char* data, std::size_t size, std::size_t& count, bool& retry) {
  count = 0;
  if (wire_ == nullptr) {
    output_.append(data, size);
    count = size;
    return 1;
  }
  if (!flush(*wire_)) {
    retry = true;
    return 0;
  }
  const Transfer put = wire_->write(as_bytes({data, size}));
  retry = put.state == State::would_block;
  count = put.count;
  return put.state == State::ready ? 1 : 0;
}

}  // namespace penstock::net
