#include "task/log_lines.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::detail {
namespace {

std::string clean(std::string_view line) {
  const bool whole = line.size() <= engine::kLogLineBytesMax;
  std::string text(line.substr(0, engine::kLogLineBytesMax));
  if (!whole) {
    // Not in the middle of a character.
    auto end = text.size();
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
  }
  return to_valid_utf8(std::move(text));
}

}  // namespace

void LogLines::add(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  while (true) {
    const auto end = text.find('\n');
    add_line(text.substr(0, end));
    if (end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

void LogLines::add_line(std::string_view line) {
  if (lines_.size() == engine::kLogLinesMax ||
      bytes_ + std::min(line.size(), engine::kLogLineBytesMax) > engine::kLogBytesMax) {
    ++dropped_;
    return;
  }
  lines_.push_back(clean(line));
  bytes_ += lines_.back().size();
}

std::vector<std::string> LogLines::take() {
  bytes_ = 0;
  return std::exchange(lines_, {});
}

}  // namespace penstock::detail
