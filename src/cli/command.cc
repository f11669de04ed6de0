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
