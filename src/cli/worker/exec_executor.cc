#include "cli/worker/exec_executor.h"

#include <algorithm>
#include <csignal>

#include "base/text.h"
#include "cli/worker/line_cutter.h"
#include "cli/worker/process.h"
#include "cli/worker/result_text.h"
#include "os/signal_name.h"

namespace penstock::cli {
namespace {

// Of a step of `chunks`: {"each":[[...],...]}.
constexpr std::string_view kManyLists = "{\"each\":";

std::string with_tail(std::string error, std::string_view standard_error) {
  const std::string tail = printable(standard_error);
  if (!tail.empty()) error.append(": ").append(tail);
  return error;
}

}  // namespace

Ending ExecExecutor::run(const Work& work, std::stop_token stop) {
  if (work.payload.starts_with(kManyLists))
    return Ending::hopeless(
        "arguments: many lists of them, which a program cannot take: submit `map` instead of "
        "`chunks`");
  auto argv = command_.fill(Arguments::of(work.payload));
  if (!argv) return Ending::hopeless("arguments: " + argv.error().message);

  const Duration timeout = work.timeout_within(options_.timeout);
  Program program{.argv = std::move(*argv),
                  .environment = {"PENSTOCK_TASK_ID=" + work.id, "PENSTOCK_TASK_NAME=" + work.name,
                                  "PENSTOCK_QUEUE=" + work.queue,
                                  "PENSTOCK_ATTEMPT=" + std::to_string(work.attempt)},
                  .input = work.payload,
                  .output_bytes_max = options_.output_bytes_max,
                  .memory_bytes = options_.memory_bytes,
                  .timeout = timeout,
                  .kill_after = options_.kill_after};
  if (work.expires_at != Time{})
    program.environment.push_back("PENSTOCK_EXPIRES_AT=" +
                                  std::to_string(micros(work.expires_at) / 1000));
  // As OpenTelemetry hands contexts on between processes.
  if (!work.traceparent.empty()) program.environment.push_back("TRACEPARENT=" + work.traceparent);
  if (!work.tracestate.empty()) program.environment.push_back("TRACESTATE=" + work.tracestate);
  LineCutter lines;
  if (work.say) program.on_error = [&](std::string_view bytes) { lines.feed(bytes, work.say); };
  auto end = run_program(program, clock_, stop);
  if (work.say) lines.finish(work.say);
  if (!end) return Ending::failed("spawn: " + end.error().message);
  switch (end->kind) {
    case ProgramEnd::Kind::exited:
      if (end->code == 0) return Ending::done(result_json(end->output));
      return Ending::failed(with_tail("exit: " + std::to_string(end->code), end->error_tail));
    case ProgramEnd::Kind::signalled:
      return Ending::failed(
          with_tail("signal: " + signal_name(end->code), end->error_tail),
          // Not from us: as the system does when memory runs out.
          end->code == SIGKILL ? engine::Cause::out_of_memory : engine::Cause::killed);
    case ProgramEnd::Kind::timed_out:
      return Ending::failed(
          with_tail("timeout: after " + format_duration(timeout), end->error_tail),
          engine::Cause::timed_out);
    case ProgramEnd::Kind::too_long:
      return Ending::hopeless("output: more than " + format_bytes(options_.output_bytes_max) +
                              " on standard output; write large results elsewhere and print where");
    case ProgramEnd::Kind::stopped:
      break;
  }
  return Ending::stopped();
}

}  // namespace penstock::cli
