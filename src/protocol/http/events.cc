// GET /v1/events: what happens, as it happens.
#include "base/text.h"
#include "protocol/http/exchange.h"
#include "protocol/http/handlers.h"

namespace penstock::protocol::http {

void get_events(Exchange& exchange) {
  exchange.note = exchange.query("queue").value_or("");  // empty: all
  exchange.begin_stream("text/event-stream");
}

}  // namespace penstock::protocol::http
