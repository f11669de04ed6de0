#include "protocol/http/message_json.h"

#include "base/headers.h"
#include "base/text.h"
#include "protocol/headers.h"

namespace penstock::protocol::http {

void write_message_fields(JsonText& json, const broker::Delivery& message) {
  json.key("id").id(message.id);
  json.key("queue").string(message.queue);
  const auto body = as_text(message.body);
  if (is_valid_utf8(body)) {
    json.key("body").string(body);
  } else {
    json.key("body_base64").string(base64_encode(message.body));
  }
  json.key("headers").begin_object();
  visit_headers(message.headers, [&](std::string_view name, std::string_view value) {
    if (name != kTaskHeader) json.key(name).string(value);
  });
  json.end_object();
  json.key("attempts").integer(message.attempts);
  json.key("priority").integer(message.priority);
  json.key("enqueued_at").time(message.enqueued_at);
  if (message.task) {
    json.key("task").string(find_header(message.headers, kTaskHeader).value_or(""));
  }
  if (!message.group.empty()) json.key("group").string(message.group);
  if (message.expires_at != Time{}) json.key("expires_at").time(message.expires_at);
}

}  // namespace penstock::protocol::http
