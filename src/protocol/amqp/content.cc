#include "protocol/amqp/content.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/headers.h"
#include "base/text.h"
#include "engine/deaths.h"
#include "engine/names.h"
#include "engine/route_header.h"
#include "protocol/amqp/service.h"
#include "wire/amqp/table_writer.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::Properties;
using wire::amqp::TableView;
using wire::amqp::TableWriter;
using wire::amqp::Value;

constexpr std::string_view kCopies = "CC";
constexpr std::string_view kBlindCopies = "BCC";

bool append_texts(const std::optional<Value>& value, std::vector<std::string_view>& into) {
  if (!value) return true;
  const auto* array = std::get_if<wire::amqp::ArrayView>(&*value);
  if (array == nullptr) return false;
  for (const auto& one : *array) {
    const auto text = wire::amqp::text_in(one);
    if (!text) return false;
    into.push_back(*text);
  }
  return true;
}

// Properties that other protocols' headers become.
using Text = std::optional<std::string_view> Properties::*;
struct Named {
  std::string_view name;
  Text property;
};
constexpr Named kNamed[] = {
    {"content-type", &Properties::content_type},
    {"content-encoding", &Properties::content_encoding},
    {"correlation-id", &Properties::correlation_id},
    {"reply-to", &Properties::reply_to},
    {"message-id", &Properties::message_id},
    {"type", &Properties::type},
    {"app-id", &Properties::app_id},
};

Text property_of(std::string_view name) {
  const auto* found = std::ranges::find(kNamed, name, &Named::name);
  return found == std::end(kNamed) ? nullptr : found->property;
}

using engine::MoveReason;
constexpr std::pair<MoveReason, std::string_view> kReasons[] = {
    {MoveReason::max_attempts, "delivery_limit"},
    {MoveReason::rejected, "rejected"},
    {MoveReason::expired, "expired"},
    {MoveReason::overflow, "maxlen"},
    {MoveReason::poisoned, "delivery_limit"},
};

std::string_view death_reason(MoveReason reason) {
  for (const auto& [known, text] : kReasons)
    if (known == reason) return text;
  return "unknown";
}

MoveReason reason_of_death(std::string_view text) {
  for (const auto& [reason, known] : kReasons)
    if (known == text) return reason;
  return MoveReason::none;
}

void write_deaths(TableWriter& table, const engine::Deaths& deaths,
                  std::optional<std::string_view> expiration) {
  if (deaths.entries.empty()) return;
  {
    auto list = table.array("x-death");
    for (const auto& death : deaths.entries) {
      auto entry = list.table();
      entry.add("count", static_cast<std::int64_t>(death.count));
      entry.add("exchange", std::string_view(death.exchange));
      entry.add("queue", std::string_view(death.queue));
      entry.add("reason", death_reason(death.reason));
      {
        auto keys = entry.array("routing-keys");
        for (const auto& key : death.keys) keys.add(std::string_view(key));
      }
      entry.add("time",
                wire::amqp::Timestamp{static_cast<std::uint64_t>(micros(death.at)) / 1'000'000});
      // Only the first death can be of the message's own time: it is taken away then.
      if (expiration && &death == &deaths.entries.back())
        entry.add("original-expiration", *expiration);
    }
  }
  table.add("x-first-death-exchange", std::string_view(deaths.first_exchange));
  table.add("x-first-death-queue", std::string_view(deaths.first_queue));
  table.add("x-first-death-reason", death_reason(deaths.first_reason));
  const auto& last = deaths.entries.front();
  table.add("x-last-death-exchange", std::string_view(last.exchange));
  table.add("x-last-death-queue", std::string_view(last.queue));
  table.add("x-last-death-reason", death_reason(last.reason));
}

bool is_of_deaths(std::string_view name) {
  return name == "x-death" || name.starts_with("x-first-death-") ||
         name.starts_with("x-last-death-");
}

// What a client says that its message has died of: it had it from us, and publishes it again.
engine::Deaths read_deaths(const Properties& properties) {
  engine::Deaths deaths;
  const auto value = properties.header("x-death");
  const auto* list = value ? std::get_if<wire::amqp::ArrayView>(&*value) : nullptr;
  if (list == nullptr) return deaths;
  const auto text = [](const TableView& table, std::string_view name) {
    const auto found = table.find(name);
    return std::string(found ? wire::amqp::text_in(*found).value_or("") : "");
  };
  for (const auto& one : *list) {
    const auto* entry = std::get_if<TableView>(&one);
    const auto reason =
        entry == nullptr ? engine::MoveReason::none : reason_of_death(text(*entry, "reason"));
    if (reason == engine::MoveReason::none || deaths.entries.size() == engine::kDeathsMax) continue;
    auto& death = deaths.entries.emplace_back();
    death.queue = text(*entry, "queue");
    death.exchange = text(*entry, "exchange");
    death.reason = reason;
    if (const auto count = entry->find("count"))
      death.count = static_cast<std::uint64_t>(
          std::max<std::int64_t>(wire::amqp::integer_in(*count).value_or(1), 1));
    if (const auto time = entry->find("time"))
      if (const auto* at = std::get_if<wire::amqp::Timestamp>(&*time))
        death.at =
            time_from_micros(static_cast<std::int64_t>(at->seconds % (1ull << 40)) * 1'000'000);
    std::vector<std::string_view> keys;
    if (append_texts(entry->find("routing-keys"), keys))
      death.keys.assign(keys.begin(), keys.end());
  }
  deaths.first_queue = text(*properties.headers, "x-first-death-queue");
  deaths.first_exchange = text(*properties.headers, "x-first-death-exchange");
  deaths.first_reason = reason_of_death(text(*properties.headers, "x-first-death-reason"));
  return deaths;
}

struct Stored {
  std::string_view exchange, key;
  std::uint64_t keys = 0;
  ByteView raw;
  std::string_view deaths;
  bool foreign = false;  // has headers of other protocols
};

Stored read_stored(ByteView headers) {
  Stored stored;
  for_each_header(headers, [&](std::string_view name, std::string_view value) {
    if (name == kRouteHeader) {
      Cursor in(as_bytes(value));
      stored.exchange = in.text();
      stored.keys = in.varint();
      if (stored.keys > 0) stored.key = in.text();
    } else if (name == kPropertiesHeader) {
      stored.raw = as_bytes(value);
    } else if (name == kDeathsHeader) {
      stored.deaths = value;
    } else if (!is_hidden_header(name)) {
      stored.foreign = true;
    }
  });
  return stored;
}

class HeaderFields final : public engine::FieldReader {
 public:
  [[nodiscard]] std::optional<std::string> field(ByteView headers,
                                                 std::string_view name) const override {
    const auto stored = read_stored(headers);
    if (const auto properties = wire::amqp::decode_properties(stored.raw);
        properties && !stored.raw.empty()) {
      if (name.starts_with('\x01')) return property(*properties, name.substr(1));
      if (const auto value = properties->header(name)) return match_text(*value);
    }
    const auto plain = find_header(headers, name);
    return plain && !is_hidden_header(name) ? std::optional("s" + std::string(*plain))
                                            : std::nullopt;
  }

 private:
  // Those that a consistent hash exchange may be told to hash on.
  static std::optional<std::string> property(const Properties& properties, std::string_view name) {
    const auto text = [](const auto& value) {
      return value ? std::optional<std::string>(*value) : std::nullopt;
    };
    if (name == "message_id") return text(properties.message_id);
    if (name == "correlation_id") return text(properties.correlation_id);
    if (name == "timestamp" && properties.timestamp) return std::to_string(*properties.timestamp);
    return std::nullopt;
  }
};

}  // namespace

const engine::FieldReader& field_reader() {
  static const HeaderFields reader;
  return reader;
}

bool read_meaning(std::string_view routing_key, const Properties& properties, Meaning& meaning) {
  meaning.keys.assign(1, routing_key);
  meaning.shown_keys = 1;
  meaning.deduplication = properties.message_id;
  meaning.delay_ms.reset();
  if (!properties.headers || properties.headers->empty()) return true;
  if (!append_texts(properties.header(kCopies), meaning.keys)) return false;
  meaning.shown_keys = meaning.keys.size();
  if (!append_texts(properties.header(kBlindCopies), meaning.keys)) return false;
  for (const auto& field : *properties.headers) {
    if (field.name == "x-deduplication-header") {
      if (const auto key = wire::amqp::text_in(field.value)) meaning.deduplication = key;
    } else if (field.name == "x-delay") {
      meaning.delay_ms = wire::amqp::integer_in(field.value);
      const auto text = wire::amqp::text_in(field.value);
      if (text)
        if (const auto number = parse_i64(*text)) meaning.delay_ms = *number;
    }
  }
  return true;
}

std::optional<Fault> read_message(std::string_view routing_key, const Properties& properties,
                                  Time now, Meaning& meaning, engine::MessageInput& into) {
  using wire::amqp::ReplyCode;
  if (!read_meaning(routing_key, properties, meaning))
    return Fault{ReplyCode::precondition_failed, "CC and BCC are arrays of strings"};
  into.priority = std::min(properties.priority.value_or(0), engine::kPriorityMax);
  if (meaning.deduplication) into.key = *meaning.deduplication;
  if (meaning.delay_ms && *meaning.delay_ms > 0)
    into.not_before =
        now + std::chrono::milliseconds(std::min<std::int64_t>(*meaning.delay_ms, 1ll << 40));
  if (!properties.expiration) return std::nullopt;
  const auto ms = parse_u64(*properties.expiration);
  if (!ms || *ms > (1ull << 40))
    return Fault{ReplyCode::precondition_failed,
                 fmt::format("invalid expiration '{}'", *properties.expiration)};
  into.expires_at =
      std::max(now, into.not_before) + std::chrono::milliseconds(std::max<std::uint64_t>(*ms, 1));
  into.soonest_expiry = true;
  return std::nullopt;
}

void write_headers(Bytes& out, std::string_view exchange, const Meaning& meaning,
                   const Properties& properties, ByteView raw,
                   std::optional<std::string_view> reply_to) {
  Bytes route;
  engine::encode_route(route, exchange, std::span(meaning.keys).first(meaning.shown_keys));
  Encoder to(out);
  to.text(kRouteHeader).prefixed(route);
  if (const auto deaths = read_deaths(properties); !deaths.entries.empty()) {
    Bytes value;
    encode(value, deaths);
    to.text(kDeathsHeader).prefixed(value);
  }
  if (!reply_to && meaning.keys.size() == meaning.shown_keys) {
    to.text(kPropertiesHeader).prefixed(raw);
    return;
  }
  Properties changed = properties;
  std::string fields;
  if (meaning.keys.size() != meaning.shown_keys) {
    TableWriter table(fields);
    for (const auto& field : *properties.headers)
      if (field.name != kBlindCopies) table.copy(field);
    changed.headers = TableView::trusted(as_bytes(fields));
  }
  if (reply_to) changed.reply_to = reply_to;
  std::string encoded;
  wire::amqp::encode_properties(encoded, changed);
  to.text(kPropertiesHeader).text(encoded);
}

Content content_of(const broker::Delivery& delivery, std::uint32_t delivery_count,
                   std::string& scratch) {
  static constexpr std::array<std::byte, 2> kNoProperties{};
  const auto stored = read_stored(delivery.headers);
  Content content;
  content.exchange = stored.exchange;
  content.routing_key = stored.key;
  if (stored.raw.empty() && stored.exchange.empty() && stored.key.empty())
    content.routing_key = engine::split_name(delivery.queue).name;
  content.raw_properties = stored.raw.empty() ? ByteView(kNoProperties) : stored.raw;
  const bool of_stream = delivery.offset != engine::kNoOffset;
  if (stored.deaths.empty() && !stored.foreign && delivery_count == 0 && !of_stream) return content;

  auto properties = wire::amqp::decode_properties(content.raw_properties).value_or(Properties{});
  const auto deaths = engine::decode_deaths(as_bytes(stored.deaths));
  std::string fields;
  TableWriter table(fields);
  if (properties.headers)
    for (const auto& field : *properties.headers) {
      // A queue that gives its dead letters a key of their own takes the copies' keys away.
      const bool gone = !deaths.entries.empty() &&
                        (is_of_deaths(field.name) || (field.name == kCopies && stored.keys == 1));
      if (!gone) table.copy(field);
    }
  for_each_header(delivery.headers, [&](std::string_view name, std::string_view value) {
    if (is_hidden_header(name)) return;
    if (const auto property = property_of(name); property != nullptr && value.size() <= 255)
      properties.*property = value;
    else
      table.add(name, value);
  });
  if (delivery_count > 0) table.add("x-delivery-count", std::int64_t{delivery_count});
  if (of_stream) table.add("x-stream-offset", static_cast<std::int64_t>(delivery.offset));
  write_deaths(table, deaths, properties.expiration);
  if (!deaths.entries.empty()) properties.expiration.reset();
  if (!fields.empty()) properties.headers = table.view();
  scratch.clear();
  wire::amqp::encode_properties(scratch, properties);
  content.raw_properties = as_bytes(scratch);
  return content;
}

}  // namespace penstock::protocol::amqp
