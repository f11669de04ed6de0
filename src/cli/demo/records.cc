#include "cli/demo/records.h"

#include <algorithm>
#include <array>
#include <fstream>

namespace penstock::cli {
namespace {

constexpr std::size_t kLostNamed = 10;

}  // namespace

Result<void> RecordFile::read_on() {
  std::ifstream input(file_, std::ios::binary);
  if (!input) return {};  // nothing was written yet
  input.seekg(static_cast<std::streamoff>(offset_));
  std::array<char, 65536> chunk;
  while (input.read(chunk.data(), chunk.size()), input.gcount() > 0) {
    offset_ += static_cast<std::uint64_t>(input.gcount());
    rest_.append(chunk.data(), static_cast<std::size_t>(input.gcount()));
    std::size_t begin = 0;
    for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string line = rest_.substr(begin, end - begin);
      ++counts_[line.substr(0, line.find('\t'))];
      ++lines_;
    }
    rest_.erase(0, begin);
  }
  if (input.bad()) return fail(ErrorCode::io, "cannot read " + file_.string());
  return {};
}

Proof prove(std::span<const std::string> accepted,
            const std::unordered_map<std::string, std::uint32_t>& arrived,
            const std::unordered_map<std::string, std::uint32_t>& unsettled) {
  Proof proof{.accepted = accepted.size()};
  for (const std::string& id : accepted) {
    const auto found = arrived.find(id);
    if (found == arrived.end()) {
      if (proof.lost.size() < kLostNamed) proof.lost.push_back(id);
      continue;
    }
    ++proof.arrived;
    if (found->second < 2) continue;
    ++proof.twice;
    if (unsettled.contains(id)) ++proof.explained;
  }
  proof.unconfirmed = arrived.size() - proof.arrived;
  return proof;
}

}  // namespace penstock::cli
