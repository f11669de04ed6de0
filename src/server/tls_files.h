// The certificates that the settings name, from their files.
//
// Threads: any; reads files.
#pragma once

#include <string>

#include "base/result.h"
#include "net/tls.h"

namespace penstock::server {

// Paths to files in PEM; all empty where TLS is not spoken.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;
  bool require_client = false;

  [[nodiscard]] bool any() const {
    return !certificate.empty() || !key.empty() || !client_ca.empty() || require_client;
  }
};

// That they make sense together; looks at no file.
[[nodiscard]] Result<void> validate(const TlsFiles& files);

// Reads the files and loads what is in them. What is wrong names the setting and the file; the
// server then goes on with what it had. Gives what was loaded, for a log line.
[[nodiscard]] Result<std::string> load_tls(net::TlsServer& server, const TlsFiles& files);

}  // namespace penstock::server
