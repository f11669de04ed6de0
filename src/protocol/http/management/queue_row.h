// A queue as RabbitMQ's management API tells it.
#pragma once

#include "broker/reply.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http::management {

void write_queue(JsonText& json, const engine::QueueStatistics& queue);

// Those of the virtual host, or of all without one; by name.
[[nodiscard]] std::vector<const engine::QueueStatistics*> queues_of(const broker::Queues& queues,
                                                                    std::string_view host = {});

}  // namespace penstock::protocol::http::management
