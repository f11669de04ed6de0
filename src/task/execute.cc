#include "task/execute.h"

#include "base/headers.h"
#include "base/text.h"
#include "task/failure.h"
#include "task/isolate/process_pool.h"
#include "task/trace.h"
#include "wire/json/json.h"

namespace penstock::detail {
namespace {

void fill(Ending& ending, const AttemptFailure& failure) {
  ending.outcome = failure.declined ? engine::Outcome::decline
                   : failure.retry  ? engine::Outcome::nack
                                    : engine::Outcome::reject;
  ending.delay = failure.delay;
  ending.cause = failure.declined ? engine::Cause::none : failure.cause;
  ending.text = failure.text;
}

// A task that was told to stop, and did so by throwing, has not failed by itself.
void finish_by_reason(StopReason reason, bool threw, Ending& ending) {
  if (reason == StopReason::lease_lost) ending.lost = true;
  if (!threw) return;
  switch (reason) {
    case StopReason::none:
    case StopReason::lease_lost:
      return;
    case StopReason::cancelled:
      // The engine knows of the cancel: a failed attempt is then the last one.
      ending.outcome = engine::Outcome::nack;
      ending.delay = Duration(0);
      return;
    case StopReason::timeout:
      ending.cause = engine::Cause::timed_out;
      ending.text = "penstock::Timeout: the task's time was up: " + ending.text;
      return;
    case StopReason::shutdown:
      ending.outcome = engine::Outcome::give_back;
      ending.delay.reset();
      ending.cause = engine::Cause::none;
      ending.text.clear();
      return;
  }
}

}  // namespace

namespace {

// Calls `use` with a payload for each list of arguments of {"each":[...]}; false: it is another.
template <class Use>
bool for_each_list(std::string_view payload, Use use) {
  if (!payload.starts_with("{\"each\":")) return false;
  const auto value = wire::json::parse(payload, {.max_bytes = payload.size()});
  const auto* each =
      value && value->is_object() ? value->get_object().if_contains("each") : nullptr;
  if (each == nullptr || !each->is_array())
    throw ArgumentError("`each` is not an array of lists of arguments");
  for (const auto& arguments : each->get_array())
    use("{\"args\":" + wire::json::to_text(arguments) + "}");
  return true;
}

}  // namespace

void read_payload(const TaskDefinition& task, std::string_view payload) {
  if (!for_each_list(payload, [&](const std::string& one) { task.read(one); })) task.read(payload);
}

void run_payload(const TaskDefinition& task, Context& context, std::string_view payload,
                 std::string& result) {
  const auto begin = result.size();
  const bool each = for_each_list(payload, [&](const std::string& one) {
    result.push_back(result.size() == begin ? '[' : ',');
    task.run(context, one, result);
  });
  if (!each) return task.run(context, payload, result);
  result.append(result.size() == begin ? "[]" : "]");
}

Timeouts timeouts_of(const TaskDefinition& task, const broker::Delivery& delivery) {
  Timeouts timeouts{.soft = task.options.timeout,
                    .hard = task.options.hard_timeout,
                    .kills = task.options.isolation == Isolation::process};
  const auto read = [&](std::string_view header, Duration& timeout) {
    const auto text = find_header(delivery.headers, header);
    if (!text) return;
    if (const auto given = parse_duration(*text)) timeout = *given;
  };
  read(kTimeoutHeader, timeouts.soft);
  read(kHardTimeoutHeader, timeouts.hard);
  return timeouts;
}

Ending execute(const TaskDefinition& task, Core& core, const Chain& middleware, Attempt& attempt,
               ProcessPool* processes) {
  Ending ending;
  bool threw = false;
  try {
    const TraceScope scope(attempt.delivery());
    Context context(attempt);
    const auto run = [&] {
      ending.text.clear();  // when it runs a second time
      if (processes != nullptr)
        processes->run(task, attempt, ending.text);
      else
        run_payload(task, context, as_text(attempt.delivery().body), ending.text);
    };
    if (middleware.empty())
      run();
    else
      run_inside(middleware, 0, &Middleware::execute, context, run);
    if (auto part = attempt.take_replacement())
      ending.replacement = std::make_shared<const FlatWorkflow>(std::move(part), WorkflowOptions{},
                                                                core.backend().now(), middleware);
  } catch (const IsolatedFailure& isolated) {
    threw = true;
    fill(ending, isolated.failure());
  } catch (...) {
    threw = true;
    fill(ending, describe_current_exception(task.options.retry, attempt.delivery().attempts,
                                            [&] { return core.random(); }));
  }
  finish_by_reason(attempt.end(), threw, ending);
  ending.words = attempt.last_words();
  return ending;
}

}  // namespace penstock::detail
