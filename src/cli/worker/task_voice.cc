#include "cli/worker/task_voice.h"

#include <fmt/format.h>

#include <iterator>
#include <vector>

#include "base/text.h"
#include "cli/table.h"
#include "engine/task_log.h"

namespace penstock::cli {

void TaskVoice::say(std::string_view line) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(is_valid_utf8(line) ? std::string(line) : shown(line));
  bytes_ += lines_.back().size();
  while (lines_.size() > engine::kLogLinesMax || bytes_ > engine::kLogBytesMax) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
    ++left_out_;
  }
  if (!on_its_way_) send_lines();
}

void TaskVoice::finish() {
  const std::lock_guard lock(mutex_);
  send_lines();
  finished_ = true;
}

void TaskVoice::send_lines() {
  if (lines_.empty() || finished_) return;
  std::vector<std::string> batch;
  if (left_out_ > 0) batch.push_back(fmt::format("({} lines are left out)", left_out_));
  batch.insert(batch.end(), lines_.begin(), lines_.end());
  if (!send_(batch, [self = shared_from_this()] { self->on_arrived(); })) return;
  on_its_way_ = true;
  lines_.clear();
  bytes_ = left_out_ = 0;
}

void TaskVoice::on_arrived() {
  const std::lock_guard lock(mutex_);
  on_its_way_ = false;
  send_lines();
}

}  // namespace penstock::cli
