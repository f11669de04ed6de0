#include "cli/worker_list.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "cli/format.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;

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

Time time_of(const json::object& object, std::string_view name) {
  return Time(std::chrono::milliseconds(number_of(object, name)));
}

bool flag_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

template <class Use>
void for_each_in(const json::object& object, std::string_view name, Use use) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_array()) return;
  for (const auto& item : value->get_array()) use(item);
}

std::vector<std::string> texts_of(const json::object& object, std::string_view name) {
  std::vector<std::string> all;
  for_each_in(object, name, [&](const json::value& item) {
    if (const auto* text = item.if_string()) all.emplace_back(text->data(), text->size());
  });
  return all;
}

engine::WorkerSpec spec_of(const json::object& object) {
  engine::WorkerSpec spec;
  const auto id = text_of(object, "id");
  std::from_chars(id.data(), id.data() + id.size(), spec.id, 16);
  spec.name = text_of(object, "name");
  spec.host = text_of(object, "host");
  spec.program = text_of(object, "program");
  spec.library = text_of(object, "library");
  spec.pid = static_cast<std::uint32_t>(number_of(object, "pid"));
  spec.started_at = time_of(object, "started_at");
  spec.queues = texts_of(object, "queues");
  spec.tasks = texts_of(object, "tasks");
  spec.any_task = flag_of(object, "any_task");
  return spec;
}

engine::WorkerBeat beat_of(const json::object& object) {
  engine::WorkerBeat beat;
  beat.state =
      engine::parse_worker_state(text_of(object, "state")).value_or(engine::WorkerState::working);
  beat.slots = static_cast<std::uint32_t>(number_of(object, "slots"));
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

engine::WorkerTold told_of(const json::object& object) {
  const auto* told = object.if_contains("told");
  if (told == nullptr || !told->is_object()) return {};
  const auto& fields = told->get_object();
  return {.quiet = flag_of(fields, "quiet"),
          .stop = flag_of(fields, "stop"),
          .slots = static_cast<std::uint32_t>(number_of(fields, "slots"))};
}

// A worker's own version, and of the library where that is another.
std::string versions_of(const engine::WorkerSpec& spec) {
  if (spec.program.empty() || spec.program == spec.library) return spec.library;
  return spec.library.empty() ? spec.program : spec.program + " (" + spec.library + ")";
}

// What it does, and what it is told and does not do yet.
std::string state_of(const ListedWorker& listed) {
  using State = engine::WorkerState;
  const auto state = listed.worker.beat.state;
  std::string text(name_of(state));
  if (listed.told.stop && state != State::stopping) text += ", told to stop";
  if (listed.told.quiet && state == State::working) text += ", told to be quiet";
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

}  // namespace

Result<std::vector<ListedWorker>> read_workers(std::string_view text) {
  const auto value = wire::json::parse(text, {.max_bytes = kListBytesMax});
  if (!value) return fail(value.error());
  const auto* object = value->if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains("workers");
  if (list == nullptr || !list->is_array())
    return fail(ErrorCode::unsupported, "the server answers with no list of workers",
                "it may be of another version: `penstock status` shows which");
  std::vector<ListedWorker> workers;
  for (const auto& item : list->get_array()) {
    if (!item.is_object()) continue;
    const auto& fields = item.get_object();
    auto& [worker, told, as_listed] = workers.emplace_back();
    worker.spec = spec_of(fields);
    worker.beat = beat_of(fields);
    worker.announced_at = time_of(fields, "announced_at");
    worker.beat_at = time_of(fields, "beat_at");
    told = told_of(fields);
    as_listed = fields;
  }
  return workers;
}

Table worker_table(std::span<const ListedWorker> workers) {
  constexpr Align kRight = Align::right;
  Table table({{"WORKER", Align::left, true},
               {"HOST", Align::left, true},
               {"PID", kRight},
               {"VERSION"},
               {"QUEUES", Align::left, true},
               {"STATE"},
               {"SLOTS", kRight},
               {"RUNNING", kRight},
               {"DONE", kRight},
               {"FAILED", kRight},
               {"DECLINED", kRight},
               {"MEMORY", kRight},
               {"SINCE"}});
  for (const auto& listed : workers) {
    const auto& [spec, beat, session, announced_at, beat_at] = listed.worker;
    table.add({spec.name, spec.host, std::to_string(spec.pid), versions_of(spec),
               joined(spec.queues), state_of(listed), std::to_string(beat.slots),
               human_count(beat.running_count), human_count(beat.done), human_count(beat.failed),
               human_count(beat.declined), human_bytes(beat.memory_bytes),
               human_time(spec.started_at == Time{} ? announced_at : spec.started_at)});
  }
  return table;
}

Table running_table(std::span<const ListedWorker> workers) {
  Table table({{"WORKER", Align::left, true},
               {"TASK", Align::right},
               {"NAME", Align::left, true},
               {"RUNS SINCE"}});
  for (const auto& [worker, told, as_listed] : workers) {
    for (const auto& task : worker.beat.running)
      table.add(
          {worker.spec.name, std::to_string(task.id.value), task.name, human_time(task.since)});
    const auto told_of = worker.beat.running.size();
    if (worker.beat.running_count > told_of)
      table.add({worker.spec.name, "",
                 fmt::format("and {} more", human_count(worker.beat.running_count - told_of)), ""});
  }
  return table;
}

}  // namespace penstock::cli
