// Users and their permissions as RabbitMQ's tools write and read them, in requests and in
// definitions.
//
//   password_hash   hashing_algorithm
//   base64          rabbit_password_hashing_sha256: four bytes of salt, and SHA-256 of salt and
//                   password
//   PHC text        argon2id: what Penstock makes itself
//   ""              any: no password is right
//
// Threads: one. Lifetime: they own their texts.
#pragma once

#include <boost/json/value.hpp>

#include "broker/broker.h"
#include "protocol/http/json_text.h"
#include "protocol/http/management/fields.h"
#include "protocol/passwords.h"

namespace penstock::protocol::http::management {

class UserDeclaration {
 public:
  // `value` has name, password_hash, hashing_algorithm and tags; `what` begins the errors.
  [[nodiscard]] static Result<UserDeclaration> read(const boost::json::value& value,
                                                    const std::string& what,
                                                    const Passwords* passwords);
  [[nodiscard]] bool is_administrator() const {
    return (roles_ & engine::bit(engine::Role::administrator)) != 0;
  }
  void declare(broker::Broker& broker, SessionId session, broker::Tag tag) const;  // Done | Error

 private:
  std::string name_, hash_;
  engine::Roles roles_ = 0;
};

class PermissionDeclaration {
 public:
  // `value` has configure, write and read.
  [[nodiscard]] static Result<PermissionDeclaration> read(std::string user, std::string host,
                                                          const boost::json::value& value,
                                                          const std::string& what);
  void declare(broker::Broker& broker, SessionId session, broker::Tag tag) const;  // Done | Error

 private:
  std::string user_, host_, configure_, write_, read_;
};

class TopicPermissionDeclaration {
 public:
  // `value` has exchange, write and read.
  [[nodiscard]] static Result<TopicPermissionDeclaration> read(std::string user, std::string host,
                                                               const boost::json::value& value,
                                                               const std::string& what);
  // That user has none at that exchange.
  [[nodiscard]] bool is_new(const engine::User& user) const {
    return !user.topic_permissions.contains({host_, exchange_});
  }
  void declare(broker::Broker& broker, SessionId session, broker::Tag tag) const;  // Done | Error

 private:
  std::string user_, host_, exchange_, write_, read_;
};

// "administrator,monitoring", or the same as a list; an absent one is an error, as with RabbitMQ.
[[nodiscard]] Result<engine::Roles> read_tags(const boost::json::value& value,
                                              const std::string& what);
// What is kept for password_hash and hashing_algorithm; "" without one.
[[nodiscard]] Result<std::string> read_password_hash(Fields& fields, const std::string& what,
                                                     const Passwords* passwords);

enum class Hashes : bool { hidden, shown };
void write_user(JsonText& json, const engine::User& user, Hashes hashes);
void write_permissions(JsonText& json, const engine::User& user, std::string_view only_host);
void write_topic_permissions(JsonText& json, const engine::User& user, std::string_view only_host);

}  // namespace penstock::protocol::http::management
