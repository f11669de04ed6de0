#include "protocol/http/queue_json.h"

namespace penstock::protocol::http {
namespace {

using Q = engine::QueueStatistics;

constexpr QueueCounter kCounters[] = {
    {"published", "messages that came in", &Q::published},
    {"duplicates", "publishes answered with an earlier id, for their idempotency key",
     &Q::duplicates},
    {"delivered", "leases given", &Q::delivered},
    {"acked", "messages done", &Q::acked},
    {"nacked", "attempts that failed and are tried again", &Q::nacked},
    {"rejected", "messages that are not to be tried again", &Q::rejected},
    {"raised", "attempts that ended with an error", &Q::raised},
    {"timed_out", "attempts that ended at a time-out", &Q::timed_out},
    {"worker_lost", "attempts whose lease ran out, or whose connection ended", &Q::worker_lost},
    {"killed", "attempts that a signal or an exit ended", &Q::killed},
    {"out_of_memory", "attempts that ended for want of memory", &Q::out_of_memory},
    {"declined", "tasks that whoever took them could not run", &Q::declined},
    {"returned", "leases that ran out, or whose connection ended", &Q::returned},
    {"expired", "messages whose time was over", &Q::expired},
    {"dropped", "messages discarded to make room", &Q::dropped},
    {"dead_lettered", "messages moved to the dead letters", &Q::dead_lettered},
    {"purged", "messages purged", &Q::purged},
    {"redriven", "dead letters sent back", &Q::redriven},
    {"refused_length", "publishes refused by max_length", &Q::refused_length},
    {"refused_bytes", "publishes refused by max_bytes", &Q::refused_bytes},
    {"refused_wait", "publishes refused by max_wait", &Q::refused_wait},
    {"refused_dedup", "publishes refused because the dedup window is full", &Q::refused_dedup},
    {"refused_unique", "publishes refused because another message has their unique key",
     &Q::refused_unique},
    {"refused_throttle", "publishes refused by their throttle", &Q::refused_throttle},
    {"replaced", "messages that one with the same key took the place of", &Q::replaced},
    {"dead_letter_refused", "dead letters that found no room and will be tried again",
     &Q::dead_letter_refused},
};

// An option as it can be put back: numbers and booleans bare, all else as text.
void write_option(JsonText& json, const engine::OptionField& option,
                  const engine::QueueOptions& options) {
  const auto text = option.get(options);
  const bool bare = option.type == "count" || option.type == "bytes" || option.type == "number" ||
                    option.type == "boolean";
  json.key(option.name);
  bare ? json.raw(text) : json.string(text);
}

}  // namespace

std::span<const QueueCounter> queue_counters() {
  return kCounters;
}

void write_queue(JsonText& json, const engine::QueueStatistics& queue) {
  json.begin_object();
  json.key("name").string(queue.name);
  json.key("paused").boolean(queue.options.paused);
  json.key("ready").integer(queue.ready);
  json.key("leased").integer(queue.leased);
  json.key("scheduled").integer(queue.scheduled);
  json.key("bytes").integer(queue.bytes);
  json.key("in_system").number(queue.in_system);
  json.key("arrival_rate").number(queue.arrival_rate);
  json.key("service_rate");
  queue.service_rate_known ? json.number(queue.service_rate) : json.null();
  json.key("mean_time_ms").milliseconds(queue.mean_time);
  json.key("predicted_wait_ms");
  queue.service_rate_known ? json.milliseconds(queue.predicted_wait) : json.null();
  json.key("oldest_age_ms").milliseconds(queue.oldest_age);
  json.key("consumers").integer(queue.consumers);
  json.key("refused").integer(queue.refused());
  json.key("counters").begin_object();
  for (const auto& counter : kCounters) json.key(counter.name).integer(queue.*counter.value);
  json.end_object();
  json.key("options").begin_object();
  for (const auto& option : engine::option_fields()) write_option(json, option, queue.options);
  json.end_object().end_object();
}

}  // namespace penstock::protocol::http
