#include "protocol/http/management/properties.h"

#include <fmt/format.h>

#include "protocol/http/management/fields.h"
#include "wire/amqp/table_json.h"

namespace penstock::protocol::http::management {
namespace {

using wire::amqp::Properties;

struct TextProperty {
  std::string_view name;
  std::optional<std::string_view> Properties::*value;
};
constexpr TextProperty kTexts[] = {
    {"content_type", &Properties::content_type},
    {"content_encoding", &Properties::content_encoding},
    {"correlation_id", &Properties::correlation_id},
    {"reply_to", &Properties::reply_to},
    {"expiration", &Properties::expiration},
    {"message_id", &Properties::message_id},
    {"type", &Properties::type},
    {"user_id", &Properties::user_id},
    {"app_id", &Properties::app_id},
    {"cluster_id", &Properties::cluster_id},
};
constexpr std::size_t kTextBytesMax = 255;  // of a short string

}  // namespace

Result<Properties> read_properties(const boost::json::value& value, std::string& table) {
  constexpr std::int64_t kTimestampMax = 1ll << 40;
  Properties properties;
  const auto* list = value.if_array();
  if (list != nullptr && list->empty()) return properties;  // how Erlang writes none
  Fields fields(value, "properties");
  for (const auto& [name, member] : kTexts) {
    if (!fields.has(name)) continue;
    properties.*member = fields.text(name);
    if ((properties.*member)->size() > kTextBytesMax)
      return fail(ErrorCode::invalid,
                  fmt::format("properties: {} is longer than {} bytes", name, kTextBytesMax));
  }
  if (fields.has("delivery_mode"))
    properties.delivery_mode = static_cast<std::uint8_t>(fields.integer("delivery_mode", 1, 2, 1));
  if (fields.has("priority"))
    properties.priority = static_cast<std::uint8_t>(fields.integer("priority", 0, 255, 0));
  if (fields.has("timestamp"))
    properties.timestamp =
        static_cast<std::uint64_t>(fields.integer("timestamp", 0, kTimestampMax, 0));
  if (fields.has("headers")) {
    auto good = wire::amqp::table_from_json(fields.object("headers"), table);
    if (!good) return fail(good.error().at("properties: headers"));
    properties.headers = wire::amqp::TableView::trusted(as_bytes(table));
  }
  if (auto good = fields.good(); !good) return fail(good.error());
  return properties;
}

void write_properties(JsonText& json, const Properties& properties) {
  json.begin_object();
  for (const auto& [name, value] : kTexts)
    if (const auto& text = properties.*value) json.key(name).string(*text);
  if (properties.delivery_mode) json.key("delivery_mode").integer(int{*properties.delivery_mode});
  if (properties.priority) json.key("priority").integer(int{*properties.priority});
  if (properties.timestamp) json.key("timestamp").integer(*properties.timestamp);
  if (properties.headers) json.key("headers").raw(wire::amqp::to_json(*properties.headers));
  json.end_object();
}

}  // namespace penstock::protocol::http::management
