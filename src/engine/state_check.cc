// The law of the state: every count, list and index tells the same story.
#include <vector>

#include "engine/state.h"

namespace penstock::engine {
namespace {

struct Tally {
  std::uint64_t ready = 0, leased = 0, scheduled = 0, bytes = 0;
};

}  // namespace

// What is never written has ids of its own.
bool State::has_proper_id(const Message& message) const {
  const bool transient = queues[message.queue]->transient();
  return transient == (message.id.value >= kTransientMessage) &&
         message.id.value < (transient ? next_transient_message : next_message);
}

void State::check() const {
  CHECK(access.fits(topology.hosts())), schedules.check(), worker_orders.check();
  std::vector<Tally> tallies(queues.size());
  std::vector<std::uint32_t> members(groups.end()), held(groups.end());
  std::uint64_t live = 0;
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot) {
    const Message& message = messages[slot];
    if (message.state == MessageState::none) continue;
    ++live;
    CHECK(index.find(message.id) == slot && index.page_of(message.id) == message.page);
    CHECK(message.queue < queues.size() && queues[message.queue]);
    CHECK(has_proper_id(message));
    Tally& tally = tallies[message.queue];
    tally.bytes += message.bytes;
    const auto group = message.group;
    if (group != 0) ++members[group];
    if (message.holds_group) CHECK(group != 0), ++held[group];
    if (message.extra != 0 && !extras[message.extra].causes.empty()) CHECK(message.deliveries > 0);
    switch (message.state) {
      case MessageState::none:
        break;
      case MessageState::ready:
        ++tally.ready;
        CHECK(message.link == 0 && !message.holds_group);
        break;
      case MessageState::leased:
        ++tally.leased;
        CHECK(message.link != 0 && leases[message.link].message == slot && message.deliveries > 0);
        break;
      case MessageState::scheduled:
        ++tally.scheduled;
        CHECK(!is_held(message) || workflows.find_step(message.id) != 0);
        break;
    }
  }
  CHECK(live == messages.size());
  for (std::size_t slot = 0; slot < queues.size(); ++slot) {
    if (!queues[slot]) continue;
    const Queue& queue = *queues[slot];
    const Tally& tally = tallies[slot];
    CHECK(queue.ready_count == tally.ready && queue.leased_count == tally.leased);
    CHECK(queue.scheduled_count == tally.scheduled && queue.bytes == tally.bytes);
    std::uint64_t listed = 0;
    for (unsigned priority = 0; priority < kPriorities; ++priority) {
      listed += check_list(queue, queue.ready[priority], priority);
      const bool takeable = queue.ready[priority].head != 0 || queue.rings[priority].head != 0;
      CHECK((queue.takeable >> priority & 1) == (takeable ? 1 : 0));
    }
    queue.groups.for_each([&](std::uint32_t number) {
      const Group& group = groups[number];
      CHECK(queue.groups.find(groups, group.name) == number);
      CHECK(group.members == members[number] && group.held == held[number]);
      listed += check_list(queue, group.waiting,
                           group.mixed ? std::nullopt : std::optional<unsigned>(group.priority));
    });
    CHECK(listed == queue.ready_count);
  }
  check_results();
  check_workflows();
  check_keys();
  check_groups();
  check_owners();
}

void State::check_owners() const {
  std::uint64_t suspects = 0;
  for (const auto& [session, owner] : owners) {
    std::uint64_t held = 0, of_suspects = 0;
    bool watched = owner.watched == 0;
    for (auto at = owner.leases.head; at != 0; at = leases[at].next, ++held) {
      const Message& message = messages[leases[at].message];
      CHECK(leases[at].owner == session && message.link == at);
      const auto* extra = find_extra(message);
      CHECK(leases[at].suspect == (extra != nullptr && extra->suspect));
      of_suspects += leases[at].suspect;
      watched |= owner.watched == at;
    }
    CHECK(held == owner.leases.count && of_suspects == owner.suspects);
    CHECK(watched && (owner.watched == 0) == (owner.watched_until == Time{}));
    suspects += of_suspects;
  }
  CHECK(suspects == suspects_out);
}

// How many are in it. Nothing as priority: they have different ones.
std::uint64_t State::check_list(const Queue& queue, const List& list,
                                std::optional<unsigned> priority) const {
  std::uint64_t listed = 0;
  std::uint32_t last = 0;
  for (auto at = list.head; at != 0; last = at, at = messages[at].next) {
    ++listed;
    const Message& message = messages[at];
    CHECK(last == 0 || message.prev == last);
    CHECK(!priority || message.priority == *priority);
    CHECK(message.state == MessageState::ready && message.queue == queue.slot);
  }
  CHECK(list.tail == last && list.count == listed);
  return listed;
}

void State::check_workflows() const {
  workflows.check();
  CHECK(!workflows.step_without(index));
  for (std::uint32_t number = 1; number < workflows.workflows_end(); ++number) {
    const auto& workflow = workflows.workflow(number);
    if (!workflow.id) continue;
    const bool ended = workflow.ended_at != Time{};
    CHECK(ended == workflows.has_ended(number));
    CHECK(workflow.state == WorkflowState::cancelled ||
          ended == (workflow.state != WorkflowState::running));
  }
}

void State::check_groups() const {
  std::uint64_t settings = 0, idle = 0;
  for (const auto& queue : queues) {
    if (!queue) continue;
    settings += queue->group_settings.size();
    idle += check_groups(*queue);
  }
  CHECK(settings == group_settings);
  CHECK(idle == idle_groups.count && idle <= kIdleGroupsMax);
}

std::uint32_t State::check_groups(const Queue& queue) const {
  std::uint32_t idle = 0;
  queue.groups.for_each([&](std::uint32_t number) {
    const Group& group = groups[number];
    CHECK(may_deliver(group) == (group.ring != Group::kNoRing));
    CHECK(group.queue == queue.slot);
    const auto setting = queue.group_settings.find(group.name);
    const auto terms = setting == queue.group_settings.end() ? GroupSetting{} : setting->second;
    CHECK(group.limit == terms.limit.value_or(queue.options.group_limit));
    CHECK(group.rate == terms.rate.value_or(queue.options.group_rate));
    if (const auto slot = group.waiting.head; slot != 0)
      CHECK(queue.ages.knows(messages[slot].id, number));
    if (group.members == 0) ++idle;
  });
  return idle;
}

void State::check_results() const {
  std::uint64_t kept = 0;
  for (auto slot = results_by_age.head; slot != 0; slot = results[slot].next) {
    ++kept;
    CHECK(result_index.find(results[slot].id) == slot);
  }
  CHECK(kept == results_by_age.count);
  for (std::uint32_t slot = 1; slot < results.end(); ++slot) {
    if (!results[slot].id || !results[slot].pinned) continue;
    ++kept;
    CHECK(workflows.find_step(results[slot].id) != 0);
  }
  CHECK(kept == results.size());
}

}  // namespace penstock::engine
