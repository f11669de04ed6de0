#include "task/log_lines.h"

#include <fmt/format.h>

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
  lines_.push_back(clean(line));
  bytes_ += lines_.back().size();
  const auto room = [&] { return engine::kLogLinesMax - (left_out_ > 0 ? 1 : 0); };
  for (; lines_.size() - first_ > room() || bytes_ > engine::kLogBytesMax; ++first_) {
    bytes_ -= lines_[first_].size();
    ++left_out_;
    ++dropped_;
  }
  if (first_ > engine::kLogLinesMax) compact();
}

void LogLines::compact() {
  lines_.erase(lines_.begin(), lines_.begin() + static_cast<std::ptrdiff_t>(first_));
  first_ = 0;
}

const std::vector<std::string>& LogLines::lines() {
  compact();
  if (left_out_ > 0) {
    lines_.insert(lines_.begin(), fmt::format("({} lines are left out)", left_out_));
    bytes_ += lines_.front().size();
    left_out_ = 0;
  }
  return lines_;
}

std::vector<std::string> LogLines::take() {
  (void)lines();
  bytes_ = 0;
  return std::exchange(lines_, {});
}

}  // namespace penstock::detail
