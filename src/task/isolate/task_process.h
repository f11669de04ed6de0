// The inside of a task process: runs the tasks that its worker sends, one at a time.
#pragma once

#include "task/isolate/zygote.h"

namespace penstock::detail {

// On the only thread of a process that was just forked from the zygote. Ends with the process.
[[noreturn]] void run_task_process(const Zygote::Tasks& tasks, int socket);

}  // namespace penstock::detail
