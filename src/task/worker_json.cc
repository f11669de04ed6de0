#include "task/worker_json.h"

#include <charconv>

#include "base/text.h"
#include "wire/json/json.h"

namespace penstock::detail {
namespace {

namespace json = boost::json;

std::int64_t millis(Time time) {
  return micros(time) / 1000;
}

std::string hex(std::uint64_t id) {
  char text[16];
  const auto [end, error] = std::to_chars(text, text + sizeof text, id, 16);
  return {text, end};
}

json::array names(const std::vector<std::string>& all) {
  json::array array;
  array.reserve(all.size());
  for (const auto& name : all) array.emplace_back(name);
  return array;
}

// ---- reading

constexpr std::size_t kListBytesMax = 256u << 20;

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}
std::uint64_t number_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  const auto* number = value == nullptr ? nullptr : value->if_int64();
  return number == nullptr || *number < 0 ? 0 : static_cast<std::uint64_t>(*number);
}
std::uint32_t small_number_of(const json::object& object, std::string_view name) {
  return static_cast<std::uint32_t>(number_of(object, name));
}
Time time_of(const json::object& object, std::string_view name) {
  return Time(std::chrono::milliseconds(number_of(object, name)));
}
bool flag_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}
std::uint64_t hex_of(std::string_view text) {
  std::uint64_t id = 0;
  std::from_chars(text.data(), text.data() + text.size(), id, 16);
  return id;
}
template <class Use>
void for_each_in(const json::object& object, std::string_view name, Use use) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_array()) return;
  for (const auto& item : value->get_array()) use(item);
}
std::vector<std::string> names_of(const json::object& object, std::string_view name) {
  std::vector<std::string> all;
  for_each_in(object, name, [&](const json::value& item) {
    if (const auto* text = item.if_string()) all.emplace_back(text->data(), text->size());
  });
  return all;
}

engine::WorkerSpec spec_of(const json::object& object) {
  engine::WorkerSpec spec;
  spec.id = hex_of(text_of(object, "id"));
  spec.name = text_of(object, "name");
  spec.host = text_of(object, "host");
  spec.program = text_of(object, "program");
  spec.library = text_of(object, "library");
  spec.pid = small_number_of(object, "pid");
  spec.started_at = time_of(object, "started_at");
  spec.queues = names_of(object, "queues");
  spec.tasks = names_of(object, "tasks");
  spec.any_task = flag_of(object, "any_task");
  return spec;
}

engine::WorkerBeat beat_of(const json::object& object) {
  engine::WorkerBeat beat;
  beat.state =
      engine::parse_worker_state(text_of(object, "state")).value_or(engine::WorkerState::working);
  beat.slots = small_number_of(object, "slots");
  beat.memory_bytes = number_of(object, "memory_bytes");
  beat.done = number_of(object, "done");
  beat.failed = number_of(object, "failed");
  beat.declined = number_of(object, "declined");
  beat.running_count = number_of(object, "running_count");
  for_each_in(object, "running", [&](const json::value& item) {
    if (!item.is_object()) return;
    const auto& task = item.get_object();
    beat.running.push_back({MessageId(parse_u64(text_of(task, "id")).value_or(0)),
                            text_of(task, "name"), time_of(task, "since")});
  });
  return beat;
}

ListedWorker worker_of(const json::object& object) {
  ListedWorker listed;
  listed.worker.spec = spec_of(object);
  listed.worker.beat = beat_of(object);
  listed.worker.announced_at = time_of(object, "announced_at");
  listed.worker.beat_at = time_of(object, "beat_at");
  const auto* told = object.if_contains("told");
  if (told == nullptr || !told->is_object()) return listed;
  const auto& fields = told->get_object();
  listed.told = {flag_of(fields, "quiet"), flag_of(fields, "stop"),
                 small_number_of(fields, "slots")};
  return listed;
}

engine::WorkerOrder order_of(const json::object& object) {
  engine::WorkerOrder order;
  order.number = number_of(object, "number");
  order.kind = engine::parse_order_kind(text_of(object, "order")).value_or(order.kind);
  order.slots = small_number_of(object, "slots");
  order.who = {text_of(object, "name"), text_of(object, "queue"), text_of(object, "version")};
  order.at = time_of(object, "at");
  for (const auto& id : names_of(object, "workers")) order.targets.push_back(hex_of(id));
  return order;
}

template <class T>
Result<std::vector<T>> read_list(std::string_view text, const char* name,
                                 T (*read)(const json::object&)) {
  const auto value = wire::json::parse(text, {.max_bytes = kListBytesMax});
  if (!value) return fail(value.error());
  const auto* object = value->if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains(name);
  if (list == nullptr || !list->is_array())
    return fail(ErrorCode::unsupported, std::string("the server answers with no list of ") + name,
                "client and server are of different versions");
  std::vector<T> all;
  for (const auto& item : list->get_array())
    if (item.is_object()) all.push_back(read(item.get_object()));
  return all;
}

}  // namespace

Result<std::vector<ListedWorker>> read_workers(std::string_view text) {
  return read_list(text, "workers", worker_of);
}
Result<std::vector<engine::WorkerOrder>> read_orders(std::string_view text) {
  return read_list(text, "orders", order_of);
}

std::string to_json(const engine::WorkerSpec& worker) {
  json::object object;
  object["id"] = hex(worker.id);
  object["name"] = worker.name;
  object["host"] = worker.host;
  object["pid"] = worker.pid;
  object["program"] = worker.program;
  object["library"] = worker.library;
  object["started_at"] = millis(worker.started_at);
  object["queues"] = names(worker.queues);
  object["tasks"] = names(worker.tasks);
  object["any_task"] = worker.any_task;
  return wire::json::to_text(object);
}

std::string to_json(const engine::WorkerBeat& beat) {
  json::object object;
  object["state"] = std::string(name_of(beat.state));
  object["slots"] = beat.slots;
  object["memory_bytes"] = beat.memory_bytes;
  object["done"] = beat.done;
  object["failed"] = beat.failed;
  object["declined"] = beat.declined;
  object["running_count"] = beat.running_count;
  json::array running;
  running.reserve(beat.running.size());
  for (const auto& task : beat.running)
    running.push_back({{"id", std::to_string(task.id.value)},
                       {"name", task.name},
                       {"since", millis(task.since)}});
  object["running"] = std::move(running);
  return wire::json::to_text(object);
}

}  // namespace penstock::detail
