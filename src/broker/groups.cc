// The commands about groups of a queue.
#include <algorithm>

#include "broker/broker_impl.h"

namespace penstock::broker {

void Broker::set_group(SessionId session, Tag tag, std::string_view queue, std::string_view group,
                       OptionPatch patch) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  if (auto full = impl_->no_room(group.size(), 1, queue))
    return impl_->answer(session, tag, std::move(*full));
  impl_->answer_result(session, tag, impl_->engine_.set_group(queue, group, patch));
}
void Broker::reset_group(SessionId session, Tag tag, std::string_view queue,
                         std::string_view group) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.reset_group(queue, group));
}

Result<std::vector<GroupStatus>> Broker::groups(SessionId session, std::string_view name) const {
  const auto acting = impl_->engine_.act_for(session);
  const auto queue = impl_->engine_.shown_queue(name);
  if (!queue) return fail(queue.error());
  const auto& state = impl_->engine_.state();
  std::vector<GroupStatus> groups;
  for (const auto& [group_name, setting] : (*queue)->group_settings) {
    GroupStatus& status = groups.emplace_back(GroupStatus{group_name, setting});
    const auto found = (*queue)->groups.find(state.groups, group_name);
    if (found == 0) continue;
    status.ready = state.groups[found].waiting.count;
    status.held = state.groups[found].held;
  }
  std::ranges::sort(groups, {}, &GroupStatus::name);
  return groups;
}

}  // namespace penstock::broker
