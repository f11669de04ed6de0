#include "server/tls_files.h"

#include <utility>

#include "os/file.h"

namespace penstock::server {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 20;

Result<void> read_into(std::string& text, const std::string& path, std::string_view setting) {
  if (path.empty()) return {};
  auto read = read_small_file(path, kFileBytesMax);
  if (!read) {
    Error error = std::move(read).error().at(setting);
    // It is the setting that is wrong.
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::invalid;
    return fail(std::move(error));
  }
  text = std::move(*read);
  return {};
}

}  // namespace

Result<void> validate(const TlsFiles& files) {
  if (!files.any()) return {};
  if (files.certificate.empty()) {
    return fail(ErrorCode::invalid, "tls_certificate: it is missing, and TLS is nothing without it",
                "name the file with the server's certificate");
  }
  if (files.key.empty()) {
    return fail(ErrorCode::invalid, "tls_key: it is missing, and the certificate needs it",
                "name the file with the certificate's private key");
  }
  if (files.require_client && files.client_ca.empty()) {
    return fail(ErrorCode::invalid,
                "tls_client_ca: it is missing, and tls_client_certificate = require needs it",
                "name the file with the certificate of whoever signs those of the clients");
  }
  return {};
}

Result<std::string> load_tls(net::TlsServer& server, const TlsFiles& files) {
  net::TlsMaterial material;
  material.require_client = files.require_client;
  auto read = read_into(material.certificate, files.certificate, "tls_certificate");
  if (read) read = read_into(material.key, files.key, "tls_key");
  if (read) read = read_into(material.client_ca, files.client_ca, "tls_client_ca");
  if (!read) return fail(std::move(read).error());
  auto loaded = server.load(material);
  if (!loaded) return fail(std::move(loaded).error().at("TLS"));
  return loaded;
}

}  // namespace penstock::server
