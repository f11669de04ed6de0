// Users and permissions as they are made, changed and taken away.
//
// What is taken from a user ends its sessions at once: they give back what they hold, may ask for
// nothing more, and their connections are told.
#include <fmt/format.h>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kUsersMax = 10'000;
constexpr std::size_t kPermissionsMax = 50'000;
constexpr std::size_t kPasswordTextMax = 512;

std::unexpected<Error> no_user(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("there is no user {}", quoted(name)),
              "make it first: penstock user add NAME");
}

}  // namespace

Result<const User*> Engine::administered(std::string_view name) {
  if (auto administrator = may_as(Role::administrator); !administrator)
    return fail(administrator.error());
  const User* user = state_.access.find(name);
  if (user == nullptr) return no_user(name);
  return user;
}

// Somebody has to be able to make users, or the server could only be opened to everybody again.
Result<void> Engine::keeps_administrator(std::string_view without) const {
  constexpr const char* kHint = "make one first: penstock user add NAME --tag administrator";
  if (state_.access.users().empty())
    return fail(ErrorCode::conflict, "the first user has to be an administrator", kHint);
  for (const auto& [name, user] : state_.access.users())
    if (name != without && user->has(Role::administrator)) return {};
  return fail(ErrorCode::conflict, "that would leave no administrator", kHint);
}

Result<bool> Engine::put_user(Time now, const UserChange& change) {
  const User* known = state_.access.find(change.name);
  const bool own_password =
      known != nullptr && actor_ != nullptr && actor_->user == known && !change.roles.has_value();
  if (!own_password)
    if (auto administrator = may_as(Role::administrator); !administrator)
      return fail(administrator.error());
  if (auto valid = valid_name(change.name, "user name"); !valid) return fail(valid.error());
  if (known == nullptr && !change.password)
    return fail(ErrorCode::invalid, "a new user needs a password");
  if (known == nullptr && state_.access.users().size() >= kUsersMax)
    return fail(ErrorCode::too_large, fmt::format("there are {} users already", kUsersMax));
  UserSetEvent event;
  event.user.name = change.name;
  event.user.password = change.password ? *change.password : std::string_view(known->password);
  event.user.roles = change.roles ? *change.roles : known == nullptr ? Roles{0} : known->roles;
  if (event.user.password.size() > kPasswordTextMax)
    return fail(ErrorCode::too_large, "the text of a password's hash has at most 512 bytes");
  if ((event.user.roles & bit(Role::administrator)) == 0)
    if (auto kept = keeps_administrator(change.name); !kept) return fail(kept.error());
  const bool first = state_.access.users().empty();
  const Roles before = known == nullptr ? Roles{0} : known->roles;
  const bool changed = known != nullptr && known->password != event.user.password;
  write(event);
  state_.apply(event);
  if (first) end_sessions(now, nullptr, "this server has users from now on");
  if (changed || (before & ~event.user.roles) != 0)
    end_sessions(now, known, fmt::format("user '{}' was changed", change.name));
  return known == nullptr;
}

Result<void> Engine::remove_user(Time now, std::string_view name) {
  const auto user = administered(name);
  if (!user) return fail(user.error());
  if (auto kept = keeps_administrator(name); !kept) return kept;
  end_sessions(now, *user, fmt::format("user '{}' was deleted", name));
  const UserGoneEvent event{name};
  write(event);
  state_.apply(event);
  return {};
}

Result<void> Engine::grant(Time now, const PermissionSpec& spec) {
  const auto user = administered(spec.user);
  if (!user) return fail(user.error());
  if (!state_.topology.hosts().contains(spec.host))
    return fail(ErrorCode::not_found, fmt::format("no virtual host {}", quoted(spec.host)));
  for (const auto pattern : {spec.configure, spec.write, spec.read})
    if (auto good = Pattern::compile(pattern); !good) return fail(good.error());
  const auto* before = (*user)->permission(spec.host);
  if (before == nullptr && state_.access.permissions() >= kPermissionsMax)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} permissions already", kPermissionsMax));
  const bool replaces = before != nullptr;
  if (replaces && before->configure.text() == spec.configure &&
      before->write.text() == spec.write && before->read.text() == spec.read)
    return {};
  const PermissionSetEvent event{spec};
  write(event);
  state_.apply(event);
  if (replaces) end_sessions(now, *user, changed_permissions(spec.user));
  return {};
}

Result<void> Engine::revoke(Time now, std::string_view name, std::string_view host) {
  const auto user = administered(name);
  if (!user) return fail(user.error());
  if ((*user)->permission(host) == nullptr)
    return fail(ErrorCode::not_found, fmt::format("user {} has no permission in virtual host {}",
                                                  quoted(name), quoted(host)));
  const PermissionGoneEvent event{name, host};
  write(event);
  state_.apply(event);
  end_sessions(now, *user, changed_permissions(name));
  return {};
}

Result<void> Engine::grant_topic(Time now, const TopicPermissionSpec& spec) {
  const auto user = administered(spec.user);
  if (!user) return fail(user.error());
  if (!state_.topology.hosts().contains(spec.host))
    return fail(ErrorCode::not_found, fmt::format("no virtual host {}", quoted(spec.host)));
  if (auto valid = valid_name(spec.exchange, "exchange name"); !valid) return valid;
  for (const auto pattern : {spec.write, spec.read})
    if (auto good = Pattern::compile(pattern); !good) return fail(good.error());
  if (state_.access.permissions() >= kPermissionsMax)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} permissions already", kPermissionsMax));
  const TopicPermissionSetEvent event{spec};
  write(event);
  state_.apply(event);
  end_sessions(now, *user, changed_permissions(spec.user));
  return {};
}

Result<void> Engine::revoke_topic(std::string_view name, std::string_view host,
                                  std::string_view exchange) {
  const auto user = administered(name);
  if (!user) return fail(user.error());
  if (!(*user)->topic_permissions.contains({std::string(host), std::string(exchange)}))
    return fail(ErrorCode::not_found,
                fmt::format("user {} has no topic permission at exchange '{}' in vhost '{}'",
                            quoted(name), exchange, host));
  const TopicPermissionGoneEvent event{name, host, exchange};
  write(event);
  state_.apply(event);
  return {};
}

std::string Engine::changed_permissions(std::string_view user) {
  return fmt::format("the permissions of user '{}' were changed", user);
}

// Of `user`, or of nobody: those that came while there were no users.
void Engine::end_sessions(Time now, const User* user, const std::string& reason) {
  std::vector<SessionId> ended;
  for (auto& [session, principal] : principals_) {
    if (principal.user != user || (user == nullptr && !principal.name.empty())) continue;
    principal.user = nullptr;
    ended.push_back(session);
  }
  for (const auto session : ended) {
    leave(now, session);
    effects_.emplace_back(SessionEnded{session, reason});
  }
}

}  // namespace penstock::engine
