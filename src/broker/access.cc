// Who asks, and the commands about users.
#include "broker/broker_impl.h"

namespace penstock::broker {

void Broker::Impl::forget_ended() {
  for (const auto& effect : engine_.effects())
    if (const auto* ended = std::get_if<engine::SessionEnded>(&effect))
      blocked_.forget(ended->session);
}

void Broker::Impl::withhold(Pending& pending) {
  if (!engine_.has_ended(pending.session)) return;
  auto& reply = pending.reply;
  if (auto* take = std::get_if<engine::TakeAnswer>(&reply)) {
    give_back(*take);
    take->messages.clear();
    take->left = 0;
  } else if (std::holds_alternative<OwnedBrowse>(reply) ||
             std::holds_alternative<OwnedTask>(reply) ||
             std::holds_alternative<OwnedTaskLog>(reply) ||
             std::holds_alternative<OwnedQueues>(reply)) {
    reply = Error{ErrorCode::denied, "the rights to see this were taken away", "log in again"};
  }
}

bool Broker::has_users() const {
  return !impl_->engine_.state().access.users().empty();
}
const std::string* Broker::password_of(std::string_view name) const {
  const auto* user = impl_->engine_.state().access.find(name);
  return user == nullptr ? nullptr : &user->password;
}

Result<void> Broker::log_in(SessionId session, std::string_view user) {
  return impl_->engine_.log_in(session, user);
}
void Broker::log_out(SessionId session) {
  impl_->blocked_.forget(session);
  impl_->engine_.log_out(now(), session);
}

Result<void> Broker::may(SessionId session, engine::Right right, engine::Resource resource,
                         std::string_view scoped) {
  const auto acting = impl_->engine_.act_for(session);
  return impl_->engine_.may(right, resource, scoped);
}
Result<void> Broker::may_enter(SessionId session, std::string_view host) {
  const auto acting = impl_->engine_.act_for(session);
  return impl_->engine_.may_enter(host);
}
Result<void> Broker::may_as(SessionId session, engine::Role role) {
  const auto acting = impl_->engine_.act_for(session);
  return impl_->engine_.may_as(role);
}
bool Broker::sees(SessionId session, std::string_view host) {
  const auto acting = impl_->engine_.act_for(session);
  return impl_->engine_.sees(host);
}
Result<const engine::Access*> Broker::access(SessionId session) {
  if (auto allowed = may_as(session, engine::Role::administrator); !allowed)
    return fail(allowed.error());
  return &impl_->engine_.state().access;
}

void Broker::put_user(SessionId session, Tag tag, const engine::UserChange& change) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.put_user(now(), change));
  impl_->forget_ended();
}
void Broker::remove_user(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove_user(now(), name));
  impl_->forget_ended();
}
void Broker::grant(SessionId session, Tag tag, const engine::PermissionSpec& permission) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.grant(now(), permission));
  impl_->forget_ended();
}
void Broker::revoke(SessionId session, Tag tag, std::string_view user, std::string_view host) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.revoke(now(), user, host));
  impl_->forget_ended();
}
void Broker::grant_topic(SessionId session, Tag tag,
                         const engine::TopicPermissionSpec& permission) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.grant_topic(now(), permission));
  impl_->forget_ended();
}
void Broker::revoke_topic(SessionId session, Tag tag, std::string_view user, std::string_view host,
                          std::string_view exchange) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.revoke_topic(user, host, exchange));
}

}  // namespace penstock::broker
