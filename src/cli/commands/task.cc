#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string url;
  bool json = false;
  std::uint64_t id = 0;
  Duration wait{0};
};

std::string text_of(const client::TaskStatus& status) {
  std::string text;
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && value != "-") text += fmt::format("{:<12}{}\n", name, shown(value));
  };
  line("task", std::to_string(status.id.value));
  line("name", status.name);
  line("queue", status.queue);
  line("state", status.cancel_requested && !status.ended() ? status.state + ", to be cancelled"
                                                           : status.state);
  line("attempts", std::to_string(status.attempts));
  line("sent", human_time(status.enqueued_at));
  line("started", human_time(status.started_at));
  line("ended", human_time(status.finished_at));
  if (status.progress_total > 0) {
    line("progress",
         fmt::format("{:.0f} %  {}", status.progress_value / status.progress_total * 100,
                     status.progress_text));
  }
  if (status.state == "done") line("result", status.result);
  line("error", status.error);
  if (status.history != "[]") line("history", status.history);
  return text;
}

int show(const Options& options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  const auto status =
      (*client)->call_waiting(client::task(MessageId(options.id), options.wait), interrupt.token());
  if (!status) return report_failure(status.error());
  if (status->state == "unknown") {
    return report(Error{ErrorCode::not_found, fmt::format("there is no task {}", options.id),
                        "it never was, or its result is forgotten (result_ttl)"});
  }
  if (options.json) {
    print_json(to_json(*status));
  } else {
    write_out(text_of(*status));
  }
  return status->ended() && status->state != "done" ? kExitFailed : kExitOk;
}

int cancel(const Options& options) {
  auto client = connect(options.url);
  if (!client) return report(client.error());
  const auto answer = (*client)->call(client::cancel_task(MessageId(options.id)));
  if (!answer) return report_failure(answer.error());
  if (*answer > 0) return kExitOk;
  return report(Error{ErrorCode::conflict, fmt::format("task {} has ended", options.id),
                      fmt::format("`penstock task show {}` says how", options.id)});
}

}  // namespace

Action set_up_task(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  CLI::App* show_app = app.add_subcommand("show", "A task's state, result or error");
  show_app->footer("EXAMPLE\n  penstock task show 17 --wait 10s");
  add_duration_option(*show_app, "-w,--wait", options->wait, "wait for its end, at most so long");
  add_json_option(*show_app, options->json);
  CLI::App* cancel_app = app.add_subcommand("cancel", "Stop a task, or keep it from starting");
  cancel_app->footer("EXAMPLE\n  penstock task cancel 17");
  for (CLI::App* sub : {show_app, cancel_app}) {
    sub->add_option("id", options->id, "its id, as `send` and `run --no-wait` print it")
        ->required();
    add_connect_option(*sub, options->url);
  }
  return [options, show_app] { return show_app->parsed() ? show(*options) : cancel(*options); };
}

}  // namespace penstock::cli
