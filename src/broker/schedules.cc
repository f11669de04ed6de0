// The commands about schedules.
#include "broker/broker_impl.h"
#include "engine/names.h"

namespace penstock::broker {

void Broker::put_schedule(SessionId session, Tag tag, const engine::ScheduleSpec& schedule) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  const auto bytes = engine::Schedules::bytes_of(schedule);
  if (auto full = impl_->no_room(bytes, 1, schedule.queue))
    return impl_->answer(session, tag, std::move(*full));
  auto put = impl_->engine_.put_schedule(now(), schedule);
  if (!put) return impl_->answer(session, tag, std::move(put.error()));
  using Put = engine::Engine::SchedulePut;
  const bool created = *put == Put::created;
  impl_->answer(session, tag, Done{created ? 1u : 0u, created, *put != Put::unchanged});
}
void Broker::remove_schedule(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove_schedule(name));
}
void Broker::pause_schedule(SessionId session, Tag tag, std::string_view name, bool paused) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.pause_schedule(now(), name, paused));
}
void Broker::trigger_schedule(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  engine::IdList ids;
  auto triggered = impl_->engine_.trigger_schedule(now(), name, ids);
  impl_->answer(session, tag, impl_->published(std::move(triggered), ids));
}

Result<const engine::Schedule*> Broker::schedule(SessionId session, std::string_view name) const {
  const auto acting = impl_->engine_.act_for(session);
  return impl_->engine_.read_schedule(name);
}
Result<std::vector<const engine::Schedule*>> Broker::schedules(SessionId session) const {
  const auto acting = impl_->engine_.act_for(session);
  if (auto allowed = impl_->engine_.may_ask(); !allowed) return fail(std::move(allowed.error()));
  std::vector<const engine::Schedule*> seen;
  for (const auto& [name, schedule] : impl_->engine_.state().schedules.all())
    if (impl_->engine_.sees(engine::split_name(name).host)) seen.push_back(schedule.get());
  return seen;
}

}  // namespace penstock::broker
