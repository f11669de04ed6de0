// An exchange as RabbitMQ's management API tells it.
#pragma once

#include "engine/topology.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http::management {

void write_exchange(JsonText& json, const engine::Exchange& exchange);
void write_default_exchange(JsonText& json, std::string_view host);

}  // namespace penstock::protocol::http::management
