// The real program, run as a child.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "net/address.h"

namespace penstock::testing {

class Program {
 public:
  // Standard output and error go to the file `log`.
  Program(std::vector<std::string> arguments, const std::string& log, bool wait_until_ready)
      : log_(log) {
    int ready[2] = {-1, -1};
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    if (wait_until_ready) {
      arguments.insert(arguments.end(), {"--ready-fd", "3"});
    }
    arguments.insert(arguments.begin(), PENSTOCK_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(out, 1);
      dup2(out, 2);
      if (ready[1] == 3) {
        fcntl(3, F_SETFD, 0);
      } else {
        dup2(ready[1], 3);
      }
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(ready[1]);
    // Ends when the program has said it, or has died.
    for (char buffer[256]; wait_until_ready;) {
      const ssize_t count = read(ready[0], buffer, sizeof buffer);
      if (count <= 0) break;
      addresses_.append(buffer, static_cast<std::size_t>(count));
    }
    close(ready[0]);
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  // The exit code, or minus the signal.
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  [[nodiscard]] net::Address address() const {
    return *net::parse_address(addresses_.substr(0, addresses_.find('\n')));
  }
  [[nodiscard]] std::string log() const {
    std::ostringstream text;
    text << std::ifstream(log_).rdbuf();
    return text.str();
  }
  // A line of /proc/PID/status, in bytes.
  [[nodiscard]] std::size_t memory(const std::string& name) const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(name + ":")) return std::stoul(line.substr(name.size() + 1)) * 1024;
    }
    return 0;
  }

 private:
  pid_t pid_ = -1;
  std::string log_;
  std::string addresses_;
};

}  // namespace penstock::testing
