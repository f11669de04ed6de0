// A server from outside: HTTP publishes over many connections, tasks from another process, start,
// idle memory.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <penstock/penstock.hpp>
#include <thread>
#include <tuple>

#include "bench/report.h"
#include "test/support/server_process.h"

namespace penstock::bench {
namespace {

using testing::ServerProcess;

// Sends the same request over each of its connections, again and again, and waits for each answer.
class HttpLoad {
 public:
  HttpLoad(std::uint16_t port, int connections, std::string request)
      : request_(std::move(request)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int n = 0; n < connections; ++n) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<std::uint32_t>(fds_.size());
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
      fds_.push_back(fd);
    }
    started_.resize(fds_.size());
  }
  ~HttpLoad() {
    for (const int fd : fds_) ::close(fd);
    ::close(epoll_);
  }

  // Answers per second; the time of each goes to `times`, in microseconds.
  double run(std::uint64_t count, std::vector<double>& times) {
    const Stopwatch watch;
    std::uint64_t sent = 0;
    std::uint64_t done = 0;
    for (std::size_t n = 0; n < fds_.size(); ++n) send(n), ++sent;
    std::vector<epoll_event> events(fds_.size());
    char answer[4096];
    while (done < count) {
      const int ready =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
      if (ready <= 0) std::abort();
      for (int i = 0; i < ready; ++i) {
        const auto n = events[static_cast<std::size_t>(i)].data.u32;
        const auto got = ::read(fds_[n], answer, sizeof answer);
        if (got < 12 || std::string_view(answer + 9, 3) != "202") {
          std::fprintf(stderr, "unexpected answer: %.*s\n",
                       static_cast<int>(std::max<ssize_t>(got, 0)), answer);
          std::exit(1);
        }
        times.push_back(started_[n].seconds() * 1e6);
        ++done;
        if (sent < count) send(n), ++sent;
      }
    }
    return static_cast<double>(count) / watch.seconds();
  }

 private:
  void send(std::size_t n) {
    started_[n] = {};
    if (::write(fds_[n], request_.data(), request_.size()) != static_cast<ssize_t>(request_.size()))
      std::abort();
  }

  std::string request_;
  int epoll_;
  std::vector<int> fds_;
  std::vector<Stopwatch> started_;
};

std::string post(const std::string& type, const std::string& body) {
  return fmt::format(
      "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "{}\r\nContent-Length: {}\r\n\r\n{}",
      type, body.size(), body);
}

void http(const ServerProcess& server) {
  const std::string kib(1024, 'x');
  for (const int connections : {1, 64}) {
    HttpLoad load(server.port(), connections, post("application/octet-stream", kib));
    std::vector<double> times;
    load.run(connections == 1 ? 500 : 20'000, times);
    times.clear();
    const double rate = load.run(connections == 1 ? 3'000 : 200'000, times);
    line(fmt::format("HTTP publish, 1 KiB, {} connection(s), synced", connections),
         per_second(rate), connections == 64 ? "aim >= 25000/s" : "");
    line("  p50 / p99",
         fmt::format("{:.0f} / {:.0f} us", percentile(times, 0.5), percentile(times, 0.99)));
  }
  std::string batch;
  for (int n = 0; n < 100; ++n) batch += "{\"body\":\"" + kib + "\"}\n";
  HttpLoad load(server.port(), 8, post("application/x-ndjson", batch));
  std::vector<double> times;
  line("HTTP publish, 1 KiB, batches of 100, 8 connections",
       per_second(load.run(3'000, times) * 100));
}

void remote_tasks(const ServerProcess& server) {
  auto app = App::connect(server.url());
  const auto nothing = task("nothing", [](int) {}, {.result_ttl = Duration(0)});
  app.add(nothing);
  const auto workers = app.work({.threads = {2, 2}});
  const std::vector<std::tuple<int>> batch(1000, std::tuple(1));
  constexpr int kRounds = 200;
  const Stopwatch watch;
  std::optional<Job<void>> last;
  for (int round = 0; round < kRounds; ++round) (void)app.enqueue_many(nothing, batch);
  while (app.queue("default").in_system > 0) std::this_thread::yield();
  line("no-op tasks over the native protocol, another process",
       per_second(kRounds * 1000 / watch.seconds()), "aim >= 50000/s");
}

}  // namespace
}  // namespace penstock::bench

int main(int count, char** arguments) {
  using namespace penstock::bench;
  const std::string only = count > 1 ? arguments[1] : "";
  const TemporaryFolder folder("server");
  penstock::testing::ServerProcess server(folder.path());
  if (!server.wait_until_ready()) return 1;
  line("server: from start to ready, empty folder",
       fmt::format("{:.0f} ms", server.started_in() * 1e3), "aim <= 100 ms");
  line("server: idle memory (resident)",
       fmt::format("{:.1f} MB", static_cast<double>(server.resident_kib()) / 1024), "aim <= 20 MB");
  if (only.empty() || only == "http") http(server);
  if (only.empty() || only == "tasks") remote_tasks(server);
}
