#include "task/execute.h"

#include "task/failure.h"

namespace penstock::detail {
namespace {

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
      ending.text = "penstock::Timeout: the task's time was up: " + ending.text;
      return;
    case StopReason::shutdown:
      ending.outcome = engine::Outcome::give_back;
      ending.delay.reset();
      ending.text.clear();
      return;
  }
}

}  // namespace

Ending execute(const TaskDefinition& task, const Chain& middleware, Attempt& attempt) {
  Ending ending;
  bool threw = false;
  try {
    Context context(attempt);
    const auto run = [&] {
      ending.text.clear();  // when it runs a second time
      task.run(context, as_text(attempt.delivery().body), ending.text);
    };
    if (middleware.empty())
      run();
    else
      run_inside(middleware, 0, &Middleware::execute, context, run);
  } catch (...) {
    threw = true;
    AttemptFailure failure = describe_current_exception();
    ending.outcome = failure.retry ? engine::Outcome::nack : engine::Outcome::reject;
    ending.delay = failure.delay;
    ending.text = std::move(failure.text);
  }
  finish_by_reason(attempt.end(), threw, ending);
  return ending;
}

}  // namespace penstock::detail
