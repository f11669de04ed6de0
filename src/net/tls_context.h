// OpenSSL's objects with owners, and the context that all sessions of one certificate share.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "net/tls.h"

namespace penstock::net {

template <auto Free>
struct OpenSslDelete {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using OpenSslPtr = std::unique_ptr<T, OpenSslDelete<Free>>;

// shared_ptr: sessions keep the certificate that they began with, whatever is loaded since.
using TlsContext = std::shared_ptr<SSL_CTX>;

[[nodiscard]] Result<TlsContext> make_tls_context(const TlsMaterial& material);
// Whose certificate it shows, and until when it is valid.
[[nodiscard]] std::string describe(const TlsContext& context);

// What OpenSSL complained of first, on this thread, since its list was cleared; the list is cleared
// then. `otherwise` when it did not.
[[nodiscard]] std::string openssl_problem(std::string_view otherwise);

}  // namespace penstock::net
