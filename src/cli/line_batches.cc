#include "cli/line_batches.h"

#include <fmt/format.h>

#include <string>

#include "cli/command.h"
#include "cli/connection.h"
#include "cli/terminal.h"

namespace penstock::cli {
namespace {

constexpr std::size_t kBatchLines = 1000;
constexpr std::size_t kBatchBytes = 4u << 20;

}  // namespace

int send_lines(std::istream& input, std::string_view what, bool json, const SendBatch& send) {
  std::size_t sent = 0;
  bool more = true;
  while (more) {
    std::vector<std::string> lines;
    std::size_t bytes = 0;
    std::string line;
    while (lines.size() < kBatchLines && bytes < kBatchBytes &&
           (more = !!std::getline(input, line))) {
      bytes += line.size();
      lines.push_back(std::move(line));
    }
    if (lines.empty()) break;
    const auto ids = send(std::vector<std::string_view>(lines.begin(), lines.end()), sent);
    if (!ids) {
      if (sent > 0) fmt::print(stderr, "penstock: {} {} were sent before this\n", sent, what);
      return report_failure(ids.error());
    }
    sent += ids->size();
    print_ids(*ids, json);
  }
  return kExitOk;
}

int print_ids(std::span<const MessageId> ids, bool json) {
  std::string text;
  for (const MessageId id : ids)
    text += json ? fmt::format("{{\"id\":\"{}\"}}\n", id.value) : fmt::format("{}\n", id.value);
  write_out(text);
  return kExitOk;
}

}  // namespace penstock::cli
