#include "cli/command.h"

#include <fmt/core.h>

#include <cstdio>
#include <memory>

#include "cli/commands/commands.h"

namespace penstock::cli {
namespace {

// In the order of --help: the server, its clients, the tools.
constexpr Command kCommands[] = {
    {"serve", "Run a server", "penstock serve --data ./jobs --listen 127.0.0.1:7411", set_up_serve},
    {"send", "Put a message into a queue",
     "penstock send mail 'hello' --delay 10s\nseq 1000 | penstock send numbers --lines",
     set_up_send},
    {"receive", "Take messages from a queue and print them",
     "penstock receive mail --max 10 --wait 30s\npenstock receive mail --follow --json",
     set_up_receive},
    {"run", "Submit a task, wait for it, print its result",
     "penstock run resize cat.png 320 --queue thumbs --timeout 1m", set_up_run},
    {"worker", "Run a program, or call a web hook, for each task of a queue",
     "penstock worker --queue thumbs --exec 'convert {0} -resize {1} out.png' --threads 1..8\n"
     "penstock worker --queue sms --http http://127.0.0.1:8080/sms",
     set_up_worker},
    {"workers", "See who works; quiet, resume, stop and resize workers",
     "penstock workers --tasks\npenstock workers quiet --name 'thumbs-*'", set_up_workers},
    {"queue", "List, show and change queues", "penstock queue set mail max_wait=2s", set_up_queue},
    {"task", "Look at a task, read what it says, cancel it, try it anew",
     "penstock task show 17 --wait 10s\npenstock task redrive --queue thumbs --error 'exit: 3'",
     set_up_task},
    {"schedule", "Make, list, pause and trigger schedules",
     "penstock schedule put nightly '30 3 * * *' --zone Europe/Berlin --task report",
     set_up_schedule},
    {"user", "Make users, and say what they may",
     "penstock user add app\npenstock user grant app '^mail' '^mail' '^mail'", set_up_user},
    {"vhost", "Make and delete virtual hosts", "penstock vhost add shop", set_up_vhost},
    {"workflow", "Submit, look at, cancel and resume workflows",
     "penstock workflow submit flow.json --wait 1m", set_up_workflow},
    {"status", "Watch all queues: L, λ, μ, W and what was refused", "penstock status --every 2s",
     set_up_status},
    {"plan", "How many threads a load needs, and what it will wait",
     "penstock plan --arrival 500/s --service 40ms --max-wait 2s", set_up_plan},
    {"bench", "Measure a server: publish, take, round trip",
     "penstock bench --messages 200000 --size 1024 --concurrency 512", set_up_bench},
    {"demo", "See it work: notifications from publish to delivery, through a crash",
     "penstock demo notifications", set_up_demo},
    {"import", "Take the definitions that RabbitMQ exports: queues, exchanges, bindings, users",
     "penstock import definitions.json", set_up_import},
    {"verify", "Read every byte of a data directory, and repair it where asked to",
     "penstock verify ./penstock-data", set_up_verify},
    {"completion", "Print a completion script for a shell", "source <(penstock completion bash)",
     set_up_completion},
    {"version", "Print the version", "penstock version", set_up_version},
};

std::string footer_of(const Command& command) {
  std::string text = "EXAMPLE\n  ";
  for (const char* c = command.example; *c != '\0'; ++c) {
    text += *c;
    if (*c == '\n') text += "  ";
  }
  return text;
}

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid:
    case ErrorCode::too_large:
      return kExitUsage;
    case ErrorCode::not_found:
      return kExitNotFound;
    case ErrorCode::conflict:
    case ErrorCode::locked:
    case ErrorCode::duplicate:
    case ErrorCode::busy:
      return kExitRefused;
    case ErrorCode::closed:
      return kExitUnreachable;
    case ErrorCode::timeout:
      return kExitTimeout;
    case ErrorCode::denied:
    case ErrorCode::io:
    case ErrorCode::full:
      return kExitSystem;
    case ErrorCode::corrupt:
    case ErrorCode::unsupported:
      return kExitDamaged;
  }
  return kExitFailed;
}

int report(const Error& error) {
  fmt::print(stderr, "penstock: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  hint: {}\n", error.hint);
  return exit_code_of(error);
}

void build(CLI::App& app, const std::function<void(const Command&, Action)>& added) {
  app.name("penstock");
  app.description("Durable queues and tasks, with back pressure from edge to worker.");
  app.footer("Run `penstock COMMAND --help` for a command's options and an example.");
  app.set_version_flag("--version", PENSTOCK_VERSION);
  app.require_subcommand(1);
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(footer_of(command));
    added(command, command.setup(*sub));
  }
}

int run(int argc, const char* const* argv) {
  CLI::App app;
  std::vector<std::pair<std::string, Action>> actions;
  build(app, [&](const Command& command, Action action) {
    actions.emplace_back(command.name, std::move(action));
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "penstock: {}\n  hint: see `penstock {}--help`\n", error.what(),
               app.get_subcommands().empty() ? "" : app.get_subcommands()[0]->get_name() + " ");
    return kExitUsage;
  }
  for (const auto& [name, action] : actions) {
    if (app.got_subcommand(name)) return action();
  }
  return kExitUsage;
}

}  // namespace penstock::cli
