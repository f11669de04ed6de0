#include "net/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <vector>

namespace penstock::net {
namespace {

using Bio = OpenSslPtr<BIO, BIO_free>;
using Certificate = OpenSslPtr<X509, X509_free>;
using PrivateKey = OpenSslPtr<EVP_PKEY, EVP_PKEY_free>;

// A chain of a few certificates of 4096 bits; what is longer is refused unread.
constexpr long kPeerChainBytesMax = 32u << 10;
constexpr int kChainDepthMax = 8;

// Without one OpenSSL would ask the terminal.
int no_password(char* /*into*/, int /*size*/, int /*writing*/, void* /*context*/) {
  return 0;
}

Bio reader_of(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::unexpected<Error> refuse(std::string_view what, std::string_view otherwise) {
  return fail(Error{ErrorCode::invalid, openssl_problem(otherwise)}.at(what));
}

// All of them, at least one.
Result<std::vector<Certificate>> read_certificates(const std::string& pem, std::string_view what) {
  ERR_clear_error();
  const Bio in = reader_of(pem);
  std::vector<Certificate> certificates;
  while (auto* next = PEM_read_bio_X509(in.get(), nullptr, no_password, nullptr)) {
    certificates.emplace_back(next);
  }
  const auto last = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  if (!certificates.empty() && at_end) {
    ERR_clear_error();
    return certificates;
  }
  if (at_end) {
    ERR_clear_error();
    return fail(ErrorCode::invalid, std::string(what) + ": it holds no certificate in PEM",
                "a certificate begins with -----BEGIN CERTIFICATE-----");
  }
  return refuse(what, "a certificate cannot be read");
}

Result<void> use_certificate(SSL_CTX* context, const std::string& pem) {
  auto chain = read_certificates(pem, "certificate");
  if (!chain) return fail(std::move(chain).error());
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1) {
    return refuse("certificate", "it cannot be used");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return refuse("certificate", "its chain cannot be used");
    }
  }
  return {};
}

Result<void> use_key(SSL_CTX* context, const std::string& pem) {
  ERR_clear_error();
  const Bio in = reader_of(pem);
  const PrivateKey key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    ERR_clear_error();
    return fail(ErrorCode::invalid, "key: it holds no private key in PEM that needs no password",
                "`openssl pkey -in KEY -out PLAIN` takes a password off");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return refuse("key", "it is not the certificate's");
  }
  return {};
}

Result<void> ask_clients(SSL_CTX* context, const TlsMaterial& material) {
  auto authorities = read_certificates(material.client_ca, "client CA");
  if (!authorities) return fail(std::move(authorities).error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const Certificate& authority : *authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return refuse("client CA", "it cannot be used");
    }
  }
  const int mode =
      SSL_VERIFY_PEER | (material.require_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
  SSL_CTX_set_verify(context, mode, nullptr);
  SSL_CTX_set_verify_depth(context, kChainDepthMax);
  return {};
}

}  // namespace

std::string openssl_problem(std::string_view otherwise) {
  const auto code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text(code != 0 && reason != nullptr ? std::string_view(reason) : otherwise);
  ERR_clear_error();
  return text;
}

Result<TlsContext> make_tls_context(const TlsMaterial& material) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr) return refuse("TLS", "OpenSSL is out of memory");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // Many clients end without saying so in TLS; what they send says itself where it ends.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_max_cert_list(raw, kPeerChainBytesMax);
  // Sessions are resumed by tickets, which the clients keep.
  constexpr unsigned char kSessionContext[] = "penstock";
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_session_id_context(raw, kSessionContext, sizeof kSessionContext - 1);
  if (auto used = use_certificate(raw, material.certificate); !used) return fail(used.error());
  if (auto used = use_key(raw, material.key); !used) return fail(used.error());
  if (!material.client_ca.empty()) {
    if (auto asked = ask_clients(raw, material); !asked) return fail(asked.error());
  }
  return context;
}

std::string describe(const TlsContext& context) {
  const X509* certificate = SSL_CTX_get0_certificate(context.get());
  const Bio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
  BIO_puts(out.get(), ", valid until ");
  ASN1_TIME_print(out.get(), X509_get0_notAfter(certificate));
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace penstock::net
