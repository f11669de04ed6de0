#include "protocol/http/management/user_declarations.h"

#include <fmt/format.h>

#include "base/text.h"

namespace penstock::protocol::http::management {
namespace {

constexpr std::string_view kRabbitAlgorithm = "rabbit_password_hashing_sha256";
constexpr std::string_view kOwnAlgorithm = "argon2id";

}  // namespace

Result<engine::Roles> read_tags(const boost::json::value& value, const std::string& what) {
  const auto* object = value.if_object();
  const auto* tags = object == nullptr ? nullptr : object->if_contains("tags");
  const auto wrong = [&] {
    return fail(ErrorCode::invalid,
                fmt::format("{}: tags must be a string or a list of them", what));
  };
  if (tags == nullptr) return wrong();
  std::string text;
  if (const auto* one = tags->if_string()) {
    text.assign(one->data(), one->size());
  } else if (const auto* many = tags->if_array()) {
    for (const auto& tag : *many) {
      const auto* name = tag.if_string();
      if (name == nullptr) return wrong();
      text.append(name->data(), name->size()).push_back(',');
    }
  } else {
    return wrong();
  }
  auto roles = engine::parse_roles(text);
  if (!roles) return fail(std::move(roles.error()).at(what));
  return roles;
}

Result<std::string> read_password_hash(Fields& fields, const std::string& what,
                                       const Passwords* passwords) {
  const auto given = fields.text("password_hash");
  const auto algorithm = fields.text("hashing_algorithm", kRabbitAlgorithm);
  if (auto good = fields.good(); !good) return fail(good.error());
  if (given.empty()) return std::string();
  if (algorithm != kRabbitAlgorithm && algorithm != kOwnAlgorithm)
    return fail(ErrorCode::invalid,
                fmt::format("{}: hashing_algorithm {} is neither {} nor {}", what,
                            quoted(algorithm), kRabbitAlgorithm, kOwnAlgorithm));
  if (passwords == nullptr) return fail(ErrorCode::unsupported, "this server checks no passwords");
  auto hash =
      algorithm == kRabbitAlgorithm ? std::string(kRabbitHash).append(given) : std::string(given);
  if (auto accepted = passwords->accepts(hash); !accepted)
    return fail(std::move(accepted.error()).at(what));
  return hash;
}

// ---- in

Result<UserDeclaration> UserDeclaration::read(const boost::json::value& value,
                                              const std::string& what, const Passwords* passwords) {
  Fields fields(value, what);
  UserDeclaration user;
  user.name_ = fields.required_text("name");
  if (auto good = fields.good(); !good) return fail(good.error());
  if (auto valid = valid_name(user.name_, what); !valid) return fail(valid.error());
  if (fields.has("password"))
    return fail(ErrorCode::invalid, fmt::format("{}: definitions have password_hash", what));
  auto hash = read_password_hash(fields, what, passwords);
  if (!hash) return fail(std::move(hash.error()));
  const auto roles = read_tags(value, what);
  if (!roles) return fail(roles.error());
  user.hash_ = std::move(*hash);
  user.roles_ = *roles;
  return user;
}

void UserDeclaration::declare(broker::Broker& broker, SessionId session, broker::Tag tag) const {
  broker.put_user(session, tag, {name_, hash_, roles_});
}

Result<PermissionDeclaration> PermissionDeclaration::read(std::string user, std::string host,
                                                          const boost::json::value& value,
                                                          const std::string& what) {
  Fields fields(value, what);
  PermissionDeclaration permission;
  permission.configure_ = fields.required_text("configure");
  permission.write_ = fields.required_text("write");
  permission.read_ = fields.required_text("read");
  if (auto good = fields.good(); !good) return fail(good.error());
  permission.user_ = std::move(user);
  permission.host_ = std::move(host);
  return permission;
}

void PermissionDeclaration::declare(broker::Broker& broker, SessionId session,
                                    broker::Tag tag) const {
  broker.grant(session, tag, {user_, host_, configure_, write_, read_});
}

Result<TopicPermissionDeclaration> TopicPermissionDeclaration::read(std::string user,
                                                                    std::string host,
                                                                    const boost::json::value& value,
                                                                    const std::string& what) {
  Fields fields(value, what);
  TopicPermissionDeclaration permission;
  permission.exchange_ = fields.required_text("exchange");
  permission.write_ = fields.required_text("write");
  permission.read_ = fields.required_text("read");
  if (auto good = fields.good(); !good) return fail(good.error());
  permission.user_ = std::move(user);
  permission.host_ = std::move(host);
  return permission;
}

void TopicPermissionDeclaration::declare(broker::Broker& broker, SessionId session,
                                         broker::Tag tag) const {
  broker.grant_topic(session, tag, {user_, host_, exchange_, write_, read_});
}

// ---- out

void write_user(JsonText& json, const engine::User& user, Hashes hashes) {
  const std::string_view hash = user.password;
  const bool rabbit = hash.starts_with(kRabbitHash);
  json.begin_object().key("name").string(user.name);
  if (hashes == Hashes::shown)
    json.key("password_hash").string(rabbit ? hash.substr(kRabbitHash.size()) : hash);
  json.key("hashing_algorithm").string(rabbit || hash.empty() ? kRabbitAlgorithm : kOwnAlgorithm);
  json.key("tags").begin_array();
  for (const auto& [role, name, meaning] : engine::kRoleNames)
    if ((user.roles & bit(role)) != 0) json.string(name);
  json.end_array().key("limits").begin_object().end_object().end_object();
}

void write_permissions(JsonText& json, const engine::User& user, std::string_view only_host) {
  for (const auto& [host, permission] : user.permissions) {
    if (!only_host.empty() && host != only_host) continue;
    json.begin_object().key("user").string(user.name).key("vhost").string(host);
    json.key("configure").string(permission.configure.text());
    json.key("write").string(permission.write.text());
    json.key("read").string(permission.read.text()).end_object();
  }
}

void write_topic_permissions(JsonText& json, const engine::User& user, std::string_view only_host) {
  for (const auto& [place, permission] : user.topic_permissions) {
    if (!only_host.empty() && place.first != only_host) continue;
    json.begin_object().key("user").string(user.name).key("vhost").string(place.first);
    json.key("exchange").string(place.second);
    json.key("write").string(permission.write.text());
    json.key("read").string(permission.read.text()).end_object();
  }
}

}  // namespace penstock::protocol::http::management
