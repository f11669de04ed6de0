// Runs one program to its end: no shell, no inherited files, nothing left behind.
//
// The program gets `input` as its standard input and a process group of its own. When it ends, or
// is made to, every process that is still in that group is killed. It leaves no core dump, and dies
// with the thread that runs it.
//
// Threads:  any number at once, in a process that does not reap children it did not start.
// Pressure: standard output is kept up to
// `output_bytes_max`; a program that says more is ended. Of
//           standard error the last `error_bytes_max` bytes are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::cli {

struct Program {
  std::vector<std::string> argv;         // argv[0] is looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to this process's own
  std::string_view input;
  std::size_t output_bytes_max = 1 << 20;
  std::size_t error_bytes_max = 2048;
  std::uint64_t memory_bytes = 0;                 // of address space; 0 = no limit
  Duration timeout{0};                            // 0 = none
  Duration kill_after = std::chrono::seconds(5);  // between SIGTERM and SIGKILL
  // All of standard error, piece by piece, as it comes; on the thread that runs it.
  std::function<void(std::string_view)> on_error{};
};

struct ProgramEnd {
  enum class Kind : std::uint8_t {
    exited,     // by itself; `code` is its exit code
    signalled,  // `code` is the signal that it did not survive
    timed_out,
    stopped,   // by the stop token
    too_long,  // it said more than output_bytes_max
  };
  Kind kind = Kind::exited;
  int code = 0;
  std::string output;
  std::string error_tail;
};

// Error::not_found when there is no such program, Error::io when the machine refuses to run it.
[[nodiscard]] Result<ProgramEnd> run_program(const Program& program, Clock& clock,
                                             const std::stop_token& stop);

}  // namespace penstock::cli
