// A worker of the C++ library that is watched, told to stop and killed by hands.py.
//
//   work_hand URL NAME THREADS GRACE_MS
//
// Works on the queue "hands" until SIGTERM or until it is ordered to stop. Each line that it writes
// is one event: "ready", "started <id> <attempt> <pid>", "stopped <id>".
#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <penstock/penstock.hpp>
#include <string>
#include <thread>

namespace {

void tell(const std::string& event) {
  const auto line = event + "\n";
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::abort();
}
void tell_start(const penstock::Context& context) {
  tell("started " + std::to_string(context.id()) + " " + std::to_string(context.attempt()) + " " +
       std::to_string(::getpid()));
}

// Until somebody writes to the pipe of that name.
int hold(penstock::Context& context, std::string pipe) {
  tell_start(context);
  const int file = ::open(pipe.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  if (file < 0 || ::read(file, &byte, 1) < 0) throw std::runtime_error("no pipe " + pipe);
  ::close(file);
  return static_cast<int>(context.attempt());
}

// Until it is told to stop.
void heed(penstock::Context& context) {
  tell_start(context);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  (void)never.wait(lock, context.stop_token(), [] { return false; });
  tell("stopped " + std::to_string(context.id()));
  context.check();
}

int work(const char* url, const char* name, std::uint32_t threads, penstock::Duration grace) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);  // before there are threads
  const auto held = penstock::task("hold", hold);
  const auto held_alone =
      penstock::task("hold_alone", hold, {.isolation = penstock::Isolation::process});
  const auto heeds = penstock::task("heed", heed);
  auto app = penstock::App::connect(url);
  app.add(held, held_alone, heeds);
  auto workers = app.work({.queues = {"hands"},
                           .threads = {threads, threads},
                           .grace = grace,
                           .name = name,
                           .version = "1.0"});
  tell("ready");
  // SIGTERM and an order end it alike.
  std::thread listener([&] {
    workers.join();
    ::kill(::getpid(), SIGTERM);
  });
  int which = 0;
  sigwait(&ends, &which);
  workers.stop();
  listener.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "work_hand URL NAME THREADS GRACE_MS\n";
    return 2;
  }
  try {
    return work(argv[1], argv[2], static_cast<std::uint32_t>(std::atoi(argv[3])),
                std::chrono::milliseconds(std::atoi(argv[4])));
  } catch (const penstock::Exception& error) {
    std::cerr << "work_hand: " << error.what() << "\n";
    return 1;
  }
}
