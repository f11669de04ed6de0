// Schedules: made, changed, paused, and fired when they are due.
//
// A fire is its record and what it publishes, in one batch: after a crash it has happened or it is
// still due. What was refused is tried again, and nothing that is due later overtakes it.
#include <fmt/format.h>

#include <algorithm>

#include "base/canary.h"
#include "base/headers.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kStepsPerTurn = 1000;  // from one due time to the next
// Between two fires that are made up for, so that a thousand of them leave room for others.
constexpr Duration kPace = std::chrono::milliseconds(1);
constexpr Duration kJournalRetry = std::chrono::milliseconds(20);
constexpr flow::Backoff kRefusedBackoff{flow::Backoff::Kind::exponential,
                                        std::chrono::milliseconds(100), std::chrono::minutes(1),
                                        true};
// Beside what is published: its head, a queue to declare, a policy, the fire's own record.
constexpr std::uint64_t kFireBytes = 8 << 10;
constexpr std::uint32_t kFireRecords = 8;

std::unexpected<Error> no_schedule(std::string_view name) {
  return fail(ErrorCode::not_found,
              fmt::format("there is no schedule {}", quoted(split_name(name).name)));
}

Bytes head_of(const ScheduleSetEvent& event) {
  Bytes head;
  encode(head, event);
  return head;
}

Time whole_second(Time time) {
  return flow::time_of(flow::whole_seconds(time));
}

}  // namespace

// ---- as they are asked for

Result<Schedule*> Engine::administered_schedule(std::string_view name) {
  if (auto allowed = may(Right::configure, Resource::schedule, name); !allowed)
    return fail(allowed.error());
  Schedule* schedule = state_.schedules.find(name);
  if (schedule == nullptr) return no_schedule(name);
  return schedule;
}

Result<const Schedule*> Engine::read_schedule(std::string_view name) {
  if (auto allowed = may(Right::read, Resource::schedule, name); !allowed)
    return fail(allowed.error());
  const Schedule* schedule = state_.schedules.find(name);
  if (schedule == nullptr) return no_schedule(name);
  return schedule;
}

// In the form in which it is kept.
Result<ScheduleSetEvent> Engine::checked_schedule(Time now, const ScheduleSpec& spec) {
  if (auto valid = valid_scoped_name(spec.name, "schedule name"); !valid)
    return fail(valid.error());
  if (auto valid = valid_scoped_name(spec.queue, "queue name"); !valid) return fail(valid.error());
  const auto host = split_name(spec.name).host;
  if (split_name(spec.queue).host != host)
    return fail(ErrorCode::invalid, "a schedule and its queue are in one virtual host");
  if (!state_.topology.hosts().contains(host))
    return fail(ErrorCode::not_found, fmt::format("no virtual host {}", quoted(host)));
  MessageInput input;
  input.body = spec.body;
  input.headers = spec.headers;
  input.priority = spec.priority;
  input.key = spec.key;
  input.group = spec.group;
  if (auto error = invalid(input)) return fail(std::move(*error));
  ScheduleSetEvent event{spec, whole_second(now), now};
  const Schedule* known = state_.schedules.find(spec.name);
  if (known != nullptr && known->when == spec.when && known->zone == spec.zone) {
    event.since = known->since;
    event.cursor = known->cursor;
  }
  const bool was_paused = known != nullptr && known->paused;
  event.schedule.paused = spec.paused.value_or(was_paused);
  if (was_paused && !*event.schedule.paused) event.cursor = now;
  return event;
}

Result<void> Engine::keeps_schedule_limits(const ScheduleSpec& spec) const {
  const Schedule* known = state_.schedules.find(spec.name);
  if (known == nullptr && state_.schedules.all().size() >= options_.max_schedules)
    return fail(ErrorCode::too_large,
                fmt::format("there are {} schedules already", options_.max_schedules),
                "delete some, or raise max_schedules in the server's settings");
  const auto before = known == nullptr ? 0 : Schedules::bytes_of(known->spec());
  if (state_.schedules.bytes() - before + Schedules::bytes_of(spec) > kSchedulesBytesMax)
    return fail(
        ErrorCode::too_large,
        fmt::format("all schedules together have more than {}", format_bytes(kSchedulesBytesMax)),
        "let them publish a reference to the data instead");
  return {};
}

Result<Engine::SchedulePut> Engine::put_schedule(Time now, const ScheduleSpec& given) {
  if (auto allowed = may(Right::configure, Resource::schedule, given.name); !allowed)
    return fail(allowed.error());
  if (auto allowed = may_publish(given.queue); !allowed) return fail(allowed.error());
  const auto line = flow::CronLine::parse(given.when);
  if (!line) return fail(line.error());
  const auto zone = flow::Zone::find(given.zone);
  if (!zone) return fail(zone.error());
  ScheduleSpec spec = given;
  const auto when = line->text();
  spec.when = when;
  auto event = checked_schedule(now, spec);
  if (!event) return fail(event.error());
  if (auto kept = keeps_schedule_limits(spec); !kept) return fail(kept.error());
  const auto head = head_of(*event);
  if (head.size() > kScheduleBytesMax)
    return fail(ErrorCode::too_large,
                fmt::format("a schedule has at most {}, this one has {} bytes",
                            format_bytes(kScheduleBytesMax), head.size()),
                "let it publish a reference to the data instead");
  const Schedule* known = state_.schedules.find(spec.name);
  if (known != nullptr) {
    const ScheduleSetEvent before{known->spec(), known->since, known->cursor};
    if (head_of(before) == head) return SchedulePut::unchanged;
  }
  if (event->cursor == now && !line->next(now, *zone, event->since))
    return fail(ErrorCode::invalid, fmt::format("schedule '{}' would never fire: {} has passed",
                                                split_name(spec.name).name, when));
  const bool created = known == nullptr;
  write(*event);
  state_.apply(*event);
  look_again(now, *state_.schedules.find(spec.name));
  return created ? SchedulePut::created : SchedulePut::changed;
}

Result<void> Engine::remove_schedule(std::string_view name) {
  if (auto known = administered_schedule(name); !known) return fail(known.error());
  const ScheduleGoneEvent event{name};
  write(event);
  state_.apply(event);
  return {};
}

Result<void> Engine::pause_schedule(Time now, std::string_view name, bool paused) {
  const auto known = administered_schedule(name);
  if (!known) return fail(known.error());
  if ((*known)->paused == paused) return {};
  const SchedulePausedEvent event{name, paused, now};
  write(event);
  state_.apply(event);
  look_again(now, **known);
  return {};
}

Engine::PublishAnswer Engine::trigger_schedule(Time now, std::string_view name, IdList& ids) {
  const auto known = administered_schedule(name);
  if (!known) return known.error();
  Schedule& schedule = **known;
  const auto due = whole_second(now);
  auto answer = publish_scheduled(now, schedule, due, ids);
  if (!std::holds_alternative<std::uint32_t>(answer)) return answer;
  ScheduleFiredEvent event{.name = schedule.name, .at = now, .cursor = schedule.cursor};
  event.due = due;
  event.message = ids.back();
  event.waiting = schedule.waiting;
  note_schedule(schedule, event);
  look_again(now, schedule);
  return answer;
}

// ---- as their time comes

void Engine::start_schedules(Time now) {
  state_.schedules.forget_messages_from(kTransientMessage);
  for (const auto& [name, schedule] : state_.schedules.all()) look_again(now, *schedule);
}

void Engine::on_schedule_due(Time now, std::uint32_t slot) {
  Schedule& schedule = *state_.schedules.at(slot);
  schedule.timer = 0;
  schedule.retry_at = {};
  if (!schedule.paused && schedule.problem.empty()) fire_due(now, schedule);
  look_again(now, schedule);
}

void Engine::look_again(Time now, Schedule& schedule) {
  schedule.next_due = std::nullopt;
  if (schedule.paused || !schedule.problem.empty()) return state_.arm(schedule, std::nullopt);
  schedule.next_due = schedule.due_after(schedule.cursor);
  auto when = schedule.next_due;
  if (schedule.walk.until != Time{}) when = now;
  if (schedule.waiting != Time{} && !has_unfinished_run(schedule)) when = now;
  if (when) when = std::max(*when, now + kPace);
  if (schedule.retry_at != Time{}) when = schedule.retry_at;
  state_.arm(schedule, when);
}

void Engine::fire_due(Time now, Schedule& schedule) {
  const bool running = has_unfinished_run(schedule);
  if (schedule.waiting != Time{} && !running) return try_to_fire(now, schedule, schedule.waiting);
  auto due = schedule.due_after(schedule.cursor);
  if (!due || *due > now) return;
  if (*due > schedule.judged_until) {
    if (!judge_missed(now, schedule)) return;
    due = schedule.due_after(schedule.cursor);
    if (!due || *due > schedule.judged_until) return;
  }
  if (schedule.overlap == Overlap::allow || !running) return try_to_fire(now, schedule, *due);
  ScheduleFiredEvent event{.name = schedule.name, .at = now, .cursor = *due};
  event.due = *due;
  event.waiting = schedule.waiting;
  if (schedule.overlap == Overlap::queue && schedule.waiting == Time{})
    event.waiting = *due;
  else
    event.skipped = 1;
  note_schedule(schedule, event);
}

// Counts what is due by now; whatever the policy does not make up for is passed by. False: there is
// so much that it goes on in a later turn.
bool Engine::judge_missed(Time now, Schedule& schedule) {
  auto& walk = schedule.walk;
  if (walk.until == Time{}) walk = {.at = schedule.cursor, .until = now};
  std::size_t steps = 0;
  while (!walk.counted) {
    const auto next = schedule.due_after(walk.at);
    if (next && *next <= walk.until) {
      walk.at = *next;
      ++walk.due;
      if (++steps == kStepsPerTurn) return false;
      continue;
    }
    const bool punctual = walk.until - walk.at <= kPunctual;
    const auto policy = schedule.missed_policy;
    const std::uint64_t most = policy == Missed::all                ? kMadeUpForMax
                               : policy == Missed::once || punctual ? 1
                                                                    : 0;
    walk.to_leave_out = walk.due - std::min(walk.due, most);
    walk.latest = walk.at;
    walk.at = schedule.cursor;
    walk.counted = true;
  }
  for (; walk.left_out < walk.to_leave_out; ++walk.left_out) {
    if (++steps > kStepsPerTurn) return false;
    walk.at = schedule.due_after(walk.at).value_or(walk.latest);
  }
  const auto done = std::exchange(walk, {});
  schedule.judged_until = done.latest;
  if (done.left_out == 0) return true;
  ScheduleFiredEvent event{.name = schedule.name, .at = now, .cursor = done.at};
  event.due = done.at;
  event.missed = done.left_out;
  event.waiting = schedule.waiting;
  note_schedule(schedule, event);
  return true;
}

// In the dead letters it has ended, and a stream's messages are nobody's work.
bool Engine::has_unfinished_run(const Schedule& schedule) {
  const auto slot = state_.find(schedule.last_message);
  if (slot == 0) return false;
  const Message& message = state_.messages[slot];
  const auto* extra = state_.find_extra(message);
  return !(extra != nullptr && extra->origin) && !state_.queue_at(message.queue).options.stream;
}

Engine::PublishAnswer Engine::publish_scheduled(Time now, Schedule& schedule, Time due,
                                                IdList& ids) {
  if (!storage_->has_room(schedule.body.size() + schedule.headers.size() + kFireBytes,
                          kFireRecords))
    return Refusal{.queue = schedule.queue,
                   .reason = "journal",
                   .message = "the disk is full, or behind with what came in",
                   .retry_after = kJournalRetry};
  HeaderWriter headers;
  for_each_header(as_bytes(schedule.headers),
                  [&](std::string_view name, std::string_view value) { headers.add(name, value); });
  headers.add(kScheduleHeader, split_name(schedule.name).name);
  headers.add(kDueHeader, flow::utc_text(due));
  MessageInput input;
  input.body = as_bytes(schedule.body);
  input.headers = headers.view();
  input.priority = schedule.priority;
  input.task = schedule.task;
  input.key = schedule.key;
  input.group = schedule.group;
  input.policy = schedule.policy;
  const Publish one{schedule.queue, std::span(&input, 1)};
  return publish(now, std::span(&one, 1), ids);
}

// Whatever stands in the way, it stays due.
void Engine::try_to_fire(Time now, Schedule& schedule, Time due) {
  IdList ids;
  auto answer = publish_scheduled(now, schedule, due, ids);
  if (std::holds_alternative<std::uint32_t>(answer)) {
    ScheduleFiredEvent event{.name = schedule.name, .at = now};
    event.cursor = std::max(schedule.cursor, due);
    event.due = due;
    event.message = ids.front();
    note_schedule(schedule, event);
    schedule.attempts = 0;
    schedule.last_error.clear();
    return;
  }
  ++schedule.refused;
  auto wait = flow::delay_after(kRefusedBackoff, ++schedule.attempts, random_.next());
  if (const auto* refusal = std::get_if<Refusal>(&answer)) {
    schedule.last_error = refusal->message;
    wait = std::max(wait, std::min(refusal->retry_after, kRefusedBackoff.cap));
  } else {
    schedule.last_error = std::get<Error>(answer).message;
  }
  schedule.retry_at = now + wait;
  if (const Queue* queue = state_.find_queue(schedule.queue)) {
    want_room(queue->id);
    state_.schedules.block(queue->id, schedule.slot);
  }
}

void Engine::note_schedule(Schedule& schedule, const ScheduleFiredEvent& event) {
  if (!CANARY(forget_fire)) write(event);
  state_.apply(event);
  const Queue* queue = state_.find_queue(schedule.queue);
  if (queue == nullptr) return;
  const auto name = split_name(schedule.name).name;
  if (event.message) happened(event.at, "schedule_fired", *queue, event.message, name);
  if (event.missed != 0) happened(event.at, "schedule_missed", *queue, {}, name);
  if (event.skipped != 0) happened(event.at, "schedule_skipped", *queue, {}, name);
}

void Engine::wake_schedules(QueueId queue) {
  const auto slot = state_.schedules.first_blocked(queue);
  if (slot == 0) return;
  state_.schedules.unblock(queue, slot);
  Schedule& schedule = *state_.schedules.at(slot);
  if (schedule.retry_at != Time{}) state_.arm(schedule, Time{});
  if (state_.schedules.first_blocked(queue) != 0) want_room(queue);
}

}  // namespace penstock::engine
