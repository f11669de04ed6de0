// A TLS client of OpenSSL's own, on memory: what it sends and hears, a test carries.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "test/support/certificates.h"

namespace penstock::testing {

class TlsPeer {
 public:
  explicit TlsPeer(int version = TLS1_3_VERSION, const Certificate* identity = nullptr)
      : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context_.get(), identity->certificate());
      SSL_CTX_use_PrivateKey(context_.get(), identity->key());
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }

  // Goes on with the handshake; true when its own side is done.
  bool handshake() { return SSL_do_handshake(ssl_.get()) == 1; }
  void receive(std::string_view ciphertext) {
    BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
  }
  std::string sent() {
    std::string out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
    if (!out.empty()) {
      BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
    }
    return out;
  }
  void write(std::string_view text) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
  }
  std::string read() {
    std::string text;
    char buffer[20'000];
    for (int count = 0; (count = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  void say_goodbye() { SSL_shutdown(ssl_.get()); }
  bool heard_goodbye() { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
  void change_keys() { SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED); }

 private:
  Owned<SSL_CTX, SSL_CTX_free> context_;
  Owned<SSL, SSL_free> ssl_;
};

}  // namespace penstock::testing
