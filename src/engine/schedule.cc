#include "engine/schedule.h"

#include <algorithm>

#include "base/canary.h"
#include "base/check.h"
#include "base/text.h"
#include "engine/names.h"
#include "engine/state.h"

namespace penstock::engine {
namespace {

constexpr std::string_view kMissedNames[] = {"skip", "once", "all"};
constexpr std::string_view kOverlapNames[] = {"allow", "skip", "queue"};

template <class Enum>
Result<Enum> parse_name(std::span<const std::string_view> names, std::string_view text,
                        std::string_view what) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<Enum>(found - names.begin());
  return fail(ErrorCode::invalid, std::string(what) + " " + quoted(text) + " is not one of " +
                                      std::string(names[0]) + ", " + std::string(names[1]) +
                                      " and " + std::string(names[2]));
}

std::string text_of(ByteView bytes) {
  return std::string(as_text(bytes));
}

}  // namespace

std::string_view name_of(Missed missed) {
  return kMissedNames[static_cast<std::size_t>(missed)];
}
std::string_view name_of(Overlap overlap) {
  return kOverlapNames[static_cast<std::size_t>(overlap)];
}
Result<Missed> parse_missed(std::string_view text) {
  return parse_name<Missed>(kMissedNames, text, "missed");
}
Result<Overlap> parse_overlap(std::string_view text) {
  return parse_name<Overlap>(kOverlapNames, text, "overlap");
}

ScheduleSpec Schedule::spec() const {
  ScheduleSpec spec;
  spec.name = name;
  spec.when = when;
  spec.zone = zone;
  spec.queue = queue;
  spec.body = as_bytes(body);
  spec.headers = as_bytes(headers);
  spec.priority = priority;
  spec.task = task;
  spec.key = key;
  spec.group = group;
  spec.policy = policy;
  spec.missed = missed_policy;
  spec.overlap = overlap;
  spec.paused = paused;
  return spec;
}

std::uint64_t Schedules::bytes_of(const ScheduleSpec& spec) {
  return sizeof(Schedule) + spec.name.size() + spec.when.size() + spec.zone.size() +
         spec.queue.size() + spec.body.size() + spec.headers.size() + spec.key.size() +
         spec.group.size();
}

Schedule* Schedules::find(std::string_view name) const {
  const auto found = all_.find(name);
  return found == all_.end() ? nullptr : found->second.get();
}

void Schedules::set(const ScheduleSetEvent& event) {
  const auto& spec = event.schedule;
  Schedule* known = find(spec.name);
  if (known == nullptr) {
    auto made = std::make_unique<Schedule>();
    known = made.get();
    known->name = spec.name;
    if (free_slots_.empty()) {
      known->slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(known);
    } else {
      known->slot = free_slots_.back();
      free_slots_.pop_back();
      slots_[known->slot] = known;
    }
    all_.emplace(spec.name, std::move(made));
  } else {
    bytes_ -= bytes_of(known->spec());
  }
  Schedule& schedule = *known;
  schedule.when = spec.when;
  schedule.zone = spec.zone;
  schedule.queue = spec.queue;
  schedule.body = text_of(spec.body);
  schedule.headers = text_of(spec.headers);
  schedule.key = spec.key;
  schedule.group = spec.group;
  schedule.priority = spec.priority;
  schedule.task = spec.task;
  schedule.policy = spec.policy;
  schedule.missed_policy = spec.missed;
  schedule.overlap = spec.overlap;
  schedule.paused = spec.paused.value_or(false);
  schedule.since = event.since;
  schedule.cursor = event.cursor;
  forget_waiting(schedule);
  if (schedule.overlap != Overlap::queue) schedule.waiting = {};
  note_waiting(schedule);
  schedule.judged_until = schedule.retry_at = {};
  schedule.attempts = 0;
  schedule.walk = {};
  schedule.last_error.clear();
  bytes_ += bytes_of(schedule.spec());
  // What was valid when it was written may not be here: zones come and go with the machine.
  schedule.problem.clear();
  auto line = flow::CronLine::parse(schedule.when);
  auto rules = flow::Zone::find(schedule.zone);
  if (line) schedule.line = *line;
  if (rules) schedule.rules = *rules;
  if (!line || !rules) schedule.problem = (line ? rules.error() : line.error()).message;
}

void Schedules::remove(std::string_view name) {
  const auto found = all_.find(name);
  if (found == all_.end()) return;
  const Schedule& schedule = *found->second;
  forget_waiting(schedule);
  std::erase_if(blocked_, [&](const auto& blocked) { return blocked.second == schedule.slot; });
  bytes_ -= bytes_of(schedule.spec());
  slots_[schedule.slot] = nullptr;
  free_slots_.push_back(schedule.slot);
  all_.erase(found);
}

void Schedules::pause(std::string_view name, bool paused, Time at) {
  Schedule* schedule = find(name);
  if (schedule == nullptr) return;
  // What came while it was paused is not missed; nobody wanted it.
  if (schedule->paused && !paused) {
    schedule->cursor = at;
    schedule->judged_until = schedule->retry_at = {};
    schedule->walk = {};
  }
  schedule->paused = paused;
}

void Schedules::note_fired(const ScheduleFiredEvent& event) {
  Schedule* schedule = find(event.name);
  if (schedule == nullptr) return;
  forget_waiting(*schedule);
  schedule->cursor = event.cursor;
  schedule->waiting = schedule->overlap == Overlap::queue ? event.waiting : Time{};
  if (!CANARY(miscount_missed)) schedule->missed += event.missed;
  schedule->skipped += event.skipped;
  if (event.message) {
    ++schedule->fired;
    schedule->last_due = event.due;
    schedule->last_fired_at = event.at;
    schedule->last_message = event.message;
  }
  note_waiting(*schedule);
}

void Schedules::note_waiting(const Schedule& schedule) {
  if (schedule.waiting != Time{}) waiting_.emplace(schedule.last_message.value, schedule.slot);
}
void Schedules::forget_waiting(const Schedule& schedule) {
  waiting_.erase({schedule.last_message.value, schedule.slot});
}
std::uint32_t Schedules::waiting_for(MessageId id) const {
  const auto found = waiting_.lower_bound({id.value, 0});
  return found == waiting_.end() || found->first != id.value ? 0 : found->second;
}
void Schedules::forget_messages_from(std::uint64_t first) {
  for (const auto& [name, schedule] : all_) {
    if (schedule->last_message.value < first) continue;
    forget_waiting(*schedule);
    schedule->last_message = {};
    note_waiting(*schedule);
  }
}
std::uint32_t Schedules::first_blocked(QueueId queue) const {
  const auto found = blocked_.lower_bound({queue.value, 0});
  return found == blocked_.end() || found->first != queue.value ? 0 : found->second;
}

// ---- checkpoint

void Schedules::encode(Encoder& out) const {
  out.varint(all_.size());
  Bytes record;
  for (const auto& [name, schedule] : all_) {
    record.clear();
    ScheduleSetEvent set{schedule->spec(), schedule->since, schedule->cursor};
    if (CANARY(forget_pause)) set.schedule.paused = false;
    engine::encode(record, set);
    out.prefixed(record);
    record.clear();
    engine::encode(record, ScheduleFiredEvent{
                               name, schedule->last_fired_at, schedule->cursor, schedule->last_due,
                               CANARY(forget_run) ? MessageId{} : schedule->last_message,
                               schedule->missed, schedule->skipped, schedule->waiting});
    out.prefixed(record).varint(schedule->fired);
  }
}

bool Schedules::restore(Cursor& in) {
  IdList ids;
  Bytes again;
  const auto as_written = [&](const auto& event, ByteView head) {
    again.clear();
    engine::encode(again, event);
    return std::ranges::equal(again, head);
  };
  for (auto count = in.varint(); count > 0; --count) {
    ScheduleSetEvent set;
    ScheduleFiredEvent fired;
    const auto set_head = in.prefixed();
    const auto fired_head = in.prefixed();
    const auto times = in.varint();
    if (!in.ok() || !decode(set_head, set, ids) || !decode(fired_head, fired, ids)) return false;
    if (!as_written(set, set_head) || !as_written(fired, fired_head)) return false;
    if (fired.name != set.schedule.name || fired.cursor != set.cursor) return false;
    if (!all_.empty() && all_.rbegin()->first >= fired.name) return false;
    if (fired.waiting != Time{} && set.schedule.overlap != Overlap::queue) return false;
    this->set(set);
    note_fired(fired);
    Schedule& schedule = *find(fired.name);
    schedule.last_due = fired.due;
    schedule.last_fired_at = fired.at;
    schedule.fired = times;
  }
  return in.ok();
}

bool Schedules::fit(const std::set<std::string, std::less<>>& hosts) const {
  return std::ranges::all_of(
      all_, [&](const auto& one) { return hosts.contains(split_name(one.first).host); });
}

void Schedules::check() const {
  std::uint64_t bytes = 0, waiting = 0;
  for (const auto& [name, schedule] : all_) {
    CHECK(name == schedule->name && at(schedule->slot) == schedule.get());
    bytes += bytes_of(schedule->spec());
    if (schedule->waiting == Time{}) continue;
    CHECK(schedule->overlap == Overlap::queue);
    waiting += waiting_.contains({schedule->last_message.value, schedule->slot});
  }
  CHECK(bytes == bytes_ && waiting == waiting_.size());
  CHECK(all_.size() + free_slots_.size() + 1 == slots_.size());
}

// ---- in the state

void State::arm(Schedule& schedule, std::optional<Time> when) {
  if (schedule.timer != 0) wheel.cancel(schedule.timer);
  schedule.timer = when ? wheel.set(*when, TimerKind::schedule_due, schedule.slot) : 0;
}

void State::apply(const ScheduleGoneEvent& event) {
  if (Schedule* schedule = schedules.find(event.name)) arm(*schedule, std::nullopt);
  schedules.remove(event.name);
}

void State::forget_schedules(std::string_view host) {
  std::vector<std::string> names;
  for (const auto& [name, schedule] : schedules.all())
    if (split_name(name).host == host) names.push_back(name);
  for (const auto& name : names) apply(ScheduleGoneEvent{name});
}

// The run of a schedule has ended; one that waited for it is next.
void State::wake_waiting(MessageId id) {
  if (!schedules.any_waiting()) return;
  if (const auto slot = schedules.waiting_for(id); slot != 0) arm(*schedules.at(slot), Time{});
}

}  // namespace penstock::engine
