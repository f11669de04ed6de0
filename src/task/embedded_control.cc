// What is done about the tasks that wait or have failed, in this process.
#include "base/headers.h"
#include "task/embedded.h"

namespace penstock::detail {

// The broker looks at so many at a time, and says where to go on.
Result<std::uint64_t> Embedded::redrive_some(std::string_view queue, const engine::Redrive& given) {
  engine::Redrive which = given;
  for (std::uint64_t moved = 0;;) {
    const auto part = ask_for<engine::Redriven, engine::Redriven>(
        [&](Broker& broker, broker::Tag tag) { broker.redrive_some(session_, tag, queue, which); },
        [](const engine::Redriven& redriven) { return redriven; });
    if (!part) return fail(part.error());
    moved += part->moved;
    if (!part->next || (given.max != 0 && moved >= given.max)) return moved;
    if (which.max != 0) which.max -= static_cast<std::uint32_t>(part->moved);
    which.after = part->next;
  }
}

Result<void> Embedded::retry(MessageId id) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.retry_task(session_, tag, id); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<std::vector<BrowsedTask>> Embedded::browse(std::string_view queue, std::uint32_t limit) {
  return ask_for<std::vector<BrowsedTask>, broker::Browsed>(
      [&](Broker& broker, broker::Tag tag) { broker.browse(session_, tag, queue, limit); },
      [](const broker::Browsed& browsed) {
        std::vector<BrowsedTask> all;
        for (const auto& [message, state, not_before, history] : browsed.messages)
          all.push_back(
              {message.id, std::string(find_header(message.headers, kTaskHeader).value_or("")),
               std::string(as_text(message.body)), state == "ready" || state == "scheduled"});
        return all;
      });
}

Result<void> Embedded::set_group(std::string_view queue, std::string_view group,
                                 const Options& settings) {
  const std::vector<std::pair<std::string_view, std::string_view>> patch(settings.begin(),
                                                                         settings.end());
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) {
        broker.set_group(session_, tag, queue, group, patch);
      },
      [](const broker::Done&) { return Result<void>(); });
}

Result<void> Embedded::reset_group(std::string_view queue, std::string_view group) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.reset_group(session_, tag, queue, group); },
      [](const broker::Done&) { return Result<void>(); });
}

// What is known now, told when all that it rests on is durable.
Result<std::vector<GroupStatus>> Embedded::groups(std::string_view queue) {
  Result<std::vector<GroupStatus>> all;
  return ask_for<std::vector<GroupStatus>, broker::Done>(
      [&](Broker& broker, broker::Tag tag) {
        const auto seen = broker.groups(session_, queue);
        if (!seen)
          all = fail(seen.error());
        else
          for (const auto& [name, setting, ready, held] : *seen)
            all->push_back(
                {std::string(name),
                 {.weight = setting.weight, .rate = setting.rate, .limit = setting.limit},
                 ready,
                 held});
        broker.barrier(session_, tag);
      },
      [&](const broker::Done&) { return std::move(all); });
}

}  // namespace penstock::detail
