#include "protocol/http/queue_json.h"

namespace penstock::protocol::http {
namespace {

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
  for (const auto& counter : engine::queue_counters())
    json.key(counter.name).integer(queue.*counter.value);
  json.end_object();
  json.key("options").begin_object();
  for (const auto& option : engine::option_fields()) write_option(json, option, queue.options);
  json.end_object().end_object();
}

}  // namespace penstock::protocol::http
