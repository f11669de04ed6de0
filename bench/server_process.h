// A server in a process of its own, for benchmarks that measure one from outside.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "bench/report.h"

extern char** environ;

namespace penstock::bench {

class ServerProcess {
 public:
  // Starts the `penstock` that lies one folder above this program, and waits until it is ready.
  explicit ServerProcess(const std::string& data) {
    const auto program =
        (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "penstock")
            .string();
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    const auto ready = std::to_string(ends[1]);
    std::vector<std::string> words{program,    "serve",       "--data",     data,
                                   "--listen", "127.0.0.1:0", "--ready-fd", ready};
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 2, (data + ".log").c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const Stopwatch watch;
    if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) {
      std::fprintf(stderr, "cannot start %s\n", program.c_str());
      std::exit(1);
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    char letter = 0;
    while (::read(ends[0], &letter, 1) == 1 && letter != '\n') address_.push_back(letter);
    ::close(ends[0]);
    started_in_ = watch.seconds();
    log_ = data + ".log";
  }
  ~ServerProcess() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove(log_);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  [[nodiscard]] double started_in() const { return started_in_; }
  [[nodiscard]] std::string url() const { return "penstock://" + address_; }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
  }
  [[nodiscard]] std::uint64_t resident_kib() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string word;
    std::uint64_t kib = 0;
    while (status >> word)
      if (word == "VmRSS:") status >> kib;
    return kib;
  }

 private:
  ::pid_t pid_ = 0;
  std::string address_, log_;
  double started_in_ = 0;
};

}  // namespace penstock::bench
