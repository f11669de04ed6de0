// A program that the demonstration starts, watches and ends.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::cli {

// Its standard input is a pipe that stays open as long as this object: a program that reads it to
// its end stops by itself when the demonstration dies, however it dies. Its standard error goes to
// a file. Threads: one at a time.
class Child {
 public:
  // Where the program says that it is ready: on its standard output (1), or on descriptor 3; then
  // its standard output goes to the file as well.
  enum class Ready : int { on_output = 1, on_descriptor_3 = 3 };

  // argv[0] is looked up in PATH.
  [[nodiscard]] static Result<Child> start(const std::vector<std::string>& argv, Ready ready,
                                           const std::string& error_file);
  Child() = default;
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();  // kills it

  // The first line that it writes to the ready descriptor. Error::closed when
  // it ended before.
  [[nodiscard]] Result<std::string> first_line(Duration timeout);
  [[nodiscard]] pid_t pid() const { return pid_; }
  // SIGKILL, and waits until it is gone.
  void kill();
  // Ends its standard input and sends SIGTERM; kills it when it is not gone after `patience`. Its
  // exit code, -signal when one ended it.
  int stop(Duration patience);

 private:
  int reap();
  void close_pipes();

  pid_t pid_ = -1;
  int input_ = -1;  // we write
  int ready_ = -1;  // we read
};

}  // namespace penstock::cli
