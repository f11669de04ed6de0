#include "engine/task_log.h"

#include "base/check.h"

namespace penstock::engine {
namespace {

// Of a task that has a log at all: its entries in the map and in the list.
constexpr std::size_t kLogCost = 256;

// No character is cut in two.
std::string_view cut(std::string_view text) {
  if (text.size() <= kLogLineBytesMax) return text;
  auto end = kLogLineBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

void TaskLogs::add(MessageId task, std::uint32_t attempt, Time at, std::string_view text) {
  const auto [found, is_new] = logs_.try_emplace(task.value);
  Log& log = found->second;
  if (is_new) {
    log.place = by_age_.insert(by_age_.end(), task.value);
    bytes_ += kLogCost;
  } else {
    by_age_.splice(by_age_.end(), by_age_, log.place);
  }
  log.lines.push_back({log.next++, attempt, at, std::string(cut(text))});
  log.bytes += cost(log.lines.back());
  bytes_ += cost(log.lines.back());
  while (log.lines.size() > kLogLinesMax || log.bytes > kLogBytesMax) drop_first(log);
  while (bytes_ > kLogsBytesMax) {
    const auto oldest = logs_.find(by_age_.front());
    bytes_ -= oldest->second.bytes + kLogCost;
    logs_.erase(oldest);
    by_age_.pop_front();
  }
}

void TaskLogs::drop_first(Log& log) {
  log.bytes -= cost(log.lines.front());
  bytes_ -= cost(log.lines.front());
  log.lines.pop_front();
}

bool TaskLogs::has_more(MessageId task, std::uint64_t& after) const {
  const auto* lines = find(task);
  if (lines == nullptr || lines->empty()) return false;
  const auto last = lines->back().number;
  if (after > last) after = 0;
  return last > after;
}

const std::deque<LogLine>* TaskLogs::find(MessageId task) const {
  const auto found = logs_.find(task.value);
  return found == logs_.end() ? nullptr : &found->second.lines;
}

void TaskLogs::check() const {
  std::uint64_t bytes = 0;
  for (const auto& [task, log] : logs_) {
    std::size_t of_log = 0;
    for (const auto& line : log.lines) of_log += cost(line);
    CHECK(of_log == log.bytes && log.bytes <= kLogBytesMax && log.lines.size() <= kLogLinesMax);
    CHECK(!log.lines.empty() && *log.place == task);
    bytes += of_log + kLogCost;
  }
  CHECK(bytes == bytes_ && bytes <= kLogsBytesMax && by_age_.size() == logs_.size());
}

}  // namespace penstock::engine
