#include "engine/access.h"

#include <fmt/format.h>

#include "base/text.h"

namespace penstock::engine {

std::string_view name_of(Right right) {
  switch (right) {
    case Right::configure:
      return "configure";
    case Right::write:
      return "write";
    case Right::read:
      return "read";
  }
  return "";
}

std::string roles_text(Roles roles) {
  std::string text;
  for (const auto& [role, name, meaning] : kRoleNames)
    if ((roles & bit(role)) != 0) text.append(text.empty() ? "" : ",").append(name);
  return text;
}

Result<Roles> parse_roles(std::string_view text) {
  Roles roles = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(", "), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    std::string known;
    Roles found = 0;
    for (const auto& [role, name, meaning] : kRoleNames) {
      known.append(known.empty() ? "" : ", ").append(name);
      if (name == word) found = bit(role);
    }
    if (found == 0)
      return fail(ErrorCode::invalid,
                  fmt::format("{} is no tag of a user; they are {}", quoted(word), known));
    roles |= found;
  }
  return roles;
}

User* Access::find_user(std::string_view name) {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second.get();
}
const User* Access::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second.get();
}

std::size_t Access::permissions() const {
  std::size_t count = 0;
  for (const auto& [name, user] : users_)
    count += user->permissions.size() + user->topic_permissions.size();
  return count;
}

bool Access::fits(const std::set<std::string, std::less<>>& hosts) const {
  for (const auto& [name, user] : users_) {
    for (const auto& [host, permission] : user->permissions)
      if (!hosts.contains(host)) return false;
    for (const auto& [place, permission] : user->topic_permissions)
      if (!hosts.contains(place.first)) return false;
  }
  return true;
}

void Access::set_user(const UserSpec& spec) {
  auto& user = users_[std::string(spec.name)];
  if (user == nullptr) user = std::make_unique<User>();
  user->name = spec.name;
  user->password = spec.password;
  user->roles = spec.roles;
}

void Access::remove_user(std::string_view name) {
  if (const auto found = users_.find(name); found != users_.end()) users_.erase(found);
}

void Access::set_permission(const PermissionSpec& spec) {
  if (User* user = find_user(spec.user))
    user->permissions.insert_or_assign(
        std::string(spec.host), Permission{Pattern::kept(spec.configure), Pattern::kept(spec.write),
                                           Pattern::kept(spec.read)});
}

void Access::remove_permission(std::string_view name, std::string_view host) {
  User* user = find_user(name);
  if (user == nullptr) return;
  if (const auto found = user->permissions.find(host); found != user->permissions.end())
    user->permissions.erase(found);
}

void Access::set_topic_permission(const TopicPermissionSpec& spec) {
  if (User* user = find_user(spec.user))
    user->topic_permissions.insert_or_assign(
        {std::string(spec.host), std::string(spec.exchange)},
        TopicPermission{Pattern::kept(spec.write), Pattern::kept(spec.read)});
}

void Access::remove_topic_permission(std::string_view name, std::string_view host,
                                     std::string_view exchange) {
  if (User* user = find_user(name))
    user->topic_permissions.erase({std::string(host), std::string(exchange)});
}

void Access::forget_host(std::string_view host) {
  for (const auto& [name, user] : users_) {
    std::erase_if(user->permissions, [&](const auto& one) { return one.first == host; });
    std::erase_if(user->topic_permissions,
                  [&](const auto& one) { return one.first.first == host; });
  }
}

void Access::encode(Encoder& out) const {
  out.varint(users_.size());
  for (const auto& [name, user] : users_) {
    out.text(name).text(user->password).integer(user->roles);
    out.varint(user->permissions.size());
    for (const auto& [host, permission] : user->permissions)
      out.text(host)
          .text(permission.configure.text())
          .text(permission.write.text())
          .text(permission.read.text());
    out.varint(user->topic_permissions.size());
    for (const auto& [place, permission] : user->topic_permissions)
      out.text(place.first)
          .text(place.second)
          .text(permission.write.text())
          .text(permission.read.text());
  }
}

bool Access::restore(Cursor& in) {
  for (auto count = in.varint(); count > 0; --count) {
    UserSpec user;
    user.name = in.text();
    user.password = in.text();
    user.roles = in.integer<std::uint8_t>();
    if (!in.ok() || user.name.empty() || find(user.name) != nullptr) return false;
    set_user(user);
    if (!restore_permissions(in, *find_user(user.name))) return false;
  }
  return in.ok();
}

bool Access::restore_permissions(Cursor& in, const User& user) {
  for (auto count = in.varint(); count > 0; --count) {
    PermissionSpec permission{user.name, in.text(), {}, {}, {}};
    permission.configure = in.text();
    permission.write = in.text();
    permission.read = in.text();
    if (!in.ok() || user.permission(permission.host) != nullptr) return false;
    set_permission(permission);
  }
  for (auto count = in.varint(); count > 0; --count) {
    TopicPermissionSpec permission{user.name, in.text(), {}, {}, {}};
    permission.exchange = in.text();
    permission.write = in.text();
    permission.read = in.text();
    const std::pair place(std::string(permission.host), std::string(permission.exchange));
    if (!in.ok() || user.topic_permissions.contains(place)) return false;
    set_topic_permission(permission);
  }
  return in.ok();
}

}  // namespace penstock::engine
