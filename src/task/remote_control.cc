// What is done about the tasks that wait or have failed, at a server.
#include <algorithm>
#include <charconv>

#include "base/headers.h"
#include "task/remote.h"

namespace penstock::detail {
namespace {

// "default" is none.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

}  // namespace

Result<std::uint64_t> Remote::redrive_some(std::string_view queue, const engine::Redrive& given) {
  client::RedriveOptions which;
  which.error = given.error;
  which.task = given.task;
  which.max = given.max;
  for (std::uint64_t moved = 0;;) {
    const auto part = ask(client::redrive_some(queue, which));
    if (!part) return fail(part.error());
    moved += part->moved;
    if (!part->next || (given.max != 0 && moved >= given.max)) return moved;
    if (which.max != 0) which.max -= static_cast<std::uint32_t>(part->moved);
    which.after = part->next;
  }
}

Result<void> Remote::retry(MessageId id) {
  const auto answer = ask(client::retry_task(id));
  if (!answer) return fail(answer.error());
  return {};
}

Result<std::vector<BrowsedTask>> Remote::browse(std::string_view queue, std::uint32_t limit) {
  auto answer = ask(client::browse(queue, limit));
  if (!answer) return fail(std::move(answer.error()));
  std::vector<BrowsedTask> all;
  for (auto& [message, state, not_before, history] : *answer) {
    const auto name = std::ranges::find(message.headers, kTaskHeader, &client::Header::first);
    all.push_back({message.id, name == message.headers.end() ? std::string() : name->second,
                   std::move(message.body), state == "ready" || state == "scheduled"});
  }
  return all;
}

Result<void> Remote::set_group(std::string_view queue, std::string_view group,
                               const Options& settings) {
  const auto answer = ask(client::set_group(queue, group, settings));
  if (!answer) return fail(answer.error());
  return {};
}

Result<void> Remote::reset_group(std::string_view queue, std::string_view group) {
  return done(ask(client::reset_group(queue, group)));
}

Result<std::vector<GroupStatus>> Remote::groups(std::string_view queue) {
  auto answer = ask(client::groups(queue));
  if (!answer) return fail(std::move(answer.error()));
  std::vector<GroupStatus> all;
  for (auto& [name, rate, limit, weight, ready, held] : *answer)
    all.push_back({std::move(name),
                   {.weight = static_cast<std::uint32_t>(weight),
                    .rate = number_of<double>(rate),
                    .limit = number_of<std::uint32_t>(limit)},
                   ready,
                   held});
  return all;
}

}  // namespace penstock::detail
