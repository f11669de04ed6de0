// Whether the server is alive, whether it takes work, and what it is about.
#include "base/text.h"
#include "protocol/http/exchange.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http {
namespace {

void answer_state(Exchange& exchange, int status, std::string_view state) {
  JsonText(exchange.text()).begin_object().key("status").string(state).end_object();
  exchange.answer_json(status);
}

void write_journal(JsonText& json, const journal::Journal::Statistics& journal) {
  json.begin_object();
  json.key("segments").integer(journal.segments);
  json.key("spare_segments").integer(journal.spare_segments);
  json.key("disk_bytes").integer(journal.disk_bytes);
  json.key("reserve_bytes").integer(journal.reserve_bytes);
  json.key("live_bytes").integer(journal.live_bytes);
  json.key("batches").integer(journal.batches);
  json.key("records").integer(journal.records);
  json.key("appended_bytes").integer(journal.appended_bytes);
  json.key("written_bytes").integer(journal.written_bytes);
  json.key("disk_reads").integer(journal.disk_reads);
  json.key("cache_reads").integer(journal.cache_reads);
  json.key("cache_bytes").integer(journal.cache_bytes);
  json.key("checkpoints").integer(journal.checkpoints);
  json.key("sync_micros_last").integer(journal.sync_micros_last);
  json.key("sync_micros_max").integer(journal.sync_micros_max);
  json.key("sync_micros_total").integer(journal.sync_micros_total);
  json.key("parity_files").integer(journal.parity_files);
  json.key("parity_bytes").integer(journal.parity_bytes);
  json.key("parity_put_off").integer(journal.parity_put_off);
  json.key("scrubbed_blocks").integer(journal.scrubbed_blocks);
  json.key("repaired_blocks").integer(journal.repaired_blocks);
  json.key("damaged_blocks").integer(journal.damaged_blocks);
  json.key("scrubs").integer(journal.scrubs);
  json.key("last_scrub_micros").integer(journal.last_scrub_micros);
  json.end_object();
}

void write_http(JsonText& json, const HttpCounters& http) {
  json.begin_object();
  json.key("connections").integer(http.connections);
  std::uint64_t requests = 0;
  for (const auto count : http.requests) requests += count;
  json.key("requests").integer(requests);
  json.key("malformed").integer(http.malformed);
  json.key("foreign").integer(http.foreign);
  json.key("unauthorized").integer(http.unauthorized);
  json.key("timeouts").integer(http.timeouts);
  json.key("events_lost").integer(http.events_lost);
  json.end_object();
}

}  // namespace

void get_root(Exchange& exchange) {
  JsonText json(exchange.text());
  json.begin_object().key("name").string("penstock");
  json.key("version").string(exchange.service().settings().version);
  json.key("queues").string("/v1/queues").key("status").string("/v1/status");
  json.key("metrics").string("/metrics").key("docs").string("docs/protocols/http.md");
  json.end_object();
  exchange.answer_json(200);
}

void get_healthz(Exchange& exchange) {
  answer_state(exchange, 200, "ok");
}

void get_readyz(Exchange& exchange) {
  if (!exchange.service().stopping()) return answer_state(exchange, 200, "ready");
  answer_state(exchange, 503, "stopping");
}

void get_status(Exchange& exchange) {
  const auto all = exchange.broker().statistics();
  JsonText json(exchange.text());
  json.begin_object();
  json.key("version").string(exchange.service().settings().version);
  json.key("uptime_ms")
      .milliseconds(std::chrono::floor<std::chrono::milliseconds>(exchange.now() -
                                                                  exchange.service().started()));
  json.key("messages").integer(all.messages);
  json.key("results").integer(all.results);
  json.key("sessions").integer(all.sessions);
  json.key("waiting_takes").integer(all.waiting_takes);
  json.key("timers").integer(all.timers);
  json.key("index_bytes").integer(all.index_bytes);
  json.key("turns").integer(all.turns);
  json.key("turn_micros_max").integer(all.turn_micros_max);
  json.key("replies_waiting").integer(all.replies_waiting);
  json.key("replies_put_off").integer(all.replies_put_off);
  write_journal(json.key("journal"), all.journal);
  write_http(json.key("http"), exchange.service().counters());
  if (const auto& status = exchange.service().settings().status) {
    json.key("server").begin_object();
    for (const auto& [name, value] : status()) {
      parse_i64(value) ? json.key(name).raw(value) : json.key(name).string(value);
    }
    json.end_object();
  }
  json.end_object();
  exchange.answer_json(200);
}

}  // namespace penstock::protocol::http
