// Certificates for tests, made in memory: quick ones, of P-256.
#pragma once

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

namespace penstock::testing {

template <auto Free>
struct Frees {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Frees<Free>>;

class Certificate {
 public:
  // Signed by `signer`, or by itself. Several names make several common names.
  explicit Certificate(const std::vector<std::string>& names, const Certificate* signer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* raw = certificate_.get();
    X509_set_version(raw, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(raw), next_serial());
    X509_gmtime_adj(X509_getm_notBefore(raw), -3600);
    X509_gmtime_adj(X509_getm_notAfter(raw), 3600);
    X509_set_pubkey(raw, key_.get());
    X509_NAME* subject = X509_get_subject_name(raw);
    for (const std::string& name : names) {
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0);
    }
    X509_set_issuer_name(raw, signer ? X509_get_subject_name(signer->certificate_.get()) : subject);
    if (signer == nullptr) {
      const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
      X509_add_ext(raw, extension.get(), -1);
    }
    X509_sign(raw, (signer ? *signer : *this).key_.get(), EVP_sha256());
  }

  [[nodiscard]] std::string pem() const {
    const Out out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(out.get(), certificate_.get());
    return text_of(out.get());
  }
  [[nodiscard]] std::string key_pem(const char* password = nullptr) const {
    const Out out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(out.get(), key_.get(), password ? EVP_aes_128_cbc() : nullptr, nullptr,
                             0, nullptr, const_cast<char*>(password));
    return text_of(out.get());
  }
  [[nodiscard]] X509* certificate() const { return certificate_.get(); }
  [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

 private:
  using Out = Owned<BIO, BIO_free>;
  static long next_serial() {
    static long serial = 0;
    return ++serial;
  }
  static std::string text_of(BIO* out) {
    char* text = nullptr;
    const auto size = BIO_get_mem_data(out, &text);
    return {text, static_cast<std::size_t>(size)};
  }

  Owned<EVP_PKEY, EVP_PKEY_free> key_;
  Owned<X509, X509_free> certificate_;
};

}  // namespace penstock::testing
