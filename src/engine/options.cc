#include "engine/options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "base/text.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

using namespace std::chrono_literals;
constexpr Duration kLongest = std::chrono::hours(24 * 366 * 10);
constexpr std::size_t kTextBytesMax = 64u << 10;

Result<Duration> duration(std::string_view text, Duration least = Duration(0)) {
  auto value = parse_duration(text);
  if (!value) return value;
  if (*value < least)
    return fail(ErrorCode::invalid, fmt::format("at least {} is needed", format_duration(least)));
  if (*value > kLongest) return fail(ErrorCode::invalid, "more than ten years");
  return value;
}

template <auto Member>
Result<void> set_duration(QueueOptions& options, std::string_view text) {
  auto value = duration(text);
  if (!value) return fail(value.error());
  options.*Member = *value;
  return {};
}
template <auto Member>
std::string get_duration(const QueueOptions& options) {
  return format_duration(options.*Member);
}

template <auto Member>
Result<void> set_count(QueueOptions& options, std::string_view text) {
  auto value = parse_u64(text);
  if (!value) return fail(value.error());
  using Field = std::remove_reference_t<decltype(options.*Member)>;
  if (*value > std::numeric_limits<Field>::max()) return fail(ErrorCode::invalid, "too large");
  options.*Member = static_cast<Field>(*value);
  return {};
}
template <auto Member>
std::string get_count(const QueueOptions& options) {
  return std::to_string(options.*Member);
}

constexpr std::array<std::pair<Overflow, std::string_view>, 5> kOverflows{{
    {Overflow::reject, "reject"},
    {Overflow::block, "block"},
    {Overflow::drop_oldest, "drop_oldest"},
    {Overflow::dead_letter, "dead_letter"},
    {Overflow::reject_dead_letter, "reject_dead_letter"},
}};

Result<void> set_overflow(QueueOptions& options, std::string_view text) {
  for (const auto& [value, name] : kOverflows)
    if (name == text) return options.overflow = value, Result<void>{};
  return fail(ErrorCode::invalid,
              "not one of reject, block, drop_oldest, dead_letter, reject_dead_letter");
}
std::string get_overflow(const QueueOptions& options) {
  for (const auto& [value, name] : kOverflows)
    if (value == options.overflow) return std::string(name);
  return "reject";
}

Result<void> set_backoff(QueueOptions& options, std::string_view text) {
  auto value = parse_backoff(text);
  if (!value) return fail(value.error());
  options.backoff = *value;
  return {};
}

Result<void> set_dead_letter(QueueOptions& options, std::string_view text) {
  if (!text.empty() && text != "-")
    if (auto valid = valid_name(text); !valid) return valid;
  options.dead_letter = text;
  return {};
}

Result<double> rate(std::string_view text, double most) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value <= most))
    return fail(ErrorCode::invalid, fmt::format("not a number from 0 to {:.0e}", most));
  return value;
}

Result<void> set_rate(QueueOptions& options, std::string_view text) {
  auto value = rate(text, 1e9);
  if (!value) return fail(value.error());
  options.rate = *value;
  return {};
}
Result<void> set_group_rate(QueueOptions& options, std::string_view text) {
  auto value = rate(text, kGroupRateMax);
  if (!value) return fail(value.error());
  options.group_rate = *value;
  return {};
}

template <auto Member>
Result<void> set_boolean(QueueOptions& options, std::string_view text) {
  if (text != "true" && text != "false") return fail(ErrorCode::invalid, "not true or false");
  options.*Member = text == "true";
  return {};
}
template <auto Member>
std::string get_boolean(const QueueOptions& options) {
  return options.*Member ? "true" : "false";
}

template <auto Member>
Result<void> set_text(QueueOptions& options, std::string_view text) {
  if (text.size() > kTextBytesMax)
    return fail(ErrorCode::too_large, fmt::format("at most {} bytes", kTextBytesMax));
  options.*Member = text;
  return {};
}
template <auto Member>
std::string get_text(const QueueOptions& options) {
  return options.*Member;
}

Result<void> set_max_priority(QueueOptions& options, std::string_view text) {
  auto value = parse_u64(text);
  if (!value) return fail(value.error());
  if (*value > kPriorityMax)
    return fail(ErrorCode::invalid, fmt::format("at most {}", kPriorityMax));
  options.max_priority = static_cast<std::uint8_t>(*value);
  return {};
}

using Q = QueueOptions;

constexpr OptionField kFields[] = {
    {"max_length", "count", "most messages held, ready, leased and scheduled together",
     set_count<&Q::max_length>, get_count<&Q::max_length>},
    {"max_bytes", "bytes", "most bytes of bodies and headers held",
     [](Q& o, std::string_view text) -> Result<void> {
       auto value = parse_bytes(text);
       if (!value) return fail(value.error());
       o.max_bytes = *value;
       return {};
     },
     get_count<&Q::max_bytes>},
    {"max_wait", "duration", "refuse a message whose predicted wait is longer; 0 = no such bound",
     set_duration<&Q::max_wait>, get_duration<&Q::max_wait>},
    {"overflow", "reject|block|drop_oldest|dead_letter|reject_dead_letter",
     "what happens to a publish that breaks a bound", set_overflow, get_overflow},
    {"ttl", "duration", "messages expire after this time; 0 = never", set_duration<&Q::ttl>,
     get_duration<&Q::ttl>},
    {"max_attempts", "count", "deliveries before a message goes to the dead letters; 0 = no limit",
     set_count<&Q::max_attempts>, get_count<&Q::max_attempts>},
    {"max_raised", "count", "of those, how many may end with an error; 0 = as many as there are",
     set_count<&Q::max_raised>, get_count<&Q::max_raised>},
    {"max_timed_out", "count", "and how many at a time-out; 0 = as many as there are",
     set_count<&Q::max_timed_out>, get_count<&Q::max_timed_out>},
    {"max_worker_lost", "count", "and how many with their worker; 0 = as many as there are",
     set_count<&Q::max_worker_lost>, get_count<&Q::max_worker_lost>},
    {"max_killed", "count", "and how many by a signal or an exit; 0 = as many as there are",
     set_count<&Q::max_killed>, get_count<&Q::max_killed>},
    {"max_out_of_memory", "count", "and how many for want of memory; 0 = as many as there are",
     set_count<&Q::max_out_of_memory>, get_count<&Q::max_out_of_memory>},
    {"backoff", "none|fixed:D|exponential:BASE:CAP[:nojitter]", "wait between attempts",
     set_backoff, [](const Q& o) { return format_backoff(o.backoff); }},
    {"dead_letter", "name", "queue for dead letters; empty = NAME.dead, - = discard",
     set_dead_letter, [](const Q& o) { return o.dead_letter; }},
    {"dedup_window", "duration",
     "a repeated idempotency key within this time answers with the first id",
     set_duration<&Q::dedup_window>, get_duration<&Q::dedup_window>},
    {"lease", "duration", "time to settle a delivery before it goes to somebody else",
     [](Q& o, std::string_view text) -> Result<void> {
       auto value = duration(text, 1ms);
       if (!value) return fail(value.error());
       o.lease = *value;
       return {};
     },
     get_duration<&Q::lease>},
    {"rate", "number", "most deliveries per second; 0 = no limit", set_rate,
     [](const Q& o) { return fmt::format("{}", o.rate); }},
    {"group_limit", "count", "concurrent leases per group key; 0 = no limit",
     set_count<&Q::group_limit>, get_count<&Q::group_limit>},
    {"group_rate", "number", "most deliveries per second and group key; 0 = no limit",
     set_group_rate, [](const Q& o) { return fmt::format("{}", o.group_rate); }},
    {"paused", "boolean", "hold deliveries; publishes still come in", set_boolean<&Q::paused>,
     get_boolean<&Q::paused>},
    {"max_priority", "count", "higher priorities count as this one; at most 15", set_max_priority,
     get_count<&Q::max_priority>},
    {"single_active_consumer", "boolean", "one AMQP consumer gets all, until it goes",
     set_boolean<&Q::single_active_consumer>, get_boolean<&Q::single_active_consumer>},
    {"expires", "duration", "delete the queue when unused for so long; 0 = never",
     set_duration<&Q::expires>, get_duration<&Q::expires>},
    {"auto_delete", "boolean", "delete the queue with its last AMQP consumer",
     set_boolean<&Q::auto_delete>, get_boolean<&Q::auto_delete>},
    {"exclusive", "boolean", "of the connection that declared it; set by that",
     set_boolean<&Q::exclusive>, get_boolean<&Q::exclusive>},
    {"durable", "boolean", "false: kept in memory only; decided when the queue is created",
     set_boolean<&Q::durable>, get_boolean<&Q::durable>},
    {"stream", "boolean", "messages stay when read; AMQP consumers read from any offset",
     set_boolean<&Q::stream>, get_boolean<&Q::stream>},
    {"max_age", "duration", "a stream forgets older messages; 0 = as long as there is room",
     set_duration<&Q::max_age>, get_duration<&Q::max_age>},
    {"dead_letter_exchange", "name", "publish dead letters there; amq.default is the unnamed one",
     set_text<&Q::dead_letter_exchange>, get_text<&Q::dead_letter_exchange>},
    {"dead_letter_routing_key", "text", "with this key; empty = with the message's own",
     set_text<&Q::dead_letter_routing_key>, get_text<&Q::dead_letter_routing_key>},
    {"arguments", "text", "what an AMQP client declared it with, as JSON", set_text<&Q::arguments>,
     get_text<&Q::arguments>},
};

}  // namespace

std::span<const OptionField> option_fields() {
  return kFields;
}

Result<void> set_option(QueueOptions& options, std::string_view name, std::string_view value) {
  for (const auto& field : kFields) {
    if (field.name != name) continue;
    auto set = field.set(options, value);
    if (set) return set;
    return fail(ErrorCode::invalid,
                fmt::format("queue option {}: {}: {}", name, quoted(value), set.error().message),
                fmt::format("{} takes {}: {}", name, field.type, field.meaning));
  }
  std::string known;
  for (const auto& field : kFields) known.append(known.empty() ? "" : ", ").append(field.name);
  return fail(ErrorCode::invalid, fmt::format("there is no queue option {}", quoted(name)),
              "the options are " + known);
}

Result<void> set_group_field(GroupSetting& setting, std::string_view name, std::string_view value) {
  const bool take_back = value == "default";
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("{} of a group: {}: {}", name, quoted(value), why));
  };
  if (name == "rate") {
    if (take_back) return setting.rate.reset(), Result<void>{};
    auto given = rate(value, kGroupRateMax);
    if (!given) return wrong(given.error().message);
    setting.rate = *given;
    return {};
  }
  if (name != "weight" && name != "limit")
    return fail(ErrorCode::invalid, fmt::format("a group has no {}", quoted(name)),
                "it has weight, rate and limit");
  const auto given = take_back ? Result<std::uint64_t>(1) : parse_u64(value);
  if (!given) return wrong(given.error().message);
  if (name == "weight") {
    if (*given < 1 || *given > kGroupWeightMax)
      return wrong(fmt::format("it is 1 to {}", kGroupWeightMax));
    setting.weight = static_cast<std::uint32_t>(*given);
    return {};
  }
  if (*given > std::numeric_limits<std::uint32_t>::max()) return wrong("too large");
  setting.limit = static_cast<std::uint32_t>(*given);
  if (take_back) setting.limit.reset();
  return {};
}

Result<flow::Backoff> parse_backoff(std::string_view text) {
  using Kind = flow::Backoff::Kind;
  flow::Backoff backoff;
  if (text == "none") return backoff.kind = Kind::none, backoff;
  const auto colon = text.find(':');
  const auto kind = text.substr(0, colon);
  auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (rest.ends_with(":nojitter")) rest.remove_suffix(9), backoff.jitter = false;
  const auto expected = [&] {
    return fail(ErrorCode::invalid, fmt::format("{} is not a backoff", quoted(text)),
                "none, fixed:2s or exponential:1s:60s, with :nojitter behind if wanted");
  };
  if (kind == "fixed") {
    auto base = duration(rest);
    if (!base) return expected();
    backoff.kind = Kind::fixed;
    backoff.base = backoff.cap = *base;
    return backoff;
  }
  const auto second = rest.find(':');
  if (kind != "exponential" || second == std::string_view::npos) return expected();
  auto base = duration(rest.substr(0, second), 1ms);
  auto cap = duration(rest.substr(second + 1), 1ms);
  if (!base || !cap || *cap < *base) return expected();
  backoff.kind = Kind::exponential;
  backoff.base = *base;
  backoff.cap = *cap;
  return backoff;
}

std::string format_backoff(const flow::Backoff& backoff) {
  const auto jitter = backoff.jitter ? "" : ":nojitter";
  switch (backoff.kind) {
    case flow::Backoff::Kind::none:
      return "none";
    case flow::Backoff::Kind::fixed:
      return fmt::format("fixed:{}{}", format_duration(backoff.base), jitter);
    case flow::Backoff::Kind::exponential:
      return fmt::format("exponential:{}:{}{}", format_duration(backoff.base),
                         format_duration(backoff.cap), jitter);
  }
  return "none";
}

std::uint32_t most_of(const QueueOptions& options, Cause cause) {
  switch (cause) {
    case Cause::none:
      return 0;
    case Cause::raised:
      return options.max_raised;
    case Cause::timed_out:
      return options.max_timed_out;
    case Cause::worker_lost:
      return options.max_worker_lost;
    case Cause::killed:
      return options.max_killed;
    case Cause::out_of_memory:
      return options.max_out_of_memory;
  }
  return 0;
}

std::string dead_letter_name(std::string_view queue, const QueueOptions& options) {
  if (options.dead_letter == "-") return {};
  if (!options.dead_letter.empty()) return beside(queue, options.dead_letter);
  // Dead letters have no dead letters of their own, and a name has at most 255 bytes.
  if (queue.ends_with(".dead") || split_name(queue).name.size() > 250) return {};
  return std::string(queue) + ".dead";
}

}  // namespace penstock::engine
