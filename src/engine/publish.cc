// Coming in: what is checked, what is refused and until when, and how a message is written.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/headers.h"
#include "base/siphash.h"
#include "base/text.h"
#include "engine/engine.h"
#include "flow/admission.h"

namespace penstock::engine {
namespace {

constexpr Duration kFarthest = std::chrono::hours(24 * 366 * 30);
constexpr std::size_t kLongestKey = 1024;
constexpr std::size_t kMostPolicies = 10'000;
constexpr std::uint64_t kHeadBytes = 512;  // more than a head without its group
constexpr Duration kJournalRetry = std::chrono::milliseconds(20);

std::string_view name_of(flow::Bound bound) {
  switch (bound) {
    case flow::Bound::none:
      return "";
    case flow::Bound::max_length:
      return "max_length";
    case flow::Bound::max_bytes:
      return "max_bytes";
    case flow::Bound::max_wait:
      return "max_wait";
  }
  return "";
}

std::uint64_t stored_bytes(const MessageInput& input) {
  std::uint64_t prefix = 1;
  for (auto n = input.headers.size(); n >= 0x80; n >>= 7) ++prefix;
  return prefix + input.headers.size() + input.body.size();
}

flow::Bounds bounds_of(const Queue& queue, std::uint64_t planned, std::uint64_t planned_bytes) {
  flow::Bounds bounds;
  bounds.max_length = queue.options.max_length;
  bounds.length = queue.length() + planned;
  bounds.max_bytes = queue.options.max_bytes;
  bounds.bytes = queue.bytes + planned_bytes;
  bounds.max_wait = queue.options.max_wait;
  bounds.in_system = queue.ready_count + queue.leased_count + planned;
  bounds.service_rate = queue.meter.service_rate_known() ? queue.meter.service_rate() : 0;
  return bounds;
}

}  // namespace

Result<Queue*> Engine::queue_for(Time now, std::string_view name) {
  if (Queue* queue = state_.find_queue(name)) return queue;
  if (auto declared = declare_unasked(now, name, {}, {}); !declared) return fail(declared.error());
  return state_.find_queue(name);
}

std::optional<Error> Engine::invalid_key(std::string_view key) {
  if (key.size() <= kLongestKey) return std::nullopt;
  return Error{ErrorCode::too_large, "an idempotency key has at most 1024 bytes", {}};
}

std::optional<Error> Engine::invalid(const MessageInput& input) const {
  if (stored_bytes(input) > options_.max_message_bytes)
    return Error{ErrorCode::too_large,
                 fmt::format("the message has {} bytes, at most {} are taken", stored_bytes(input),
                             options_.max_message_bytes),
                 "send a reference to the data instead, or raise max_message_bytes in the server's "
                 "settings"};
  if (input.priority > kPriorityMax)
    return Error{ErrorCode::invalid,
                 fmt::format("priority {} is not one of 0 to {}", input.priority, kPriorityMax),
                 {}};
  if (auto error = invalid_key(input.key)) return error;
  if (!input.group.empty())
    if (auto valid = valid_name(input.group, "group"); !valid) return valid.error();
  if (auto valid = check(input.limit); !valid) return valid.error();
  return std::nullopt;
}

KeyHash Engine::hash_key(QueueId queue, std::string_view key, KeyKind kind) const {
  const auto salt =
      (std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 | queue.value) * 0x9e3779b97f4a7c15;
  const auto* secret = state_.secret;
  KeyHash hash{siphash(secret[0] ^ salt, secret[1], as_bytes(key)),
               siphash(secret[2] ^ salt, secret[3], as_bytes(key))};
  if (!hash) hash.low = 1;
  return hash;
}

std::optional<Refusal> Engine::refusal(Time now, const Plan& plan) {
  Queue& queue = *plan.queue;
  const auto bounds = bounds_of(queue, 0, 0);
  auto bound = flow::broken_bound(bounds, plan.count, plan.bytes, plan.waiting);
  const bool makes_room = queue.options.overflow == Overflow::drop_oldest ||
                          queue.options.overflow == Overflow::dead_letter;
  if (makes_room && (bound == flow::Bound::max_length || bound == flow::Bound::max_bytes)) {
    // Only what waits can make room. What is being worked on comes on top of the bound: to refuse
    // what is new for its sake would turn "the newest ones" into its opposite.
    const bool fits = plan.count <= queue.options.max_length &&
                      queue.scheduled_count <= queue.options.max_length - plan.count &&
                      plan.bytes <= queue.options.max_bytes;
    if (fits) bound = flow::Bound::none;
  }
  std::string_view reason = name_of(bound);
  if (bound == flow::Bound::none) {
    if (queue.dedup_keys + plan.keys <= options_.max_dedup_keys_per_queue) return std::nullopt;
    reason = "dedup_window";
  }
  auto& counters = queue.counters;
  (bound == flow::Bound::max_length  ? counters.refused_length
   : bound == flow::Bound::max_bytes ? counters.refused_bytes
   : bound == flow::Bound::max_wait  ? counters.refused_wait
                                     : counters.refused_dedup) += plan.count;
  // Those refused within the time that it takes to come back stand in line before this one.
  const double since = static_cast<double>((now - queue.refused_at).count());
  queue.refused_lately *= std::exp(-since / 1e6);
  queue.refused_at = now;
  const auto wait = flow::retry_after(bounds, bound, plan.count, plan.bytes, queue.refused_lately,
                                      random_.next());
  queue.refused_lately = std::min(queue.refused_lately + static_cast<double>(plan.count),
                                  bounds.service_rate > 0 ? bounds.service_rate * 5 : 1.0);
  Refusal refusal;
  refusal.queue = queue.name;
  refusal.reason = reason;
  refusal.retry_after = wait;
  refusal.may_block = queue.options.overflow == Overflow::block &&
                      plan.count <= queue.options.max_length &&
                      plan.bytes <= queue.options.max_bytes;
  if (plan.count > queue.options.max_length)
    refusal.message = fmt::format(
        "queue {} takes at most {} messages, and {} came at once: send them in smaller batches",
        queue.name, queue.options.max_length, plan.count);
  else if (plan.bytes > queue.options.max_bytes)
    refusal.message = fmt::format(
        "queue {} takes at most {}, and {} came at once: send them in smaller batches, or "
        "references "
        "to the data",
        queue.name, format_bytes(queue.options.max_bytes), format_bytes(plan.bytes));
  else
    refusal.message =
        fmt::format("queue {} holds {} messages ({} bytes), predicted wait {}: {} is reached",
                    queue.name, queue.length(), queue.bytes,
                    format_duration(Duration(queue.meter.predicted_wait(bounds.in_system).count() /
                                             1000 * 1000)),
                    reason);
  happened(now, "refused", queue, {}, reason);
  return refusal;
}

bool Engine::adds_nothing(const Publish& publish) {
  const Queue* queue = state_.find_queue(publish.queue);
  return queue != nullptr && std::ranges::all_of(publish.messages, [&](const auto& input) {
           return !input.key.empty() && state_.find_key(hash_key(queue->id, input.key)) != 0;
         });
}

Engine::PublishAnswer Engine::publish(Time now, std::span<const Publish> publishes, IdList& ids,
                                      Chosen chosen) {
  if (chosen == Chosen::by_name)
    for (const auto& publish : publishes)
      if (auto allowed = may_publish(publish.queue); !allowed) return allowed.error();
  if (auto refused = plan(now, publishes)) return std::move(*refused);
  std::uint32_t duplicates = 0;
  for (const auto& plan : plans_) make_room(now, *plan.queue, plan.count, plan.bytes);
  for (const auto& publish : publishes) {
    Queue& queue = *state_.find_queue(publish.queue);
    std::uint32_t repeated = 0;
    auto rest = publish.messages;
    while (!rest.empty()) {
      const auto some = rest.first(std::min(rest.size(), State::kFetched));
      rest = rest.subspan(some.size());
      if (some.size() > 1) state_.fetch_groups(queue, some);
      for (const auto& input : some) {
        const auto [id, is_new] = write_new(now, queue, input);
        ids.push_back(id);
        if (!is_new) ++repeated;
      }
    }
    const auto added = publish.messages.size() - repeated;
    duplicates += repeated;
    if (queue.options.stream) trim_stream(now, queue);
    queue.counters.published += added;
    queue.counters.duplicates += repeated;
    queue.meter.arrived(now, added);
    changed(now, queue);
  }
  return duplicates;
}

Engine::Written Engine::write_new(Time now, Queue& queue, const MessageInput& input) {
  KeyHash key;
  const bool limited = input.limit.rule != KeyRule::none;
  const Verdict verdict = limited ? verdicts_[next_verdict_++] : Verdict{};
  if (!input.key.empty()) {
    key = hash_key(queue.id, input.key);
    if (const auto slot = state_.find_key(key); slot != 0) return {state_.keys[slot].id, false};
    if (queue.options.dedup_window.count() == 0) key = {};
  }
  if (!limited) return {write_message(now, queue, input, key), true};
  if (verdict.known) return {verdict.known, false};
  if (verdict.replaced) end_replaced(now, queue, verdict.replaced);
  MessageInput later = input;
  later.not_before = std::max(input.not_before, verdict.due);
  return {write_message(now, queue, later, key, false, &verdict.hold), true};
}

// What it would add to each queue; nothing of it is done before all of it is known to be right.
std::optional<Engine::PublishAnswer> Engine::plan(Time now, std::span<const Publish> publishes) {
  plans_.clear();
  verdicts_.clear();
  next_verdict_ = 0;
  limit_keys_.clear();
  replaced_bytes_ = replaced_ = 0;
  for (const auto& publish : publishes)
    for (const auto& input : publish.messages)
      if (auto error = invalid(input)) return *error;
  for (const auto& publish : publishes) {
    auto queue = queue_for(now, publish.queue);
    if (!queue) return queue.error();
    (void)plan_for(**queue);
    for (const auto& input : publish.messages)
      if (auto refused = plan(now, **queue, input)) return refused;
  }
  return refuse_what_has_no_room(now, publishes);
}

std::optional<Engine::PublishAnswer> Engine::plan(Time now, Queue& queue,
                                                  const MessageInput& input) {
  const bool limited = input.limit.rule != KeyRule::none;
  const bool repeats = !input.key.empty() && state_.find_key(hash_key(queue.id, input.key)) != 0;
  if (repeats) {
    if (limited) verdicts_.emplace_back();
    return std::nullopt;  // a duplicate adds nothing
  }
  if (input.not_before - now > kFarthest)
    return Error{ErrorCode::invalid, "delayed by more than 30 years", {}};
  Plan& plan = plan_for(queue);
  auto bytes = stored_bytes(input);
  std::uint64_t count = 1;
  Time due = input.not_before;
  if (limited) {
    auto judged = judge(now, queue, input);
    if (auto* error = std::get_if<Error>(&judged)) return std::move(*error);
    if (auto* refused = std::get_if<Refusal>(&judged)) return std::move(*refused);
    const auto& verdict = verdicts_.emplace_back(std::get<Verdict>(judged));
    if (verdict.known) return std::nullopt;
    if (const auto replaced = state_.find(verdict.replaced); replaced != 0) {
      count = 0;
      bytes -= std::min<std::uint64_t>(bytes, state_.messages[replaced].bytes);
      replaced_bytes_ += bytes_to_end(verdict.replaced);
      ++replaced_;
    }
    due = std::max(due, verdict.due);
    ++plan.keys;
  }
  if (!input.key.empty()) ++plan.keys;
  plan.count += count;
  plan.bytes += bytes;
  plan.waiting |= due <= now && count > 0;
  return std::nullopt;
}

std::optional<Engine::PublishAnswer> Engine::refuse_what_has_no_room(
    Time now, std::span<const Publish> publishes) {
  std::uint64_t bytes = replaced_bytes_;
  std::uint64_t count = replaced_;
  for (const auto& plan : plans_) {
    bytes += plan.bytes;
    count += plan.count;
    if (plan.count + plan.bytes + plan.keys == 0) continue;
    if (auto refused = refusal(now, plan)) {
      if (plan.queue->options.overflow == Overflow::reject_dead_letter)
        bury_refused(now, *plan.queue, publishes);
      return std::move(*refused);
    }
  }
  if (replaced_ == 0) return std::nullopt;
  // Those that are replaced end in the same commit, and their ends tell what came of them.
  for (const auto& publish : publishes)
    for (const auto& input : publish.messages) bytes += input.headers.size() + input.body.size();
  if (storage_->has_room(bytes + count * kHeadBytes, static_cast<std::uint32_t>(count + replaced_)))
    return std::nullopt;
  return Refusal{.queue = plans_.front().queue->name,
                 .reason = "journal",
                 .message = "the disk is behind with what came in",
                 .retry_after = kJournalRetry};
}

Engine::Plan& Engine::plan_for(Queue& queue) {
  auto plan = std::ranges::find(plans_, &queue, &Plan::queue);
  return plan == plans_.end() ? plans_.emplace_back(Plan{&queue}) : *plan;
}

void Engine::plan_for(Queue& queue, const MessageInput& input) {
  Plan& plan = plan_for(queue);
  ++plan.count;
  plan.bytes += stored_bytes(input);
  plan.waiting = true;
}

MessageId Engine::write_message(Time now, Queue& queue, const MessageInput& input,
                                const KeyHash& key, bool held, const KeyHold* hold) {
  PublishEvent event;
  event.id = MessageId(queue.transient() ? state_.next_transient_message : state_.next_message);
  event.queue = queue.id;
  event.at = now;
  event.priority = std::min(input.priority, queue.options.max_priority);
  event.task = input.task;
  event.held = held;
  if (input.not_before > now) event.not_before = input.not_before;
  event.expires_at = input.expires_at;
  if (queue.options.ttl.count() > 0 && (event.expires_at == Time{} || input.soonest_expiry)) {
    const auto own = std::max(now, input.not_before) + queue.options.ttl;
    event.expires_at = event.expires_at == Time{} ? own : std::min(own, event.expires_at);
  }
  if (!input.policy.empty()) event.policy = policy_number(input.policy).value_or(0);
  event.key = key;
  if (key) event.dedup_until = now + queue.options.dedup_window;
  event.group = input.group;
  if (hold != nullptr) event.hold = *hold;
  if (queue.options.stream) {
    // All that is kept of a stream is an order.
    event.priority = 0;
    event.task = false;
    event.not_before = event.expires_at = {};
    event.group = {};
  }
  body_.clear();
  Encoder(body_).prefixed(input.headers).bytes(input.body);
  const auto position = write(queue, event, body_);
  state_.apply(event, position, static_cast<std::uint32_t>(body_.size()));
  return event.id;
}

Result<std::uint16_t> Engine::policy_number(const Policy& policy) {
  Bytes bytes;
  Encoder out(bytes);
  encode_policy(out, policy);
  const std::string text(as_text(bytes));
  if (const auto known = policy_numbers_.find(text); known != policy_numbers_.end())
    return known->second;
  if (policy_numbers_.size() >= kMostPolicies)
    return fail(ErrorCode::too_large, "more than 10,000 different per-message policies are in use",
                "use a queue's options instead of a policy of each message's own");
  PolicyEvent event{static_cast<std::uint16_t>(state_.policies.size()), policy};
  write(event);
  state_.apply(event);
  policy_numbers_.emplace(text, event.number);
  return event.number;
}

// What is refused lies among the dead letters, where that finds room.
void Engine::bury_refused(Time now, const Queue& queue, std::span<const Publish> publishes) {
  if (queue.options.dead_letter_exchange.empty()) return;
  for (const auto& publish : publishes) {
    if (publish.queue != queue.name) continue;
    for (auto input : publish.messages) {
      const Bytes headers(input.headers.begin(), input.headers.end());
      input.key = {};
      input.limit = {};
      input.expires_at = {};
      if (publish_dead_letter(now, queue, input, headers, MoveReason::overflow))
        ++state_.find_queue(queue.id)->counters.dead_lettered;
    }
  }
}

// The oldest of what waits goes, until the new ones fit.
void Engine::make_room(Time now, Queue& queue, std::uint64_t count, std::uint64_t bytes) {
  const bool outermost = !std::exchange(queue.making_room, true);
  while (queue.ready_count > 0 &&
         (queue.length() - queue.leased_count + count > queue.options.max_length ||
          queue.bytes + bytes > queue.options.max_bytes)) {
    const auto slot = state_.oldest_ready(queue);
    if (slot == 0) break;
    ++queue.counters.dropped;
    const auto before = queue.ready_count;
    if (queue.options.overflow == Overflow::dead_letter)
      bury(now, slot, MoveReason::overflow, {"overflow"});
    if (queue.ready_count == before)
      end_message(now, slot, SettleReason::dropped, "dropped: the queue was full");
  }
  if (outermost) queue.making_room = false;
}

}  // namespace penstock::engine
