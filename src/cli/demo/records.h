// What the receivers wrote down, and the proof that is made from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace penstock::cli {

// A file of lines that another process appends to, read as it grows. The first field (up to a tab)
// of a line is the id of a notification. Threads: one.
class RecordFile {
 public:
  explicit RecordFile(std::filesystem::path file) : file_(std::move(file)) {}

  // Takes in what was added. A last line without its end waits for the rest of it.
  [[nodiscard]] Result<void> read_on();
  [[nodiscard]] std::uint64_t lines() const { return lines_; }
  [[nodiscard]] const std::unordered_map<std::string, std::uint32_t>& counts() const {
    return counts_;
  }

 private:
  std::filesystem::path file_;
  std::uint64_t offset_ = 0;
  std::uint64_t lines_ = 0;
  std::string rest_;
  std::unordered_map<std::string, std::uint32_t> counts_;
};

struct Proof {
  std::uint64_t accepted = 0;       // notifications that the server answered for
  std::uint64_t arrived = 0;        // of those, by the receivers' own records
  std::uint64_t twice = 0;          // of those, more than once
  std::uint64_t explained = 0;      // of those, delivered while the settle did not reach the server
  std::uint64_t unconfirmed = 0;    // arrived, though the answer to their publish was lost
  std::vector<std::string> lost{};  // their ids, the first few

  [[nodiscard]] std::uint64_t lost_count() const { return accepted - arrived; }
  [[nodiscard]] bool holds() const { return accepted == arrived && twice == explained; }
};

// `unsettled` has the ids of notifications that a worker handed over while the server could not be
// told.
[[nodiscard]] Proof prove(std::span<const std::string> accepted,
                          const std::unordered_map<std::string, std::uint32_t>& arrived,
                          const std::unordered_map<std::string, std::uint32_t>& unsettled);

}  // namespace penstock::cli
