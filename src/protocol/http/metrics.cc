// GET /metrics: what Prometheus reads, from tables that docs/protocols/http.md lists too.
#include "protocol/http/metrics.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "protocol/http/exchange.h"
#include "protocol/http/handlers.h"
#include "protocol/http/queue_json.h"

namespace penstock::protocol::http {
namespace {

using Queue = engine::QueueStatistics;
using Server = broker::Broker::Statistics;

constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e6;
}
double count(std::uint64_t value) {
  return static_cast<double>(value);
}

// A figure of each queue, labelled with its name.
struct QueueGauge {
  Metric metric;
  double (*value)(const Queue&);
};
constexpr QueueGauge kQueueGauges[] = {
    {{"penstock_queue_ready", "gauge", "messages waiting to be taken"},
     [](const Queue& q) { return count(q.ready); }},
    {{"penstock_queue_leased", "gauge", "messages taken and not settled"},
     [](const Queue& q) { return count(q.leased); }},
    {{"penstock_queue_scheduled", "gauge", "messages whose time has not come"},
     [](const Queue& q) { return count(q.scheduled); }},
    {{"penstock_queue_bytes", "gauge", "bytes of bodies and headers held"},
     [](const Queue& q) { return count(q.bytes); }},
    {{"penstock_queue_in_system", "gauge", "L of Little's law: ready and leased"},
     [](const Queue& q) { return q.in_system; }},
    {{"penstock_queue_arrival_rate", "gauge", "lambda: messages coming in per second"},
     [](const Queue& q) { return q.arrival_rate; }},
    {{"penstock_queue_service_rate", "gauge",
      "mu: what the consumers can do per second; 0 while unknown"},
     [](const Queue& q) { return q.service_rate; }},
    {{"penstock_queue_mean_time_seconds", "gauge", "W: from publish to settle"},
     [](const Queue& q) { return seconds(q.mean_time); }},
    {{"penstock_queue_predicted_wait_seconds", "gauge", "wait of a message that comes now"},
     [](const Queue& q) { return seconds(q.predicted_wait); }},
    {{"penstock_queue_oldest_age_seconds", "gauge", "age of the oldest ready message"},
     [](const Queue& q) { return seconds(q.oldest_age); }},
    {{"penstock_queue_consumers", "gauge", "takes waiting"},
     [](const Queue& q) { return count(q.consumers); }},
    {{"penstock_queue_paused", "gauge", "1 while nothing is delivered"},
     [](const Queue& q) { return q.options.paused ? 1.0 : 0.0; }},
};

struct ServerMetric {
  Metric metric;
  double (*value)(const Server&);
};
constexpr ServerMetric kServerMetrics[] = {
    {{"penstock_messages", "gauge", "messages held in all queues"},
     [](const Server& s) { return count(s.messages); }},
    {{"penstock_results", "gauge", "results of tasks kept"},
     [](const Server& s) { return count(s.results); }},
    {{"penstock_sessions", "gauge", "connections and users of the broker"},
     [](const Server& s) { return count(s.sessions); }},
    {{"penstock_waiting_takes", "gauge", "takes waiting for messages"},
     [](const Server& s) { return count(s.waiting_takes); }},
    {{"penstock_timers", "gauge", "timers set"}, [](const Server& s) { return count(s.timers); }},
    {{"penstock_workers", "gauge", "workers that are there"},
     [](const Server& s) { return count(s.workers); }},
    {{"penstock_tasks_declined_total", "counter", "tasks that whoever took them could not run"},
     [](const Server& s) { return count(s.declined); }},
    {{"penstock_task_log_bytes", "gauge", "what tasks said, in memory"},
     [](const Server& s) { return count(s.log_bytes); }},
    {{"penstock_index_bytes", "gauge", "memory of the engine's index"},
     [](const Server& s) { return count(s.index_bytes); }},
    {{"penstock_turns_total", "counter", "turns of the broker"},
     [](const Server& s) { return count(s.turns); }},
    {{"penstock_turn_seconds_max", "gauge", "longest turn of the broker"},
     [](const Server& s) { return count(s.turn_micros_max) / 1e6; }},
    {{"penstock_replies_waiting", "gauge", "replies that wait for the disk, or to be read"},
     [](const Server& s) { return count(s.replies_waiting); }},
    {{"penstock_replies_put_off_total", "counter",
      "replies that waited for their reader, or for the memory of a large answer"},
     [](const Server& s) { return count(s.replies_put_off); }},
    {{"penstock_journal_disk_bytes", "gauge", "size of the journal's files"},
     [](const Server& s) { return count(s.journal.disk_bytes); }},
    {{"penstock_journal_reserve_bytes", "gauge", "kept for settles and checkpoints on a full disk"},
     [](const Server& s) { return count(s.journal.reserve_bytes); }},
    {{"penstock_journal_live_bytes", "gauge", "bytes of it that are still needed"},
     [](const Server& s) { return count(s.journal.live_bytes); }},
    {{"penstock_journal_segments", "gauge", "segments in use"},
     [](const Server& s) { return count(s.journal.segments); }},
    {{"penstock_journal_batches_total", "counter", "batches written and synced"},
     [](const Server& s) { return count(s.journal.batches); }},
    {{"penstock_journal_records_total", "counter", "records appended"},
     [](const Server& s) { return count(s.journal.records); }},
    {{"penstock_journal_written_bytes_total", "counter", "bytes written to the disk"},
     [](const Server& s) { return count(s.journal.written_bytes); }},
    {{"penstock_journal_disk_reads_total", "counter", "bodies read back from the disk"},
     [](const Server& s) { return count(s.journal.disk_reads); }},
    {{"penstock_journal_cache_reads_total", "counter", "bodies read back from memory"},
     [](const Server& s) { return count(s.journal.cache_reads); }},
    {{"penstock_journal_cache_bytes", "gauge", "memory that the newest bodies take (`body_cache`)"},
     [](const Server& s) { return count(s.journal.cache_bytes); }},
    {{"penstock_journal_sync_seconds_total", "counter", "time spent in syncs"},
     [](const Server& s) { return count(s.journal.sync_micros_total) / 1e6; }},
    {{"penstock_journal_sync_seconds_max", "gauge", "longest sync"},
     [](const Server& s) { return count(s.journal.sync_micros_max) / 1e6; }},
    {{"penstock_journal_parity_files", "gauge", "sealed segments that have parity"},
     [](const Server& s) { return count(s.journal.parity_files); }},
    {{"penstock_journal_parity_bytes", "gauge", "size of the parity files"},
     [](const Server& s) { return count(s.journal.parity_bytes); }},
    {{"penstock_journal_parity_put_off_total", "counter",
      "parity not written for want of disk, or because that failed"},
     [](const Server& s) { return count(s.journal.parity_put_off); }},
    {{"penstock_journal_scrubbed_blocks_total", "counter", "blocks of 4 KiB read over"},
     [](const Server& s) { return count(s.journal.scrubbed_blocks); }},
    {{"penstock_journal_repaired_blocks_total", "counter", "damaged blocks that the parity undid"},
     [](const Server& s) { return count(s.journal.repaired_blocks); }},
    {{"penstock_journal_damaged_blocks", "gauge", "damaged blocks known, beyond repair"},
     [](const Server& s) { return count(s.journal.damaged_blocks); }},
    {{"penstock_journal_scrubs_total", "counter", "times that everything was read over"},
     [](const Server& s) { return count(s.journal.scrubs); }},
    {{"penstock_journal_last_scrub_seconds", "gauge",
      "when everything was last read over, since 1970; 0 never"},
     [](const Server& s) { return count(s.journal.last_scrub_micros) / 1e6; }},
};

struct HttpMetric {
  Metric metric;
  std::uint64_t HttpCounters::*value;
};
constexpr HttpMetric kHttpMetrics[] = {
    {{"penstock_http_connections", "gauge", "open HTTP connections"}, &HttpCounters::connections},
    {{"penstock_http_malformed_total", "counter", "requests refused by the parser"},
     &HttpCounters::malformed},
    {{"penstock_http_foreign_total", "counter", "requests refused for their Host or Origin"},
     &HttpCounters::foreign},
    {{"penstock_http_unauthorized_total", "counter", "requests without a right user and password"},
     &HttpCounters::unauthorized},
    {{"penstock_http_timeouts_total", "counter", "requests that took too long to arrive"},
     &HttpCounters::timeouts},
    {{"penstock_http_events_lost_total", "counter", "events dropped for slow watchers"},
     &HttpCounters::events_lost},
};

constexpr Metric kRequests{"penstock_http_requests_total", "counter", "requests, by route"};
constexpr Metric kResponses{"penstock_http_responses_total", "counter", "answers, by class"};

std::string counter_name(const engine::QueueCounter& counter) {
  return "penstock_queue_" + std::string(counter.name) + "_total";
}

void describe(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  out.append(name).append(" ").append(type).append("\n");
}
void describe(std::string& out, const Metric& metric) {
  describe(out, metric.name, metric.type, metric.help);
}

void append_value(std::string& out, double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  out.append(" ").append(text, static_cast<std::size_t>(end - text)).append("\n");
}

void add_sample(std::string& out, std::string_view name, double value) {
  out.append(name);
  append_value(out, value);
}

void add_sample(std::string& out, std::string_view name, std::string_view label,
                std::string_view of, double value) {
  out.append(name).append("{").append(label).append("=\"");
  append_label_value(out, of);
  out.append("\"}");
  append_value(out, value);
}

void write_queues(std::string& out, std::span<const Queue> queues) {
  for (const auto& gauge : kQueueGauges) {
    describe(out, gauge.metric);
    for (const auto& queue : queues) {
      add_sample(out, gauge.metric.name, "queue", queue.name, gauge.value(queue));
    }
  }
  for (const auto& counter : engine::queue_counters()) {
    const auto name = counter_name(counter);
    describe(out, name, "counter", counter.help);
    for (const auto& queue : queues) {
      add_sample(out, name, "queue", queue.name, count(queue.*counter.value));
    }
  }
}

void write_http(std::string& out, const HttpCounters& http) {
  for (const auto& [metric, value] : kHttpMetrics) {
    describe(out, metric);
    add_sample(out, metric.name, count(http.*value));
  }
  describe(out, kRequests);
  std::size_t number = 0;
  for_each_route([&](const Route& route) {
    const auto label =
        std::string(wire::http::name_of(route.method)).append(" ").append(route.pattern);
    add_sample(out, kRequests.name, "route", label, count(http.requests[number++]));
  });
  describe(out, kResponses);
  for (std::size_t i = 1; i < http.responses.size(); ++i) {
    add_sample(out, kResponses.name, "class", std::to_string(i) + "xx", count(http.responses[i]));
  }
}

// Of the layers above: sockets and what they wait for.
void write_server(std::string& out, const Settings& settings) {
  if (!settings.status) return;
  for (const auto& [name, value] : settings.status()) {
    if (!parse_i64(value)) continue;
    const auto metric = "penstock_server_" + name;
    describe(out, metric, "untyped", "of the server; see /v1/status");
    out.append(metric).append(" ").append(value).append("\n");
  }
}

void on_queues(Exchange& exchange, const broker::Queues& queues) {
  auto& out = exchange.text();
  const auto server = exchange.broker().statistics();
  for (const auto& [metric, value] : kServerMetrics) {
    describe(out, metric);
    add_sample(out, metric.name, value(server));
  }
  write_http(out, exchange.service().counters());
  write_server(out, exchange.service().settings());
  write_queues(out, queues.queues);
  exchange.answer_text(200, kContentType);
}

}  // namespace

void append_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out.push_back('\\');
    c == '\n' ? out.append("\\n") : out.append(1, c);
  }
}

std::string metrics_as_markdown() {
  std::string text = "| name | type | what it is |\n|---|---|---|\n";
  const auto row = [&](std::string_view name, std::string_view type, std::string_view help) {
    text.append("| `").append(name).append("` | ").append(type).append(" | ");
    text.append(help).append(" |\n");
  };
  const auto add = [&](const Metric& metric) { row(metric.name, metric.type, metric.help); };
  for (const auto& entry : kServerMetrics) add(entry.metric);
  for (const auto& entry : kHttpMetrics) add(entry.metric);
  add(kRequests);
  add(kResponses);
  for (const auto& entry : kQueueGauges) add(entry.metric);
  for (const auto& counter : engine::queue_counters())
    row(counter_name(counter), "counter", counter.help);
  return text;
}

void get_metrics(Exchange& exchange) {
  const auto tag = exchange.expect<on_queues>();
  exchange.broker().queues(exchange.session().id(), tag);
}

}  // namespace penstock::protocol::http
