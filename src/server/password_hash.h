// What is kept of a password: argon2id (RFC 9106) as a PHC text, with a salt of its own.
//
//   $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
//   $rabbitmq-sha256$<base64 of 4 bytes of salt and SHA-256 of salt and password>
//
// The second is what RabbitMQ exports; it is understood and never made.
//
// Threads: pure functions, but for hash_password, which asks the kernel for a salt.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::server {

inline constexpr std::size_t kPasswordBytesMax = 1024;

// Takes some 30 ms and 19 MiB. Error::invalid for a password that is empty or too long.
[[nodiscard]] Result<std::string> hash_password(std::string_view password);
// Takes as long as the hash says, and one of RabbitMQ's as long as ours, whatever the password is.
// False for a hash that is none, and for a password that hash_password() would not take.
[[nodiscard]] bool is_password(std::string_view hash, std::string_view password);
// One of the two forms above, and no more costly than four times ours.
[[nodiscard]] Result<void> check_password_hash(std::string_view hash);
// Of no password at all, as costly as ours.
[[nodiscard]] std::string_view nobodys_hash();

}  // namespace penstock::server
