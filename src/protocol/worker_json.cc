#include "protocol/worker_json.h"

#include <charconv>

#include "base/text.h"
#include "protocol/http/json_text.h"
#include "wire/json/json.h"

namespace penstock::protocol {
namespace {

using http::JsonText;
using wire::json::ObjectReader;

// A worker's names and tasks take less; escapes make it longer.
constexpr std::size_t kWorkerJsonBytesMax = 512u << 10;
constexpr std::int64_t kNumberMax = 1ll << 53;
constexpr std::int64_t kTimeMax = 1ll << 48;  // in milliseconds

std::string hex_id(std::uint64_t id) {
  char text[17];
  for (int n = 15; n >= 0; --n, id >>= 4) text[n] = "0123456789abcdef"[id & 15];
  return {text, 16};
}

std::uint64_t read_hex_id(ObjectReader& in) {
  const auto text = in.required_text("id");
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (error != std::errc() || end != text.data() + text.size() || id == 0)
    in.refuse("id", "be up to 16 hexadecimal digits, and not 0");
  return id;
}

std::vector<std::string> read_names(ObjectReader& in, std::string_view name) {
  std::vector<std::string> names;
  const auto* array = in.array(name);
  if (array == nullptr) return names;
  for (const auto& item : *array) {
    const auto* text = item.if_string();
    if (text == nullptr) {
      in.refuse(name, "hold texts");
      break;
    }
    names.emplace_back(text->data(), text->size());
  }
  return names;
}

std::uint64_t count_field(ObjectReader& in, std::string_view name) {
  return static_cast<std::uint64_t>(in.integer(name, 0, kNumberMax, 0));
}
Time time_field(ObjectReader& in, std::string_view name) {
  return Time(std::chrono::milliseconds(in.integer(name, 0, kTimeMax, 0)));
}

Result<engine::RunningTask> read_running(const boost::json::value& value) {
  ObjectReader in(value, "running: ");
  engine::RunningTask task;
  const auto id = parse_u64(in.required_text("id"));
  if (!id) in.refuse("id", "be a task's id");
  task.id = MessageId(id.value_or(0));
  task.name = in.text("name").value_or("");
  task.since = time_field(in, "since");
  if (auto good = in.finish(); !good) return fail(good.error());
  return task;
}

void write_names(JsonText& json, const std::vector<std::string>& names) {
  json.begin_array();
  for (const auto& name : names) json.string(name);
  json.end_array();
}

void write_worker(JsonText& json, const engine::Worker& worker, const engine::WorkerTold& told) {
  const auto& [spec, beat, session, announced_at, beat_at] = worker;
  json.begin_object().key("id").string(hex_id(spec.id)).key("name").string(spec.name);
  json.key("host").string(spec.host).key("pid").integer(spec.pid);
  json.key("program").string(spec.program).key("library").string(spec.library);
  write_names(json.key("queues"), spec.queues);
  write_names(json.key("tasks"), spec.tasks);
  json.key("any_task").boolean(spec.any_task);
  json.key("state").string(name_of(beat.state)).key("slots").integer(beat.slots);
  json.key("running_count").integer(beat.running_count).key("running").begin_array();
  for (const auto& task : beat.running) {
    json.begin_object().key("id").id(task.id).key("name").string(task.name);
    json.key("since").time(task.since).end_object();
  }
  json.end_array().key("memory_bytes").integer(beat.memory_bytes);
  json.key("done").integer(beat.done).key("failed").integer(beat.failed);
  json.key("declined").integer(beat.declined);
  json.key("started_at").time(spec.started_at).key("announced_at").time(announced_at);
  json.key("beat_at").time(beat_at);
  json.key("told").begin_object().key("quiet").boolean(told.quiet);
  json.key("stop").boolean(told.stop).key("slots").integer(told.slots).end_object();
  json.end_object();
}

}  // namespace

Result<engine::WorkerSpec> read_worker(std::string_view text) {
  const auto value = wire::json::parse(text, {.max_bytes = kWorkerJsonBytesMax});
  if (!value) return fail(value.error());
  ObjectReader in(*value);
  engine::WorkerSpec spec;
  spec.id = read_hex_id(in);
  spec.name = in.required_text("name");
  spec.host = in.text("host").value_or("");
  spec.pid = static_cast<std::uint32_t>(in.integer("pid", 0, 1ll << 31, 0));
  spec.program = in.text("program").value_or("");
  spec.library = in.text("library").value_or("");
  spec.started_at = time_field(in, "started_at");
  spec.queues = read_names(in, "queues");
  spec.tasks = read_names(in, "tasks");
  spec.any_task = in.boolean("any_task", false);
  if (auto good = in.finish(); !good) return fail(good.error());
  for (const auto& queue : spec.queues)
    if (auto valid = valid_name(queue, "queue name"); !valid) return fail(valid.error());
  return spec;
}

Result<engine::WorkerBeat> read_beat(std::string_view text) {
  const auto value = wire::json::parse(text, {.max_bytes = kWorkerJsonBytesMax});
  if (!value) return fail(value.error());
  ObjectReader in(*value);
  engine::WorkerBeat beat;
  const auto state = engine::parse_worker_state(in.text("state").value_or("working"));
  if (!state) return fail(state.error());
  beat.state = *state;
  beat.slots = static_cast<std::uint32_t>(in.integer("slots", 0, 1ll << 31, 0));
  beat.memory_bytes = count_field(in, "memory_bytes");
  beat.done = count_field(in, "done");
  beat.failed = count_field(in, "failed");
  beat.declined = count_field(in, "declined");
  beat.running_count = count_field(in, "running_count");
  if (const auto* running = in.array("running"))
    for (const auto& item : *running) {
      auto task = read_running(item);
      if (!task) return fail(task.error());
      beat.running.push_back(std::move(*task));
    }
  if (auto good = in.finish(); !good) return fail(good.error());
  return beat;
}

Result<std::string> list_workers(const broker::Broker& broker, SessionId session) {
  const auto all = broker.workers(session);
  if (!all) return fail(all.error());
  std::string text;
  JsonText json(text);
  json.begin_object().key("workers").begin_array();
  for (const auto* worker : *all) write_worker(json, *worker, broker.told(*worker));
  json.end_array().end_object();
  return text;
}

Result<std::string> list_worker_orders(const broker::Broker& broker, SessionId session) {
  const auto all = broker.worker_orders(session);
  if (!all) return fail(all.error());
  std::string text;
  JsonText json(text);
  json.begin_object().key("orders").begin_array();
  for (const auto* order : *all) {
    json.begin_object().key("number").integer(order->number);
    json.key("order").string(name_of(order->kind));
    if (order->slots != 0) json.key("slots").integer(order->slots);
    if (!order->who.name.empty()) json.key("name").string(order->who.name);
    if (!order->who.queue.empty()) json.key("queue").string(order->who.queue);
    if (!order->who.version.empty()) json.key("version").string(order->who.version);
    json.key("at").time(order->at);
    if (!order->targets.empty()) {
      json.key("workers").begin_array();
      for (const auto id : order->targets) json.string(hex_id(id));
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().end_object();
  return text;
}

}  // namespace penstock::protocol
