// Names of queues and exchanges, each within its virtual host.
//
// What lives in the virtual host "/" goes by its plain name, which is all that HTTP and the native
// protocol know. In any other the name begins with the host's, and a separator that names never
// have:
//
//   orders                 queue "orders" of "/"
//   shop <0x1f> orders     queue "orders" of "shop"
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"

namespace penstock::engine {

inline constexpr std::string_view kDefaultHost = "/";
inline constexpr char kHostSeparator = '\x1f';

struct ScopedName {
  std::string_view host, name;
};

[[nodiscard]] inline ScopedName split_name(std::string_view scoped) {
  const auto at = scoped.find(kHostSeparator);
  if (at == std::string_view::npos) return {kDefaultHost, scoped};
  return {scoped.substr(0, at), scoped.substr(at + 1)};
}

// A name that a client made up, with a separator in it, is none of any host's; above all not of the
// one that it would begin with.
[[nodiscard]] inline std::string scoped_name(std::string_view host, std::string_view name) {
  std::string scoped;
  if (host != kDefaultHost || name.find(kHostSeparator) != std::string_view::npos)
    scoped.append(host).push_back(kHostSeparator);
  return scoped.append(name);
}

// A name of the same virtual host as `other`.
[[nodiscard]] inline std::string beside(std::string_view other, std::string_view name) {
  return scoped_name(split_name(other).host, name);
}

[[nodiscard]] inline Result<void> valid_scoped_name(std::string_view scoped,
                                                    std::string_view what) {
  const auto [host, name] = split_name(scoped);
  if (auto valid = valid_name(host, "virtual host"); !valid) return valid;
  return valid_name(name, what);
}

}  // namespace penstock::engine
