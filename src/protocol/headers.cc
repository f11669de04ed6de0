#include "protocol/headers.h"

#include "base/headers.h"
#include "base/text.h"
#include "wire/amqp/properties.h"
#include "wire/amqp/table_json.h"

namespace penstock::protocol {
namespace {

using wire::amqp::Properties;
using wire::amqp::Value;

struct Named {
  std::string_view name;
  std::optional<std::string_view> Properties::*property;
};
constexpr Named kTexts[] = {
    {"content-type", &Properties::content_type},
    {"content-encoding", &Properties::content_encoding},
    {"correlation-id", &Properties::correlation_id},
    {"reply-to", &Properties::reply_to},
    {"expiration", &Properties::expiration},
    {"message-id", &Properties::message_id},
    {"type", &Properties::type},
    {"user-id", &Properties::user_id},
    {"app-id", &Properties::app_id},
};

// Texts that are none in UTF-8 would spoil whatever they are put into.
void visit_text(const VisitHeader& visit, std::string_view name, std::string_view value) {
  if (!is_valid_utf8(name)) return;
  if (is_valid_utf8(value)) return visit(name, value);
  visit(name, base64_encode(as_bytes(value)));
}

void visit_properties(std::string_view raw, const VisitHeader& visit) {
  const auto properties = wire::amqp::decode_properties(as_bytes(raw));
  if (!properties) return;
  for (const auto& [name, property] : kTexts)
    if (const auto& value = (*properties).*property) visit_text(visit, name, *value);
  if (properties->delivery_mode) visit("delivery-mode", std::to_string(*properties->delivery_mode));
  if (properties->timestamp) visit("timestamp", std::to_string(*properties->timestamp));
  if (!properties->headers) return;
  for (const auto& field : *properties->headers) {
    if (const auto text = wire::amqp::text_in(field.value))
      visit_text(visit, field.name, *text);
    else
      visit_text(visit, field.name, wire::amqp::to_json(field.value));
  }
}

void visit_route(std::string_view value, const VisitHeader& visit) {
  Cursor in(as_bytes(value));
  const auto exchange = in.text();
  const auto keys = in.varint();
  const auto key = keys > 0 ? in.text() : std::string_view();
  if (!in.ok()) return;
  if (!exchange.empty()) visit_text(visit, "exchange", exchange);
  visit_text(visit, "routing-key", key);
}

}  // namespace

void visit_headers(ByteView headers, const VisitHeader& visit) {
  for_each_header(headers, [&](std::string_view name, std::string_view value) {
    if (name == kPropertiesHeader)
      visit_properties(value, visit);
    else if (name == kRouteHeader)
      visit_route(value, visit);
    else if (!is_hidden_header(name))
      visit(name, value);
  });
}

}  // namespace penstock::protocol
