#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/headers.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/send_options.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/json_text.h"
#include "cli/line_batches.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "client/await.h"
#include "engine/options.h"
#include "os/real_clock.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kForever = 24h * 365;
constexpr Duration kProgressStep = 250ms;
constexpr std::size_t kBarWidth = 30;

struct Options {
  std::string url;
  std::string name;
  std::vector<std::string> arguments;
  std::vector<std::string> named;  // "name=value"
  std::string queue;
  std::optional<std::uint32_t> max_attempts;
  std::string backoff, result_ttl;
  Duration lease{0}, task_timeout{0};
  Duration timeout = kForever;
  bool wait = true;
  bool lines = false;
  bool json = false;
  SendArguments send;
};

std::string bar_of(const client::TaskStatus& status) {
  std::string text = fmt::format("{} {}", status.id.value, status.state);
  if (status.attempts > 1) text += fmt::format(", attempt {}", status.attempts);
  if (status.progress_total > 0) {
    const double share = std::clamp(status.progress_value / status.progress_total, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
    std::string bar;
    for (std::size_t i = 0; i < kBarWidth; ++i) bar += i < full ? "█" : "░";
    text += fmt::format("  {} {:3.0f} %", bar, share * 100);
  }
  if (!status.progress_text.empty()) text += "  " + status.progress_text;
  return shown(text, terminal_width()) + "\n";
}

// Until it ended, the time is up or somebody interrupts.
client::Answer<client::TaskStatus> await_end(client::Client& client, MessageId id,
                                             const Options& options, const std::stop_token& stop) {
  LiveLines lines;
  client::Await how{.wait = options.timeout, .away = say_server_gone};
  if (terminal_width() > 0 && !options.json) {
    how.step = kProgressStep;
    how.look = [&](const client::TaskStatus& status) { lines.draw(bar_of(status)); };
  }
  const auto status = client::await_task(client, id, how, stop);
  lines.clear();
  return status;
}

int show_end(const client::TaskStatus& status, const Options& options) {
  if (options.json) print_json(to_json(status));
  if (status.state == "done") {
    if (options.json) return kExitOk;
    const auto result = parsed_or_string(status.result);
    // A string for a person, or for the next program in the pipe: without its quotes.
    write_out((result.is_string() ? std::string(result.as_string()) : status.result) + "\n");
    return kExitOk;
  }
  if (status.state == "unknown")
    return report({ErrorCode::not_found,
                   fmt::format("task {} has ended, and its result is forgotten", status.id.value),
                   "keep it for longer with --result-ttl"});
  if (!status.ended()) {
    return report({ErrorCode::timeout,
                   fmt::format("task {} is still {}", status.id.value, status.state),
                   fmt::format("look again with `penstock task show {}`", status.id.value)});
  }
  fmt::print(stderr, "penstock: task {} {} after {} attempt{}{}{}\n", status.id.value, status.state,
             status.attempts, status.attempts == 1 ? "" : "s", status.error.empty() ? "" : ": ",
             shown(status.error));
  return kExitFailed;
}

Result<std::string> named_arguments(const std::vector<std::string>& named) {
  std::string object;
  for (const std::string_view text : named) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(ErrorCode::invalid, fmt::format("--arg takes name=value, not {}", text));
    }
    object.push_back(object.empty() ? '{' : ',');
    wire::json::append_string(object, text.substr(0, equals));
    object.append(":").append(json_or_string(text.substr(equals + 1)));
  }
  return object.empty() ? object : object + "}";
}

Result<void> set_policy(const Options& options, client::TaskOptions& into) {
  into.max_attempts = options.max_attempts;
  into.lease = options.lease;
  if (options.task_timeout.count() > 0)
    into.headers.emplace_back(kTimeoutHeader, format_duration(options.task_timeout));
  if (!options.backoff.empty()) {
    auto backoff = engine::parse_backoff(options.backoff);
    if (!backoff) return fail(std::move(backoff.error()).at("--backoff"));
    into.backoff = *backoff;
  }
  if (!options.result_ttl.empty()) {
    auto result_ttl = parse_duration(options.result_ttl);
    if (!result_ttl) return fail(std::move(result_ttl.error()).at("--result-ttl"));
    into.result_ttl = *result_ttl;
  }
  return {};
}

// A JSON array is the arguments; everything else is the only one.
std::string arguments_of(std::string_view line) {
  auto value = json_or_string(line);
  return value.starts_with('[') ? value : "[" + value + "]";
}

// A task for each line of the input, and nobody waits for them.
int run_lines(client::Client& client, const Options& options, std::string_view named,
              const client::TaskOptions& task_options) {
  if (::isatty(STDIN_FILENO) != 0)
    fmt::print(stderr, "reading arguments from the terminal, a task a line; Ctrl-D ends it\n");
  Interrupt interrupt;
  const auto clock = make_real_clock();
  const auto send = [&](std::span<const std::string_view> lines, std::size_t sent) {
    std::vector<std::string> texts;
    for (const auto line : lines) texts.push_back(arguments_of(line));
    client::TaskOptions part = task_options;
    part.key_from = sent;
    const std::vector<std::string_view> arguments(texts.begin(), texts.end());
    return call_patiently(client, client::submit_many(options.name, arguments, part, named), *clock,
                          options.send.patience, interrupt.token());
  };
  return send_lines(std::cin, "tasks", options.json, send);
}

int run_task(const Options& options) {
  const auto send_options = send_options_of(options.send);
  if (!send_options) return report(send_options.error());
  const auto named = named_arguments(options.named);
  if (!named) return report(named.error());
  std::string arguments = "[";
  for (const std::string& text : options.arguments)
    arguments.append(arguments.size() > 1 ? "," : "").append(json_or_string(text));
  arguments.append("]");
  client::TaskOptions task_options;
  static_cast<client::SendOptions&>(task_options) = *send_options;
  task_options.queue = options.queue;
  if (const auto set = set_policy(options, task_options); !set) return report(set.error());

  auto client = connect(options.url);
  if (!client) return report(client.error());
  if (options.lines) return run_lines(**client, options, *named, task_options);
  Interrupt interrupt;
  const auto clock = make_real_clock();
  const auto id =
      call_patiently(**client, client::submit(options.name, arguments, *named, task_options),
                     *clock, options.send.patience, interrupt.token());
  if (!id) return report_failure(id.error());
  if (!options.wait) return print_ids({&*id, 1}, options.json);
  const auto status = await_end(**client, *id, options, interrupt.token());
  return status ? show_end(*status, options)
                : report_unwatched(status.error(), "task", *id, "task show");
}

}  // namespace

Action set_up_run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("name", options->name, "the task's name")->required();
  auto* arguments = app.add_option("arguments", options->arguments,
                                   "its arguments: JSON where they are JSON, else strings");
  auto* lines =
      app.add_flag(
             "-n,--lines", options->lines,
             "a task for every line of the input: a JSON array of arguments, or the only one; "
             "prints the ids and waits for none")
          ->excludes(arguments);
  app.add_option("-a,--arg", options->named, "a named argument; may be given again")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("-q,--queue", options->queue, "where to; `default` when not given");
  app.add_option("--max-attempts", options->max_attempts, "how often it is tried; 0 = for ever");
  app.add_option("--backoff", options->backoff, "between its attempts; else as the queue says")
      ->type_name("none|fixed:2s|exponential:1s:60s");
  add_duration_option(app, "--task-timeout", options->task_timeout,
                      "how long each attempt may take; else as its worker says");
  add_duration_option(app, "--lease", options->lease,
                      "how long a worker may be silent; 0: as the queue says");
  app.add_option("--result-ttl", options->result_ttl,
                 "how long its result is kept; else as the server says")
      ->type_name("DURATION");
  add_duration_option(app, "-t,--timeout", options->timeout,
                      "how long to wait for its end; the task goes on")
      ->default_str("for ever")
      ->excludes(lines);
  app.add_flag("!--no-wait", options->wait, "print its id and do not wait")->excludes("--timeout");
  add_send_options(app, options->send);
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] { return run_task(*options); };
}

}  // namespace penstock::cli
