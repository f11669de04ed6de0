// The table of subcommands, and what they have in common: exit codes and how an error is shown.
//
// A subcommand is one file in src/cli/commands/, one declaration in commands/commands.h and one
// line in the table in command.cc. Help, completion and the documentation come from that table.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

#include "base/result.h"

namespace penstock::cli {

// Documented in docs/command-line.md; scripts depend on the numbers.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,       // the command's own failure: a task failed, nothing was received
  kExitUsage = 2,        // a wrong option, setting or configuration file
  kExitUnreachable = 3,  // no server answers there
  kExitRefused = 4,      // not now: back pressure, or the data directory is in use
  kExitDamaged = 5,      // the journal is damaged, or of a newer format
  kExitSystem = 6,       // the operating system said no: permissions, disk, addresses
  kExitNotFound = 7,     // no such queue, task or lease
  kExitTimeout = 8,      // the time given was over
};

[[nodiscard]] int exit_code_of(const Error& error);

// Prints "penstock: <message>" and the hint to standard error; returns exit_code_of(error).
int report(const Error& error);

// What runs once the command line was understood; returns the exit code.
using Action = std::function<int()>;
// Adds a subcommand's options to `app`, which outlives the action that it returns. The action keeps
// the option values alive, in a shared_ptr: CLI11 writes through pointers to them.
using Setup = Action (*)(CLI::App& app);

struct Command {
  const char* name;
  const char* summary;
  const char* example;  // whole command lines, one a line; shown by --help
  Setup setup;
};

[[nodiscard]] std::span<const Command> commands();

// Parses the command line, runs the subcommand, returns the exit code.
[[nodiscard]] int run(int argc, const char* const* argv);

// The tree of commands and options, as run() would parse it: for completion and for the tests.
// The actions stay bound to `app`.
void build(CLI::App& app, const std::function<void(const Command&, Action)>& added);

}  // namespace penstock::cli
