// The front "C++" of the lives: does with the library what it is told, one JSON object a line, and
// answers each with one.
//
//   work_speaker URL
//
// {"do":"enqueue","task":...,"argument":...,"options":{...}} ──▶ {"id":"17"}; the other verbs are
// in a table below. An answer may instead be {"refused":reason}, {"duplicate":id}, {"gone":why}
// when nobody can know what became of it, or {"error":why}.
#include <boost/json.hpp>
#include <functional>
#include <iostream>
#include <map>
#include <penstock/penstock.hpp>
#include <string>

namespace {

using namespace std::chrono_literals;
using boost::json::object;
using Json = boost::json::value;

// ---- what stands in a request

std::string text(const object& of, std::string_view name, std::string_view otherwise = "") {
  const auto* found = of.if_contains(name);
  return std::string(found == nullptr ? otherwise : std::string_view(found->as_string()));
}
std::int64_t number(const object& of, std::string_view name, std::int64_t otherwise = 0) {
  const auto* found = of.if_contains(name);
  return found == nullptr ? otherwise : found->to_number<std::int64_t>();
}
penstock::Duration ms(const object& of, std::string_view name) {
  return std::chrono::milliseconds(number(of, name));
}
std::uint64_t id_of(const object& request) {
  return std::stoull(text(request, "id"));
}
template <class Number>
std::optional<Number> if_given(const object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  if (found == nullptr) return {};
  return found->to_number<Number>();
}

penstock::OnConflict on_conflict(const object& of) {
  const auto what = text(of, "on_conflict", "reject");
  if (what == "return") return penstock::OnConflict::return_known;
  if (what == "replace") return penstock::OnConflict::replace;
  return what == "delay" ? penstock::OnConflict::delay : penstock::OnConflict::reject;
}

penstock::EnqueueOptions enqueue_options(const object& of) {
  penstock::EnqueueOptions options{.queue = text(of, "queue"),
                                   .delay = ms(of, "delay"),
                                   .key = text(of, "key"),
                                   .group = text(of, "group"),
                                   .patience = 0s};
  if (of.contains("priority")) options.priority = static_cast<std::uint8_t>(number(of, "priority"));
  if (of.contains("expires")) options.expires = ms(of, "expires");
  if (of.contains("timeout")) options.timeout = ms(of, "timeout");
  if (of.contains("hard_timeout")) options.hard_timeout = ms(of, "hard_timeout");
  if (const auto* found = of.if_contains("debounce")) {
    const auto& debounce = found->as_object();
    options.debounce = {text(debounce, "key"), ms(debounce, "delay"), ms(debounce, "max_wait")};
  }
  if (const auto* found = of.if_contains("throttle")) {
    const auto& throttle = found->as_object();
    options.throttle = {text(throttle, "key"), static_cast<std::uint32_t>(number(throttle, "most")),
                        ms(throttle, "period"), on_conflict(throttle)};
  }
  return options;
}

penstock::Call<Json(Json)> call(const object& request) {
  const auto& options = request.at("options").as_object();
  penstock::TaskOptions of_task{.max_attempts = if_given<std::uint32_t>(options, "max_attempts")};
  if (options.contains("result_ttl")) of_task.result_ttl = ms(options, "result_ttl");
  return penstock::remote_task<Json(Json)>(text(request, "task"), of_task)
      .with(enqueue_options(options));
}

// ---- what it is told to do

object enqueue(penstock::App& app, const object& request) {
  const auto job = app.try_enqueue(call(request), request.at("argument"));
  if (!job) return {{"refused", job.error().reason}};
  return {{"id", std::to_string(job->id())}};
}

object enqueue_many(penstock::App& app, const object& request) {
  std::vector<std::tuple<Json>> all;
  for (std::int64_t n = 0; n < number(request, "count"); ++n) all.emplace_back(Json{{"value", n}});
  const auto jobs = app.enqueue_many(call(request), all);
  boost::json::array ids;
  for (const auto& job : jobs) ids.emplace_back(std::to_string(job.id()));
  return {{"ids", std::move(ids)}};
}

object await_end(penstock::App& app, const object& request) {
  const auto job = app.job<Json>(id_of(request));
  job.wait(ms(request, "wait"));
  const auto status = job.status();
  return {{"state", std::string(name_of(status.state))},
          {"progress", status.progress},
          {"total", status.progress_total},
          {"result", status.result.empty() ? Json() : boost::json::parse(status.result)}};
}

object log_of(penstock::App& app, const object& request) {
  const auto log = app.job<Json>(id_of(request)).log();
  boost::json::array lines;
  for (const auto& line : log.lines)
    lines.push_back({{"number", line.number}, {"attempt", line.attempt}, {"text", line.text}});
  return {{"lines", std::move(lines)}};
}

object cancel(penstock::App& app, const object& request) {
  return {{"cancelled", app.job<Json>(id_of(request)).cancel()}};
}

object redrive(penstock::App& app, const object& request) {
  return {{"moved", app.redrive(text(request, "queue"), {.error = text(request, "error")})}};
}

object set_group(penstock::App& app, const object& request) {
  app.set_group(text(request, "queue"), text(request, "group"),
                {.weight = if_given<std::uint32_t>(request, "weight"),
                 .rate = if_given<double>(request, "rate"),
                 .limit = if_given<std::uint32_t>(request, "limit")});
  return {};
}

object put_schedule(penstock::App& app, const object& request) {
  const auto missed = text(request, "missed", "once");
  const auto overlap = text(request, "overlap", "allow");
  app.schedule(text(request, "name"), penstock::When{text(request, "when"), "UTC"},
               {.missed = missed == "all"    ? penstock::Missed::all
                          : missed == "skip" ? penstock::Missed::skip
                                             : penstock::Missed::once,
                .overlap = overlap == "skip"    ? penstock::Overlap::skip
                           : overlap == "queue" ? penstock::Overlap::queue
                                                : penstock::Overlap::allow,
                .paused = request.contains("paused") ? std::optional(true) : std::nullopt},
               call(request), request.at("argument"));
  return {};
}
object trigger_schedule(penstock::App& app, const object& request) {
  return {{"id", std::to_string(app.trigger_schedule(text(request, "name")))}};
}

object order(penstock::App& app, const object& request) {
  const auto what = text(request, "order");
  const auto kind = what == "quiet"    ? penstock::Order::quiet
                    : what == "resume" ? penstock::Order::resume
                                       : penstock::Order::resize;
  app.order_workers({.order = kind,
                     .slots = static_cast<std::uint32_t>(number(request, "slots")),
                     .name = text(request, "name")});
  return {};
}

const std::map<std::string, object (*)(penstock::App&, const object&)> kVerbs{
    {"enqueue", enqueue},
    {"enqueue_many", enqueue_many},
    {"await_end", await_end},
    {"log", log_of},
    {"cancel", cancel},
    {"redrive", redrive},
    {"set_group", set_group},
    {"put_schedule", put_schedule},
    {"trigger_schedule", trigger_schedule},
    {"order", order},
};

object answer(penstock::App& app, const object& request) {
  try {
    return kVerbs.at(text(request, "do"))(app, request);
  } catch (const penstock::Closed& error) {
    return {{"gone", error.what()}};
  } catch (const penstock::Timeout& error) {
    return {{"gone", error.what()}};
  } catch (const penstock::Duplicate& taken) {
    return {{"duplicate", std::to_string(taken.id())}};
  } catch (const penstock::Refused& refused) {
    return {{"refused", refused.refusal().reason}};
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "work_speaker URL\n";
    return 2;
  }
  try {
    auto app = penstock::App::connect(argv[1], {.timeout = 30s});
    for (std::string line; std::getline(std::cin, line);)
      std::cout << answer(app, boost::json::parse(line).as_object()) << std::endl;
  } catch (const penstock::Exception& error) {
    std::cerr << "work_speaker: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
