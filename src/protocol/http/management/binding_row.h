// A binding as RabbitMQ's management API tells it.
#pragma once

#include "engine/topology.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http::management {

void write_binding(JsonText& json, const engine::Binding& binding);
// Of a queue to the default exchange, by its name. `queue` is scoped.
void write_default_binding(JsonText& json, std::string_view queue);

// Names one of the bindings between two ends: its key, "~" for an empty one, and a checksum of its
// arguments if it has any.
[[nodiscard]] std::string properties_key(std::string_view key, std::string_view arguments);

}  // namespace penstock::protocol::http::management
