#include "journal/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "os/file.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string directory;
  bool repair = false;
  bool json = false;
};

void print_json(const journal::VerifyReport& report) {
  boost::json::array problems;
  for (const journal::VerifyProblem& problem : report.problems) {
    problems.push_back({{"file", problem.file},
                        {"offset", problem.offset},
                        {"position", problem.position.value},
                        {"what", problem.what},
                        {"affected", problem.affected},
                        {"repairable", problem.repairable},
                        {"repaired", problem.repaired}});
  }
  const boost::json::object all{
      {"healthy", report.healthy()},         {"problems", std::move(problems)},
      {"segments", report.segments},         {"checkpoints", report.checkpoints},
      {"batches", report.batches},           {"records", report.records},
      {"bytes_read", report.bytes_read},     {"records_saved", report.records_saved},
      {"live_lost", report.live_lost},       {"torn_bytes", report.torn_bytes},
      {"parity_files", report.parity_files}, {"repairable_blocks", report.repairable_blocks}};
  fmt::print("{}\n", boost::json::serialize(all));
}

void print_text(const journal::VerifyReport& report, const Options& options) {
  for (const journal::VerifyProblem& problem : report.problems) {
    fmt::print("{} at {}: {}\n", problem.file, problem.offset, problem.what);
    if (!problem.affected.empty()) fmt::print("  affects: {}\n", problem.affected);
    if (options.repair) fmt::print("  {}\n", problem.repaired ? "repaired" : "left as it is");
  }
  fmt::print(
      "{}: {} segment(s), {} with parity, {} checkpoint(s), {} batch(es), {} record(s), {} "
      "read\n",
      report.healthy() ? "healthy" : "damaged", report.segments, report.parity_files,
      report.checkpoints, report.batches, report.records, format_bytes(report.bytes_read));
  if (report.torn_bytes != 0) {
    fmt::print(
        "the last run ended within a write: the next start cuts {}, which nobody was told is "
        "safe\n",
        format_bytes(report.torn_bytes));
  }
  if (options.repair && !report.healthy()) {
    fmt::print("saved {} record(s) out of damaged batches; {} that were live are lost\n",
               report.records_saved, report.live_lost);
  }
}

int verify(const Options& options) {
  // Looking at a directory must not make one.
  if (!std::filesystem::is_directory(options.directory)) {
    return cli::report({ErrorCode::invalid, fmt::format("{}: no such directory", options.directory),
                        "give the folder that `penstock serve --data` was given"});
  }
  const auto directory = open_directory(options.directory);
  if (!directory) return cli::report(directory.error());
  const auto report = journal::verify(**directory, options.repair);
  if (!report) return cli::report(report.error());
  if (options.json) {
    print_json(*report);
  } else {
    print_text(*report, options);
  }
  const bool all_repaired = std::ranges::all_of(
      report->problems, [](const journal::VerifyProblem& problem) { return problem.repaired; });
  if (report->healthy() || (options.repair && all_repaired)) return kExitOk;
  if (!options.repair && !options.json) {
    fmt::print(stderr, "  hint: copy the folder, then run `penstock verify {} --repair`\n",
               options.directory);
  }
  return kExitDamaged;
}

}  // namespace

Action set_up_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("dir", options->directory, "the data directory")->type_name("DIR")->required();
  app.add_flag("--repair", options->repair,
               "save every whole record; damaged files are kept beside as NAME.damaged");
  app.add_flag("--json", options->json, "the report for a program");
  return [options] { return verify(*options); };
}

}  // namespace penstock::cli
