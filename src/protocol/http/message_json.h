// A message as the API shows it.
#pragma once

#include "broker/reply.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http {

// The fields of a message inside an object that has been begun: id, queue, body or body_base64,
// headers, attempts, priority, enqueued_at, and where there are some: task, group, expires_at.
void write_message_fields(JsonText& json, const broker::Delivery& message);

}  // namespace penstock::protocol::http
