// A plain blocking client over TLS, for the tests.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "test/gateway/socket_client.h"
#include "test/support/certificates.h"

namespace penstock::testing {

class TlsClient {
 public:
  explicit TlsClient(const net::Address& address, const Certificate* identity = nullptr)
      : socket_(address), context_(SSL_CTX_new(TLS_client_method())) {
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context_.get(), identity->certificate());
      SSL_CTX_use_PrivateKey(context_.get(), identity->key());
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_.fd());
  }

  bool handshake() { return SSL_connect(ssl_.get()) == 1; }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const int count = SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // Exactly `count` bytes, or what came before the end.
  std::string read(std::size_t count) {
    while (rest_.size() < count && more()) {
    }
    return take(std::min(count, rest_.size()));
  }
  std::string read_all() {
    while (more()) {
    }
    return take(rest_.size());
  }
  // Says that no more will come, and goes on reading.
  void end_sending() { SSL_shutdown(ssl_.get()); }
  // The server said goodbye before it closed.
  [[nodiscard]] bool heard_goodbye() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  // "CN = name" of the certificate that the server showed.
  [[nodiscard]] std::string server_name() const {
    const Owned<X509, X509_free> shown(SSL_get1_peer_certificate(ssl_.get()));
    char name[256] = "";
    if (shown != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name,
                                sizeof name);
    }
    return name;
  }
  SocketClient& socket() { return socket_; }

 private:
  bool more() {
    char buffer[16'384];
    const int count = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (count <= 0) return false;
    rest_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }
  std::string take(std::size_t count) {
    std::string taken = rest_.substr(0, count);
    rest_.erase(0, count);
    return taken;
  }

  SocketClient socket_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
  std::string rest_;
};

}  // namespace penstock::testing
