// Runs a program per task: `penstock worker --exec 'convert {0} -resize 320 {1}'`.
//
// Standard input is the payload. Exit code 0 is success, and standard output the result: JSON when
// it is JSON, else a string without its last line end; {"base64":"..."} when it is no UTF-8; null
// when there is none. Everything else fails, and the error says which of these it was:
//
//   exit: 3: <end of standard error>
//   signal: SIGSEGV: <...>                 (cause killed; SIGKILL: out_of_memory)
//   timeout: after 30s: <...>              (cause timed_out)
//   output: more than 1MiB ...             (not tried again)
//   arguments: the command wants {2}, ...  (not tried again)
//   spawn: convert: No such file or directory
//
// The program finds PENSTOCK_TASK_ID, PENSTOCK_TASK_NAME, PENSTOCK_QUEUE and PENSTOCK_ATTEMPT in
// its environment, besides the worker's own.
#pragma once

#include "cli/worker/command_template.h"
#include "cli/worker/executor.h"

namespace penstock::cli {

struct ExecOptions {
  Duration timeout{0};                            // of one attempt; 0 = none
  std::uint64_t memory_bytes = 0;                 // of a program; 0 = no limit
  Duration kill_after = std::chrono::seconds(5);  // between SIGTERM and SIGKILL
  std::size_t output_bytes_max = 1 << 20;
};

class ExecExecutor final : public Executor {
 public:
  ExecExecutor(CommandTemplate command, const ExecOptions& options, Clock& clock)
      : command_(std::move(command)), options_(options), clock_(clock) {}

  [[nodiscard]] Ending run(const Work& work, std::stop_token stop) override;

 private:
  CommandTemplate command_;
  ExecOptions options_;
  Clock& clock_;
};

}  // namespace penstock::cli
