// Users and what they may do: the part of the state that Engine::may() (authorize.cc) goes by.
//
//   user ── password (a PHC text that only who checks passwords reads), roles
//     ├─ permission in a virtual host: patterns of names to configure, to write to, to read from
//     └─ topic permission at an exchange there: patterns of keys to write with, and to bind by
//
// A user has no right in a virtual host where it has no permission. A topic permission only takes
// away: without one, all keys of a topic exchange are allowed.
//
// Threads: one. Lifetime: a User stays where it is until it is removed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/cursor.h"
#include "engine/pattern.h"

namespace penstock::engine {

enum class Right : std::uint8_t { configure, write, read };
[[nodiscard]] std::string_view name_of(Right right);
enum class Resource : std::uint8_t { queue, exchange, schedule };

// What a user may do beyond its permissions: bits of User::roles. RabbitMQ calls them tags.
enum class Role : std::uint8_t {
  administrator = 1,  // users and virtual hosts, and what the others may
  monitoring = 2,     // statistics of everything
  policymaker = 4,    // the same as management: there are no policies
  management = 8,  // RabbitMQ's management API, as far as the permissions go; the others imply it
};
struct RoleName {
  Role role;
  std::string_view name, meaning;
};
inline constexpr RoleName kRoleNames[] = {
    {Role::administrator, "administrator", "makes users and virtual hosts, and sees everything"},
    {Role::monitoring, "monitoring", "sees the statistics of everything"},
    {Role::policymaker, "policymaker", "as management"},
    {Role::management, "management", "may use RabbitMQ's management API"},
};
using Roles = std::uint8_t;
[[nodiscard]] constexpr Roles bit(Role role) {
  return static_cast<Roles>(role);
}
// "administrator,monitoring", in the order of the table; and back, separated by commas or spaces.
[[nodiscard]] std::string roles_text(Roles roles);
[[nodiscard]] Result<Roles> parse_roles(std::string_view text);

struct UserSpec {
  std::string_view name;
  std::string_view password;  // its hash; empty: no password is right
  Roles roles = 0;
};
// Nothing: as it is, or for a new user none.
struct UserChange {
  std::string_view name;
  std::optional<std::string_view> password;  // its hash
  std::optional<Roles> roles;
};

struct PermissionSpec {
  std::string_view user, host;
  std::string_view configure, write, read;
};
struct TopicPermissionSpec {
  std::string_view user, host, exchange;
  std::string_view write, read;
};

struct Permission {
  Pattern configure, write, read;
  [[nodiscard]] const Pattern& of(Right right) const {
    return right == Right::configure ? configure : right == Right::write ? write : read;
  }
};
struct TopicPermission {
  Pattern write, read;
};

struct User {
  std::string name, password;
  Roles roles = 0;
  std::map<std::string, Permission, std::less<>> permissions;  // by virtual host
  std::map<std::pair<std::string, std::string>, TopicPermission> topic_permissions;  // and exchange

  // An administrator has every role.
  [[nodiscard]] bool has(Role role) const {
    if (role == Role::management) return roles != 0;
    return (roles & (bit(role) | bit(Role::administrator))) != 0;
  }
  [[nodiscard]] const Permission* permission(std::string_view host) const {
    const auto found = permissions.find(host);
    return found == permissions.end() ? nullptr : &found->second;
  }
};

class Access {
 public:
  // ---- changes; what is there already, or not there any more, is left as it is
  void set_user(const UserSpec& spec);
  void remove_user(std::string_view name);
  void set_permission(const PermissionSpec& spec);
  void remove_permission(std::string_view user, std::string_view host);
  void set_topic_permission(const TopicPermissionSpec& spec);
  void remove_topic_permission(std::string_view user, std::string_view host,
                               std::string_view exchange);
  void forget_host(std::string_view host);

  // ---- looking
  using Users = std::map<std::string, std::unique_ptr<User>, std::less<>>;
  [[nodiscard]] const Users& users() const { return users_; }
  [[nodiscard]] const User* find(std::string_view name) const;
  [[nodiscard]] std::size_t permissions() const;  // of all users, those of topics too

  // All permissions are in these virtual hosts.
  [[nodiscard]] bool fits(const std::set<std::string, std::less<>>& hosts) const;

  // ---- checkpoint
  void encode(Encoder& out) const;
  // False: not what encode() writes.
  [[nodiscard]] bool restore(Cursor& in);

 private:
  [[nodiscard]] bool restore_permissions(Cursor& in, const User& user);
  [[nodiscard]] User* find_user(std::string_view name);

  Users users_;
};

}  // namespace penstock::engine
