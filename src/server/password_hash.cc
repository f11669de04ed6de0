#include "server/password_hash.h"

#include <argon2.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "os/real_clock.h"
#include "protocol/passwords.h"

namespace penstock::server {
namespace {

constexpr std::uint32_t kMemoryKiB = 19'456;
constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
constexpr std::string_view kArgon = "$argon2id$v=19$";
using protocol::kRabbitHash;
constexpr std::size_t kRabbitSaltBytes = 4;

// Takes "name=digits" and what ends it off the front.
std::optional<std::uint64_t> parameter(std::string_view& text, std::string_view name, char end) {
  if (!text.starts_with(name)) return std::nullopt;
  const auto at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const auto value = parse_u64(text.substr(name.size(), at - name.size()));
  text.remove_prefix(at + 1);
  return value ? std::optional(*value) : std::nullopt;
}

// Salt and hash, if `hash` is one of RabbitMQ's.
std::optional<std::string> rabbit_bytes(std::string_view hash) {
  if (!hash.starts_with(kRabbitHash)) return std::nullopt;
  auto bytes = base64_decode(hash.substr(kRabbitHash.size()));
  if (!bytes || bytes->size() != kRabbitSaltBytes + SHA256_DIGEST_LENGTH) return std::nullopt;
  return std::move(*bytes);
}

bool is_rabbit_password(const std::string& bytes, std::string_view password) {
  std::string salted = bytes.substr(0, kRabbitSaltBytes).append(password);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(salted.data()), salted.size(), digest.data());
  ::OPENSSL_cleanse(salted.data(), salted.size());
  return ::CRYPTO_memcmp(digest.data(), bytes.data() + kRabbitSaltBytes, digest.size()) == 0;
}

// Compares in constant time.
bool is_argon_password(std::string_view hash, std::string_view password) {
  return ::argon2id_verify(std::string(hash).c_str(), password.data(), password.size()) ==
         ARGON2_OK;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (password.empty() || password.size() > kPasswordBytesMax)
    return fail(ErrorCode::invalid, fmt::format("a password has 1 to {} bytes", kPasswordBytesMax));
  std::array<unsigned char, kSaltBytes> salt{};
  secure_random(salt.data(), salt.size());
  std::string text(
      ::argon2_encodedlen(kPasses, kMemoryKiB, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const int code =
      ::argon2id_hash_encoded(kPasses, kMemoryKiB, kLanes, password.data(), password.size(),
                              salt.data(), salt.size(), kHashBytes, text.data(), text.size());
  if (code != ARGON2_OK)
    return fail(ErrorCode::io, fmt::format("hash a password: {}", ::argon2_error_message(code)));
  text.resize(text.find('\0'));
  return text;
}

bool is_password(std::string_view hash, std::string_view password) {
  const bool possible = !password.empty() && password.size() <= kPasswordBytesMax;
  if (!possible) password = {};
  if (const auto rabbit = rabbit_bytes(hash)) {
    // As slow as the others, or the time would tell that there is such a user.
    const bool nobody = is_argon_password(nobodys_hash(), password);
    return is_rabbit_password(*rabbit, password) && possible && !nobody;
  }
  return check_password_hash(hash) && is_argon_password(hash, password) && possible;
}

Result<void> check_password_hash(std::string_view hash) {
  if (rabbit_bytes(hash)) return {};
  const auto refuse = [](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("a password's hash that {}", why),
                "it is $argon2id$v=19$m=...,t=...,p=...$salt$hash");
  };
  if (!hash.starts_with(kArgon) || hash.size() > 256) return refuse("is of no known form");
  auto rest = hash.substr(kArgon.size());
  const auto memory = parameter(rest, "m=", ',');
  const auto passes = parameter(rest, "t=", ',');
  const auto lanes = parameter(rest, "p=", '$');
  if (!memory || !passes || !lanes) return refuse("does not say what it costs");
  if (*memory < 8 || *memory > 4 * kMemoryKiB || *passes < 1 || *lanes < 1 || *lanes > 4 ||
      *memory * *passes > 4ull * kMemoryKiB * kPasses)
    return refuse("costs too much to check");
  const auto salt_end = rest.find('$');
  if (salt_end == std::string_view::npos || salt_end < 11 || rest.size() - salt_end < 22)
    return refuse("has no salt, or no end");
  return {};
}

std::string_view nobodys_hash() {
  // Of random bytes that were thrown away: nobody has the password.
  return "$argon2id$v=19$m=19456,t=2,p=1$cGVuc3RvY2tub2JvZHlz$"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}

}  // namespace penstock::server
