// Dead letters that go back to where they came from.
#include <fmt/format.h>

#include <algorithm>

#include "base/headers.h"
#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

// Bodies and histories that one call reads: each may be a read of the disk.
constexpr std::size_t kLookedAtMax = 1000;

std::unexpected<Error> no_queue(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("there is no queue {}", quoted(name)),
              "it has no dead letters, then");
}

// To say that none was sent back would sound as if there were none.
std::unexpected<Error> no_room(std::size_t dead_letters) {
  return fail(ErrorCode::conflict,
              fmt::format("{} dead letters stay where they are: the queues that they came from are "
                          "full, or gone",
                          dead_letters),
              "make room in them, or declare them, and try again");
}

// The text of the last "error" of a history, as JSON has it.
std::string_view last_error(std::string_view history) {
  constexpr std::string_view kField = "\"error\":\"";
  const auto at = history.rfind(kField);
  return at == std::string_view::npos ? history : history.substr(at + kField.size());
}

}  // namespace

// `name` may be the dead-letter queue itself, or the queue whose dead letters are to come back.
Result<Engine::DeadLetters> Engine::dead_letters_of(std::string_view name) {
  if (auto allowed = may(Right::read, Resource::queue, name); !allowed)
    return fail(allowed.error());
  Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  const auto target = dead_letter_name(queue->name, queue->options);
  Queue* dead = target.empty() ? nullptr : state_.find_queue(target);
  if (dead == nullptr || dead == queue) return DeadLetters{queue, {}};
  if (!queue->options.dead_letter.empty())
    if (auto allowed = may(Right::read, Resource::queue, dead->name); !allowed)
      return fail(allowed.error());
  return DeadLetters{dead, queue->id};
}

bool Engine::is_dead_letter(const Message& message, QueueId origin) const {
  const auto* extra = state_.find_extra(message);
  if (message.state != MessageState::ready || extra == nullptr || !extra->origin) return false;
  return !origin || extra->origin == origin;
}

Result<void> Engine::may_redrive(std::span<const std::uint32_t> slots) {
  QueueId allowed_origin;  // most come from the same queue
  for (const auto slot : slots) {
    const Queue* origin = state_.find_queue(state_.extras[state_.messages[slot].extra].origin);
    if (origin == nullptr || origin->id == allowed_origin) continue;
    if (auto allowed = may(Right::write, Resource::queue, origin->name); !allowed) return allowed;
    allowed_origin = origin->id;
  }
  return {};
}

// False: there is no room for it, or no queue any more.
bool Engine::move_back(Time now, std::uint32_t slot) {
  const Message& message = state_.messages[slot];
  Queue* origin = state_.find_queue(state_.extras[message.extra].origin);
  if (origin == nullptr || origin->length() >= origin->options.max_length ||
      origin->bytes + message.bytes > origin->options.max_bytes)
    return false;
  // Copies went there: they stay.
  if (state_.queue_at(message.queue).transient() || origin->transient()) return false;
  const MoveEvent event{message.id, origin->id, MoveReason::redriven, now};
  state_.apply(event, write(event), 0);
  ++origin->counters.redriven;
  changed(now, *origin);
  return true;
}

Result<std::uint64_t> Engine::redrive(Time now, std::string_view name, std::uint32_t max) {
  auto dead = dead_letters_of(name);
  if (!dead) return fail(dead.error());
  std::vector<std::uint32_t> slots;
  for (const auto slot : browse(*dead->queue, ~0u)) {
    if (is_dead_letter(state_.messages[slot], dead->origin)) slots.push_back(slot);
    if (max != 0 && slots.size() == max) break;
  }
  if (auto allowed = may_redrive(slots); !allowed) return fail(allowed.error());
  std::uint64_t moved = 0;
  for (const auto slot : slots) moved += move_back(now, slot);
  changed(now, *dead->queue);
  if (moved == 0 && !slots.empty()) return no_room(slots.size());
  return moved;
}

bool Engine::fits(const Message& message, const Redrive& which) {
  if (!which.task.empty()) {
    const auto body = storage_->read_body(message.position);
    if (!body) return false;
    Cursor in(*body);
    if (find_header(in.prefixed(), kTaskHeader) != which.task) return false;
  }
  if (which.error.empty()) return true;
  const auto* extra = state_.find_extra(message);
  if (extra == nullptr || !extra->history) return false;
  const auto history = storage_->read_body(extra->history);
  return history && last_error(as_text(*history)).find(which.error) != std::string_view::npos;
}

Result<Redriven> Engine::redrive_some(Time now, std::string_view name, const Redrive& which) {
  auto dead = dead_letters_of(name);
  if (!dead) return fail(dead.error());
  std::vector<std::uint32_t> slots;
  for (const auto slot : browse(*dead->queue, ~0u)) {
    const Message& message = state_.messages[slot];
    if (message.id > which.after && is_dead_letter(message, dead->origin)) slots.push_back(slot);
  }
  std::ranges::sort(slots, {}, [&](std::uint32_t slot) { return state_.messages[slot].id; });
  if (auto allowed = may_redrive(slots); !allowed) return fail(allowed.error());
  Redriven answer;
  std::size_t looked_at = 0, stayed = 0;
  for (const auto slot : slots) {
    if (looked_at == kLookedAtMax || (which.max != 0 && answer.moved == which.max)) break;
    const auto id = state_.messages[slot].id;
    if (fits(state_.messages[slot], which)) ++(move_back(now, slot) ? answer.moved : stayed);
    ++looked_at;
    answer.next = id;
  }
  if (looked_at == slots.size()) answer.next = {};
  changed(now, *dead->queue);
  // Of a later call its caller knows what those before have moved.
  if (answer.moved == 0 && stayed > 0 && !which.after) return no_room(stayed);
  return answer;
}

Result<void> Engine::retry_task(Time now, MessageId id) {
  const auto slot = state_.find(id);
  const Queue* queue = slot == 0 ? nullptr : &state_.queue_at(state_.messages[slot].queue);
  if (auto allowed = queue == nullptr ? may_ask() : may(Right::read, Resource::queue, queue->name);
      !allowed)
    return allowed;
  if (const auto step = state_.workflows.find_step(id); slot != 0 && step != 0) {
    const auto workflow = state_.workflows.workflow(state_.workflows.node(step).workflow).id;
    return fail(ErrorCode::conflict,
                fmt::format("{} is a step of workflow {}", id.value, workflow.value),
                "resume the workflow: its failed steps are tried anew");
  }
  if (slot == 0 || !is_dead_letter(state_.messages[slot], {}))
    return fail(ErrorCode::not_found, fmt::format("{} is not among the dead letters", id.value),
                "only what has failed for good can be tried anew");
  const std::uint32_t one[]{slot};
  if (auto allowed = may_redrive(one); !allowed) return allowed;
  if (!move_back(now, slot))
    return fail(ErrorCode::conflict,
                fmt::format("the queue that {} came from is full, or gone", id.value),
                "make room in it, or declare it, and try again");
  changed(now, state_.queue_at(queue->slot));
  return {};
}

}  // namespace penstock::engine
