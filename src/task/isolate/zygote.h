// The process that task processes are forked from.
//
//   worker (threads) ──ask──▶ zygote (one thread, nothing but the tasks) ──fork──▶ task process
//          └────────────────────────── a socket for each of them ───────────────────────┘
//
// A process with threads cannot fork safely: whatever lock another thread holds is held for ever in
// the child. So the zygote is made while the program has only one thread: when an App is opened and
// isolated tasks are defined. It then does nothing but fork and reap.
//
// Threads:  spawn() and reap() by any.
// Lifetime: the zygote and all of its children end with the process that made it, however it ends.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "os/descriptor.h"
#include "penstock/task.hpp"

namespace penstock::detail {

// How a task process ended.
struct ProcessEnd {
  bool signalled = false;
  int code = 0;  // of the exit, or the signal's number
};

struct SpawnedProcess {
  pid_t pid = -1;  // nobody else's until it is reaped
  Descriptor socket;
  Descriptor pidfd;  // readable when it has ended
};

// What a task process does: runs the tasks that come over `socket`, and never returns.
using TaskProcessMain = void (*)(const std::vector<std::shared_ptr<const TaskDefinition>>& tasks,
                                 int socket);

class Zygote {
 public:
  using Tasks = std::vector<std::shared_ptr<const TaskDefinition>>;

  // Error::conflict when this process has more threads than one.
  [[nodiscard]] static Result<std::shared_ptr<Zygote>> start(Tasks tasks, TaskProcessMain main);
  ~Zygote();
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  [[nodiscard]] Result<SpawnedProcess> spawn();
  // Kills it, with all that it has started and left in its group, and says how it ended.
  [[nodiscard]] Result<ProcessEnd> reap(pid_t pid);

  // Its place among the tasks, or nothing when it was defined later.
  [[nodiscard]] std::optional<std::uint32_t> find(const TaskDefinition& task) const;

 private:
  struct Request;
  struct Answer;
  Zygote(Tasks tasks, Descriptor control, Descriptor pidfd, pid_t pid)
      : tasks_(std::move(tasks)),
        control_(std::move(control)),
        pidfd_(std::move(pidfd)),
        pid_(pid) {}
  [[noreturn]] static void run(const Tasks& tasks, TaskProcessMain main, int control, pid_t parent);
  static void serve(const Tasks& tasks, TaskProcessMain main, int control);
  [[nodiscard]] Result<Answer> ask(const Request& request, Descriptor* received);

  const Tasks tasks_;
  std::mutex mutex_;  // one question at a time
  Descriptor control_;
  const Descriptor pidfd_;
  const pid_t pid_;
};

// The one that Apps opened now share: made when there are isolated tasks that none knows yet, and
// this process has only one thread. Null when there is none.
[[nodiscard]] std::shared_ptr<Zygote> current_zygote();
// By define_task().
void note_isolated_task(const std::shared_ptr<const TaskDefinition>& task);

}  // namespace penstock::detail
