#include "protocol/http/credentials.h"

#include "base/text.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kScheme = "basic ";

}  // namespace

std::optional<Credentials> read_credentials(const wire::http::Fields& fields) {
  auto text = fields.value("Authorization");
  if (!ascii_iequals(text.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const auto decoded = base64_decode(text);
  if (!decoded) return std::nullopt;
  const auto colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

}  // namespace penstock::protocol::http
