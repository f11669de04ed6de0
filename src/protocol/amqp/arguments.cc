#include "protocol/amqp/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "engine/names.h"
#include "wire/amqp/table_json.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::ReplyCode;
using wire::amqp::TableView;
using wire::amqp::Value;

struct Context {
  std::string_view queue, vhost;
};

std::unexpected<Fault> invalid(const Context& in, std::string_view argument,
                               std::string_view problem) {
  return std::unexpected(Fault{ReplyCode::precondition_failed,
                               fmt::format("invalid arg '{}' for queue '{}' in vhost '{}': {}",
                                           argument, in.queue, in.vhost, problem)});
}

using Taken = std::expected<std::string, Fault>;

Taken whole_number(const Context& in, std::string_view name, const Value& value,
                   std::int64_t least) {
  const auto number = wire::amqp::integer_in(value);
  if (!number)
    return invalid(in, name, fmt::format("unacceptable type '{}'", wire::amqp::type_name(value)));
  if (*number < least) return invalid(in, name, fmt::format("{} is less than {}", *number, least));
  return std::to_string(*number);
}
Taken count(const Context& in, std::string_view name, const Value& value) {
  return whole_number(in, name, value, 0);
}
Taken milliseconds(const Context& in, std::string_view name, const Value& value) {
  constexpr std::int64_t kMost = 315'360'000'000;  // ten years, as RabbitMQ
  const auto number = whole_number(in, name, value, 0);
  if (!number) return number;
  const auto ms = parse_i64(*number).value_or(0);
  if (ms > kMost) return invalid(in, name, fmt::format("{} is more than ten years", ms));
  // Nothing lives for no time at all; a millisecond is the next best.
  return fmt::format("{}ms", std::max(ms, std::int64_t{1}));
}
Taken positive_milliseconds(const Context& in, std::string_view name, const Value& value) {
  const auto number = whole_number(in, name, value, 1);
  return number ? milliseconds(in, name, value) : number;
}
Taken text(const Context& in, std::string_view name, const Value& value) {
  const auto text = wire::amqp::text_in(value);
  if (!text)
    return invalid(in, name, fmt::format("unacceptable type '{}'", wire::amqp::type_name(value)));
  // Some of them come out again as names and keys, which are UTF-8.
  if (!is_valid_utf8(*text)) return invalid(in, name, "it is not valid UTF-8");
  return std::string(*text);
}
Taken flag(const Context& in, std::string_view name, const Value& value) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr)
    return invalid(in, name, fmt::format("unacceptable type '{}'", wire::amqp::type_name(value)));
  return std::string(*flag ? "true" : "false");
}

Taken exchange_name(const Context& in, std::string_view name, const Value& value) {
  auto exchange = text(in, name, value);
  if (exchange && exchange->empty()) *exchange = engine::QueueOptions::kDefaultExchange;
  return exchange;
}
Taken priority(const Context& in, std::string_view name, const Value& value) {
  auto number = whole_number(in, name, value, 0);
  if (!number) return number;
  const auto most = parse_i64(*number).value_or(0);
  if (most > 255) return invalid(in, name, fmt::format("{} is more than 255", most));
  return std::to_string(std::min<std::int64_t>(most, engine::kPriorityMax));
}
Taken delivery_limit(const Context& in, std::string_view name, const Value& value) {
  auto number = whole_number(in, name, value, 0);
  if (!number) return number;
  return std::to_string(std::min<std::int64_t>(parse_i64(*number).value_or(0), 1'000'000) + 1);
}
Taken one_of(const Context& in, std::string_view name, const Value& value,
             std::initializer_list<std::string_view> known) {
  auto chosen = text(in, name, value);
  if (!chosen || std::ranges::find(known, *chosen) != known.end()) return chosen;
  return invalid(in, name, fmt::format("'{}' is not one of {}", *chosen, fmt::join(known, ", ")));
}
Taken overflow(const Context& in, std::string_view name, const Value& value) {
  return one_of(in, name, value, {"drop-head", "reject-publish", "reject-publish-dlx"});
}
Taken queue_type(const Context& in, std::string_view name, const Value& value) {
  return one_of(in, name, value, {"classic", "quorum", "stream"});
}
Taken dead_letter_strategy(const Context& in, std::string_view name, const Value& value) {
  return one_of(in, name, value, {"at-most-once", "at-least-once"});
}

// "7D", "12h": a number and one of Y M D h m s.
std::optional<Duration> interval(std::string_view text) {
  constexpr std::pair<char, std::int64_t> kUnits[] = {
      {'Y', 365 * 86'400}, {'M', 30 * 86'400}, {'D', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}};
  if (text.empty()) return std::nullopt;
  const auto number = parse_u64(text.substr(0, text.size() - 1));
  if (!number || *number > 1'000'000'000) return std::nullopt;
  for (const auto& [unit, seconds] : kUnits)
    if (unit == text.back())
      return std::chrono::seconds(static_cast<std::int64_t>(*number) * seconds);
  return std::nullopt;
}
Taken age(const Context& in, std::string_view name, const Value& value) {
  const auto given = text(in, name, value);
  if (!given) return given;
  const auto duration = interval(*given);
  if (!duration) return invalid(in, name, fmt::format("'{}' is no age, as 7D or 12h", *given));
  return format_duration(std::min(*duration, Duration(std::chrono::hours(24 * 3650))));
}

// A row for each argument that means something here. `option` is what it sets; those without are
// looked at below, or are RabbitMQ's own affair: then only their type matters.
struct Row {
  std::string_view argument;
  std::string_view option;
  Taken (*take)(const Context&, std::string_view name, const Value&);
  enum class For : std::uint8_t { queues, streams, both };
  For whom = For::queues;
};
constexpr Row kRows[] = {
    {"x-message-ttl", "ttl", milliseconds},
    {"x-expires", "expires", positive_milliseconds},
    {"x-max-length", "max_length", count},
    {"x-max-length-bytes", "max_bytes", count, Row::For::both},
    {"x-max-in-memory-length", "", count},
    {"x-max-in-memory-bytes", "", count},
    {"x-overflow", "", overflow},
    {"x-dead-letter-exchange", "dead_letter_exchange", exchange_name},
    {"x-dead-letter-routing-key", "dead_letter_routing_key", text},
    {"x-dead-letter-strategy", "", dead_letter_strategy},
    {"x-max-priority", "max_priority", priority},
    {"x-single-active-consumer", "single_active_consumer", flag},
    {"x-delivery-limit", "max_attempts", delivery_limit},
    {"x-queue-type", "", queue_type, Row::For::both},
    {"x-max-age", "max_age", age, Row::For::streams},
    {"x-stream-max-segment-size-bytes", "", count, Row::For::streams},
    {"x-stream-filter-size-bytes", "", count, Row::For::streams},
    {"x-initial-cluster-size", "", count, Row::For::both},
    {"x-queue-leader-locator", "", text, Row::For::both},
    {"x-max-wait", "max_wait", milliseconds},
    {"x-dedup-window", "dedup_window", milliseconds},
};

const Row* row_of(std::string_view argument) {
  const auto* found = std::ranges::find(kRows, argument, &Row::argument);
  return found == std::end(kRows) ? nullptr : found;
}

std::optional<std::string_view> text_argument(const TableView& arguments, std::string_view name) {
  const auto value = arguments.find(name);
  return value ? wire::amqp::text_in(*value) : std::nullopt;
}

// What happens to a publish that finds the queue full.
std::string_view overflow_option(const TableView& arguments) {
  const bool bounded = arguments.find("x-max-length").has_value() ||
                       arguments.find("x-max-length-bytes").has_value();
  const bool dead_letters = arguments.find("x-dead-letter-exchange").has_value();
  const auto wanted =
      text_argument(arguments, "x-overflow").value_or(bounded ? "drop-head" : "reject-publish");
  if (wanted == "reject-publish-dlx" && dead_letters) return "reject_dead_letter";
  if (wanted != "drop-head") return "reject";
  return dead_letters ? "dead_letter" : "drop_oldest";
}

std::string json_of(const std::map<std::string, std::string>& fields) {
  if (fields.empty()) return {};
  std::string json = "{";
  for (const auto& [name, value] : fields)
    json.append(json.size() > 1 ? "," : "").append(name).append(":").append(value);
  return json + "}";
}

}  // namespace

std::expected<OptionList, Fault> queue_options(const wire::amqp::QueueDeclare& declare,
                                               std::string_view vhost) {
  const Context in{declare.queue, vhost};
  const bool durable = declare.durable && !declare.exclusive;
  OptionList options{{"durable", durable ? "true" : "false"},
                     {"auto_delete", declare.auto_delete ? "true" : "false"},
                     {"exclusive", declare.exclusive ? "true" : "false"},
                     {"overflow", std::string(overflow_option(declare.arguments))},
                     {"max_attempts", "0"},
                     {"max_priority", "0"},
                     {"dedup_window", "0s"},
                     {"backoff", "none"},
                     {"dead_letter", "-"}};
  const auto type = text_argument(declare.arguments, "x-queue-type").value_or("classic");
  const bool stream = type == "stream";
  if (stream) {
    options.emplace_back("stream", "true");
    options.emplace_back("overflow", "drop_oldest");
  }
  std::map<std::string, std::string> kept;  // those that make two declarations different
  for (const auto& field : declare.arguments) {
    const Row* row = row_of(field.name);
    if (row == nullptr) continue;
    if (row->whom != Row::For::both && stream != (row->whom == Row::For::streams))
      return invalid(in, field.name, fmt::format("not for a queue of type {}", type));
    auto value = row->take(in, field.name, field.value);
    if (!value) return std::unexpected(value.error());
    if (!row->option.empty()) options.emplace_back(row->option, std::move(*value));
    if (field.name == "x-queue-type" && wire::amqp::text_in(field.value) == "classic") continue;
    kept[wire::amqp::to_json(Value(field.name))] = wire::amqp::to_json(field.value);
  }
  if (declare.arguments.find("x-dead-letter-routing-key") &&
      !declare.arguments.find("x-dead-letter-exchange"))
    return invalid(in, "x-dead-letter-routing-key",
                   "routing_key_but_no_dlx_defined: x-dead-letter-exchange is missing");
  if (type != "classic" && (!declare.durable || declare.exclusive || declare.auto_delete))
    return invalid(in,
                   declare.exclusive     ? "exclusive"
                   : declare.auto_delete ? "auto-delete"
                                         : "non-durable",
                   fmt::format("not possible for a queue of type {}", type));
  options.emplace_back("arguments", json_of(kept));
  return options;
}

std::expected<ExchangeArguments, Fault> exchange_arguments(std::string_view type,
                                                           const TableView& arguments,
                                                           std::string_view vhost) {
  ExchangeArguments result;
  result.json = canonical_json(arguments);
  if (type == "x-delayed-message") {
    result.delayed = true;
    type = text_argument(arguments, "x-delayed-type").value_or("");
    if (type.empty() || type == "x-delayed-message")
      return std::unexpected(
          Fault{ReplyCode::precondition_failed,
                "invalid argument, 'x-delayed-type' must be an existing exchange type"});
  }
  using engine::ExchangeType;
  constexpr ExchangeType kTypes[] = {ExchangeType::direct, ExchangeType::fanout,
                                     ExchangeType::topic, ExchangeType::headers,
                                     ExchangeType::consistent_hash};
  const auto* found = std::ranges::find(kTypes, type, [](ExchangeType t) { return name_of(t); });
  if (found == std::end(kTypes))
    return std::unexpected(
        Fault{ReplyCode::command_invalid, fmt::format("unknown exchange type '{}'", type)});
  result.type = *found;
  if (const auto alternate = text_argument(arguments, "alternate-exchange"))
    result.alternate = engine::scoped_name(vhost, *alternate);
  if (const auto header = text_argument(arguments, "hash-header")) result.hash_on = *header;
  if (const auto property = text_argument(arguments, "hash-property"))
    result.hash_on = "\x01" + std::string(*property);
  return result;
}

std::expected<BindingArguments, Fault> binding_arguments(engine::ExchangeType type,
                                                         std::string_view key,
                                                         const TableView& arguments) {
  BindingArguments result;
  result.json = canonical_json(arguments);
  if (type == engine::ExchangeType::consistent_hash) {
    const auto weight = parse_u64(key);
    if (!weight || *weight == 0)
      return std::unexpected(
          Fault{ReplyCode::precondition_failed,
                fmt::format(
                    "the binding key of a consistent hash exchange is a positive weight, not '{}'",
                    key)});
  }
  if (type != engine::ExchangeType::headers) return result;
  std::string_view match = "all";
  if (const auto value = arguments.find("x-match")) {
    const auto text = wire::amqp::text_in(*value);
    if (!text ||
        (*text != "all" && *text != "any" && *text != "all-with-x" && *text != "any-with-x"))
      return std::unexpected(Fault{ReplyCode::precondition_failed,
                                   fmt::format("Invalid x-match field value {}; expected all, any, "
                                               "all-with-x or any-with-x",
                                               wire::amqp::to_json(*value))});
    match = *text;
  }
  result.match = match.starts_with("any") ? engine::HeaderMatch::any : engine::HeaderMatch::all;
  const bool with_x = match.ends_with("-with-x");
  for (const auto& field : arguments) {
    if (field.name == "x-match" || (!with_x && field.name.starts_with("x-"))) continue;
    const bool any_value = std::holds_alternative<wire::amqp::Void>(field.value);
    result.fields.push_back({std::string(field.name), match_text(field.value), any_value});
  }
  return result;
}

std::optional<engine::StreamStart> stream_start(const TableView& arguments) {
  using Kind = engine::StreamStart::Kind;
  engine::StreamStart start;
  const auto value = arguments.find("x-stream-offset");
  if (!value) return start;
  if (const auto* time = std::get_if<wire::amqp::Timestamp>(&*value)) {
    start.kind = Kind::time;
    start.at =
        time_from_micros(static_cast<std::int64_t>(time->seconds % (1ull << 40)) * 1'000'000);
    return start;
  }
  if (const auto number = wire::amqp::integer_in(*value)) {
    if (*number < 0) return std::nullopt;
    start.kind = Kind::offset;
    start.offset = static_cast<std::uint64_t>(*number);
    return start;
  }
  const auto text = wire::amqp::text_in(*value);
  if (text == "first") return start.kind = Kind::first, start;
  if (text == "last") return start.kind = Kind::last, start;
  if (text == "next") return start.kind = Kind::next, start;
  const auto ago = text ? interval(*text) : std::nullopt;
  if (!ago) return std::nullopt;
  start.kind = Kind::time;
  start.at = Time{} - *ago;
  return start;
}

std::string match_text(const Value& value) {
  if (const auto number = wire::amqp::integer_in(value)) return "i" + std::to_string(*number);
  if (const auto text = wire::amqp::text_in(value)) return "s" + std::string(*text);
  return std::string(wire::amqp::type_name(value)).append(":").append(wire::amqp::to_json(value));
}

std::string canonical_json(const TableView& arguments) {
  std::map<std::string, std::string> fields;
  for (const auto& field : arguments)
    fields.emplace(wire::amqp::to_json(Value(field.name)), wire::amqp::to_json(field.value));
  return json_of(fields);
}

}  // namespace penstock::protocol::amqp
