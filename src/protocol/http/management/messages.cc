// Messages: published through an exchange, and got from a queue.
#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "protocol/amqp/content.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/declarations.h"
#include "protocol/http/management/fields.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/properties.h"
#include "protocol/http/raw_json.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http::management {
namespace {

// ---- publish

// What clients send; some repeat the path.
constexpr std::string_view kPublishFields[] = {
    "payload", "payload_encoding", "properties", "routing_key", "name",
    "vhost",   "exchange",         "headers",    "props",       "delivery_mode"};
constexpr wire::json::Limits kPropertiesLimits{.max_bytes = 256u << 10, .max_depth = 16};

Result<std::string> text_field(const RawObject& object, std::string_view name,
                               std::size_t bytes_max) {
  const auto raw = object.find(name);
  if (!raw) return fail(ErrorCode::invalid, fmt::format("{} must be given", name));
  // A string may be written six times as long as it is.
  auto value = wire::json::parse(*raw, {.max_bytes = bytes_max * 6 + 2});
  if (!value) return fail(value.error().at(name));
  const auto* text = value->if_string();
  if (text == nullptr) return fail(ErrorCode::invalid, fmt::format("{} must be a string", name));
  return std::string(text->data(), text->size());
}

Result<std::string> read_payload(const RawObject& object, std::size_t bytes_max) {
  auto payload = text_field(object, "payload", bytes_max);
  auto encoding = text_field(object, "payload_encoding", 16);
  if (!payload || !encoding) return fail(payload ? encoding.error() : payload.error());
  if (*encoding == "string") return payload;
  if (*encoding != "base64")
    return fail(ErrorCode::invalid,
                fmt::format("payload_encoding {} is neither string nor base64", quoted(*encoding)));
  auto decoded = base64_decode(*payload);
  if (!decoded) return fail(decoded.error().at("payload"));
  return decoded;
}

void on_published(Exchange& exchange, const broker::Published& published) {
  JsonText json(exchange.text());
  json.begin_object().key("routed").boolean(!published.ids.empty()).end_object();
  exchange.answer_json(200);
}

Result<void> publish(Exchange& exchange, const Name& target) {
  const auto fields = RawObject::read(exchange.body(), kPublishFields);
  if (!fields) return fail(fields.error());
  const auto key = text_field(*fields, "routing_key", 255);
  if (!key) return fail(key.error());
  if (key->size() > 255) return fail(ErrorCode::invalid, "routing_key is longer than 255 bytes");
  const auto payload = read_payload(*fields, exchange.service().settings().max_body_bytes);
  if (!payload) return fail(payload.error());
  const auto given =
      wire::json::parse(fields->find("properties").value_or("{}"), kPropertiesLimits);
  if (!given) return fail(given.error().at("properties"));
  std::string table;
  const auto properties = read_properties(*given, table);
  if (!properties) return fail(properties.error());
  if (properties->reply_to == amqp::kDirectReplyTo)
    return fail(ErrorCode::invalid, "direct replies go to AMQP connections only");

  amqp::Meaning meaning;
  engine::RoutedPublish message;
  if (const auto fault =
          amqp::read_message(*key, *properties, exchange.now(), meaning, message.message))
    return fail(error_of(*fault));
  std::string raw;
  wire::amqp::encode_properties(raw, *properties);
  Bytes headers;
  amqp::write_headers(headers, target.name, meaning, *properties, as_bytes(raw), std::nullopt);
  message.exchange = target.scoped;
  message.keys = meaning.keys;
  message.message.body = as_bytes(*payload);
  message.message.headers = headers;
  const auto tag = exchange.expect<on_published>();
  exchange.broker().publish_routed(exchange.session().id(), tag, message);
  return {};
}

// ---- get

struct Getting final : Exchange::Work {
  engine::Outcome outcome = engine::Outcome::requeue;
  bool always_base64 = false;
  std::size_t shown_bytes = SIZE_MAX;
};

constexpr std::pair<std::string_view, engine::Outcome> kAckModes[] = {
    {"ack_requeue_true", engine::Outcome::requeue},
    {"reject_requeue_true", engine::Outcome::requeue},
    {"ack_requeue_false", engine::Outcome::ack},
    {"reject_requeue_false", engine::Outcome::reject},
};

void write_payload(JsonText& json, ByteView body, const Getting& getting) {
  const auto text = as_text(body.first(std::min(body.size(), getting.shown_bytes)));
  const bool plain = !getting.always_base64 && is_valid_utf8(text);
  json.key("payload").string(plain ? std::string(text) : base64_encode(as_bytes(text)));
  json.key("payload_encoding").string(plain ? "string" : "base64");
}

void write_message(JsonText& json, const broker::Delivery& delivery, std::uint64_t left,
                   const Getting& getting) {
  std::string scratch;
  const auto content = amqp::content_of(delivery, 0, scratch);
  const auto properties = wire::amqp::decode_properties(content.raw_properties);
  json.begin_object().key("payload_bytes").integer(delivery.body.size());
  json.key("redelivered").boolean(delivery.redelivered);
  json.key("exchange").string(content.exchange).key("routing_key").string(content.routing_key);
  json.key("message_count").integer(left);
  json.key("properties");
  write_properties(json, properties.value_or(wire::amqp::Properties{}));
  write_payload(json, delivery.body, getting);
  json.end_object();
}

void on_settled(Exchange& exchange, const broker::Settled&) {
  exchange.answer_json(200);
}

// Written while the bodies are there, and told when it is settled what becomes of the messages.
void on_got(Exchange& exchange, const broker::Delivered& delivered) {
  const auto& getting = static_cast<const Getting&>(*exchange.work);
  JsonText json(exchange.text());
  json.begin_array();
  std::vector<engine::LeaseToken> leases;
  auto left = delivered.left + delivered.messages.size();
  for (const auto& delivery : delivered.messages) {
    write_message(json, delivery, --left, getting);
    leases.push_back(delivery.lease);
  }
  json.end_array();
  if (leases.empty()) return exchange.answer_json(200);
  engine::Settle settle;
  settle.leases = leases;
  settle.outcome = getting.outcome;
  const auto tag = exchange.expect<on_settled>();
  exchange.broker().settle(exchange.session().id(), tag, settle);
}

}  // namespace

void publish_message(Exchange& exchange) {
  const auto target = exchange_in_path(exchange);
  if (!target) return;
  if (auto published = publish(exchange, *target); !published)
    exchange.answer_error(published.error());
}

void get_messages(Exchange& exchange) {
  const auto name = queue_in_path(exchange);
  if (!name) return;
  const auto options = exchange.broker().check_queue(exchange.session().id(), name->scoped);
  if (!options) return answer_when_durable(exchange, options.error());
  if ((*options)->stream)
    return exchange.answer_error(
        Error{ErrorCode::unsupported, "a stream is read by consumers, from an offset on", {}});
  const auto body = body_of(exchange);
  if (!body) return;
  Fields fields(*body);
  auto getting = std::make_unique<Getting>();
  const auto count =
      fields.integer("count", 1, 1'000'000'000, 1);  // cut below: there may be fewer anyway
  getting->shown_bytes =
      static_cast<std::size_t>(fields.integer("truncate", 0, INT64_MAX, INT64_MAX));
  getting->always_base64 = fields.text("encoding", "auto") == "base64";
  const auto mode = fields.text(
      "ackmode", fields.flag("requeue", true) ? "ack_requeue_true" : "ack_requeue_false");
  if (const auto good = fields.good(); !good) return exchange.answer_error(good.error());
  const auto* known =
      std::ranges::find(kAckModes, mode, &std::pair<std::string_view, engine::Outcome>::first);
  if (known == std::end(kAckModes))
    return exchange.answer_error(
        Error{ErrorCode::invalid, fmt::format("ackmode {} is none", quoted(mode)), {}});
  getting->outcome = known->second;
  exchange.work = std::move(getting);
  engine::Take take;
  take.queues.push_back(name->scoped);
  take.max = static_cast<std::uint32_t>(
      std::min<std::int64_t>(count, exchange.service().settings().take_max));
  take.unlimited = true;
  const auto tag = exchange.expect<on_got>();
  exchange.broker().take(exchange.session().id(), tag, take);
}

}  // namespace penstock::protocol::http::management
