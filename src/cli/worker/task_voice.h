// What a running task says, on its way to the server: never in the way of the task.
//
// One command is on its way at a time; what is said meanwhile is gathered, as much as the server
// would keep of a task, and of more than that the oldest lines are left out. So a task that says
// very much costs a round trip's worth of memory, and the server no more than it can take.
//
// Threads:  any; callbacks on the client's.
// Lifetime: shared with the answer on its way. The client outlives it.
// Damage:   lines that were on their way over a connection that breaks are lost.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace penstock::cli {

class TaskVoice : public std::enable_shared_from_this<TaskVoice> {
 public:
  // Sends lines and comes back at once; false: not now. `then` is called once for true.
  using Then = std::function<void()>;
  using Send = std::function<bool(std::span<const std::string> lines, Then then)>;
  explicit TaskVoice(Send send) : send_(std::move(send)) {}

  void say(std::string_view line);
  // Sends what is left. Whoever tells of the task's end calls it before, on the same thread.
  void finish();

 private:
  void send_lines();  // with the lock held
  void on_arrived();

  const Send send_;
  std::mutex mutex_;
  std::deque<std::string> lines_;  // bounded as engine::TaskLogs are, and so many bytes
  std::size_t bytes_ = 0;
  std::uint64_t left_out_ = 0;
  bool on_its_way_ = false, finished_ = false;
};

}  // namespace penstock::cli
