// Twice the work that the workers can do, for a minute: what is completed, how long the accepted
// work waits, and what the refused are told.
//
//   bench_overload [SECONDS]
//
// A server in a process of its own; workers over the native protocol; clients over HTTP, who come
// back when they are told to and give up after a while.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <penstock/penstock.hpp>
#include <queue>
#include <random>
#include <thread>

#include "bench/report.h"
#include "test/support/server_process.h"

namespace penstock::bench {
namespace {

using testing::ServerProcess;

constexpr std::size_t kWorkers = 8;
constexpr auto kService = std::chrono::milliseconds(5);
constexpr double kCapacitySeconds = 5, kPatienceSeconds = 5, kOverload = 2;
constexpr int kConnections = 256;
constexpr std::size_t kMostJobs = 2'000'000;

// Takes its time, as a call to another service would, and takes no processor.
void serve() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, kService, [] { return false; });
}

// What the workers did. Job n was sent at sent[n]; negative numbers are not looked at.
class Work {
 public:
  void start(std::int64_t n) {
    if (n >= 0) {
      const double waited = clock_.seconds() - sent_[static_cast<std::size_t>(n)];
      const std::lock_guard lock(mutex_);
      waits_.push_back(waited);
    }
    const Stopwatch busy;
    serve();
    done_.fetch_add(1);
    busy_us_.fetch_add(static_cast<std::uint64_t>(busy.seconds() * 1e6));
  }
  void sent(std::size_t n) { sent_[n] = clock_.seconds(); }

  [[nodiscard]] double now() const { return clock_.seconds(); }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  [[nodiscard]] double busy_seconds() const { return static_cast<double>(busy_us_) / 1e6; }
  [[nodiscard]] std::vector<double> waits() {
    const std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  Stopwatch clock_;
  std::vector<std::atomic<double>> sent_ = std::vector<std::atomic<double>>(kMostJobs);
  std::atomic<std::uint64_t> done_{0}, busy_us_{0};
  std::mutex mutex_;
  std::vector<double> waits_;
};

// Clients that each want one job done: at their time they ask, and when refused come back when they
// are told to, until they lose patience.
class Clients {
 public:
  struct Figures {
    std::uint64_t arrived = 0, accepted = 0, refused = 0, without_time = 0, gave_up = 0;
    double late = 0;  // the longest that a request had to wait for a free connection
    std::vector<double> told;
  };

  Clients(std::uint16_t port, Work& work) : work_(work), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t n = 0; n < kConnections; ++n) connect(port);
    for (std::size_t n = 0; n < kConnections; ++n) free_.push_back(n);
  }
  ~Clients() {
    for (const auto& connection : connections_) ::close(connection.fd);
    ::close(epoll_);
  }

  // New clients arrive at random, `rate` of them per second.
  Figures run(double rate, double seconds) {
    std::exponential_distribution<double> pause(rate);
    const double end = work_.now() + seconds;
    for (double next = work_.now() + pause(random_); work_.now() < end;) {
      for (const double now = work_.now(); next <= now; next += pause(random_)) {
        due_.push({next, jobs_, next});
        ++figures_.arrived;
        if (++jobs_ >= kMostJobs) std::abort();
      }
      send_due();
      const double until = due_.empty() ? next : std::min(next, due_.top().at);
      receive(std::max(0.0, until - work_.now()));
    }
    return figures_;
  }

 private:
  struct Call {
    double at;  // when to ask
    std::size_t job;
    double first;                                                      // when it asked first
    bool operator<(const Call& other) const { return at > other.at; }  // the earliest on top
  };
  struct Connection {
    int fd;
    Call call;
    std::string received;
  };

  void connect(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = connections_.size();
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    connections_.push_back({fd, {}, {}});
  }

  void send_due() {
    const double now = work_.now();
    while (!due_.empty() && due_.top().at <= now && !free_.empty()) {
      auto& connection = connections_[free_.front()];
      free_.pop_front();
      connection.call = due_.top();
      due_.pop();
      figures_.late = std::max(figures_.late, now - connection.call.at);
      const auto body = fmt::format(
          R"({{"args":[{}],"options":{{"queue":"work","result_ttl":"0s"}}}})", connection.call.job);
      const auto request = fmt::format(
          "POST /v1/tasks/work HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
          body.size(), body);
      work_.sent(connection.call.job);
      if (::write(connection.fd, request.data(), request.size()) !=
          static_cast<ssize_t>(request.size()))
        std::abort();
    }
  }

  void receive(double seconds) {
    epoll_event events[kConnections];
    // To the next millisecond at most: a client that is a little late is no matter.
    const int count =
        ::epoll_wait(epoll_, events, kConnections, static_cast<int>(std::ceil(seconds * 1e3)));
    for (int i = 0; i < count; ++i) {
      const auto n = static_cast<std::size_t>(events[i].data.u64);
      auto& connection = connections_[n];
      char buffer[4096];
      const auto got = ::read(connection.fd, buffer, sizeof buffer);
      if (got <= 0) std::abort();
      connection.received.append(buffer, static_cast<std::size_t>(got));
      if (!answered(connection)) continue;
      connection.received.clear();
      free_.push_back(n);
    }
  }

  // True when the answer is there as a whole.
  bool answered(const Connection& connection) {
    const std::string_view text = connection.received;
    const auto end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    const auto head = text.substr(0, end + 2);
    if (text.size() < end + 4 + static_cast<std::size_t>(number(head, "Content-Length: ")))
      return false;
    if (text.substr(9, 3) == "202") {
      ++figures_.accepted;
      return true;
    }
    if (text.substr(9, 3) != "503") {
      std::fprintf(stderr, "unexpected answer: %s\n", connection.received.c_str());
      std::exit(1);
    }
    ++figures_.refused;
    const double told = number(head, "Penstock-Retry-After-Ms: ") / 1e3;
    if (told <= 0 || number(head, "Retry-After: ") <= 0) ++figures_.without_time;
    figures_.told.push_back(told);
    Call call = connection.call;
    call.at = work_.now() + told;
    if (call.at - call.first > kPatienceSeconds)
      ++figures_.gave_up;
    else
      due_.push(call);
    return true;
  }

  static double number(std::string_view head, std::string_view field) {
    const auto at = head.find(field);
    return at == std::string_view::npos ? 0 : std::atof(head.data() + at + field.size());
  }

  Work& work_;
  int epoll_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;  // in turn, so that none is idle until the server closes it
  std::priority_queue<Call> due_;
  std::mt19937_64 random_{7};
  std::size_t jobs_ = 0;
  Figures figures_;
};

// Jobs per second with more than enough of them at hand.
double capacity(App& app, const Task<void(std::int64_t)>& job, const Work& work) {
  const auto enough =
      static_cast<std::size_t>((kCapacitySeconds + 1) * static_cast<double>(kWorkers) * 1000 /
                               static_cast<double>(kService.count()));
  (void)app.enqueue_many(job, std::vector<std::tuple<std::int64_t>>(enough, std::tuple(-1)));
  const auto wait_for = [&](std::uint64_t count) {
    while (work.done() < count) serve();
  };
  wait_for(enough / 10);
  const Stopwatch watch;
  const auto before = work.done();
  wait_for(enough * 9 / 10);
  const double rate = static_cast<double>(work.done() - before) / watch.seconds();
  wait_for(enough);
  return rate;
}

void overload(double seconds) {
  const TemporaryFolder folder("overload");
  ServerProcess server(folder.path());
  if (!server.wait_until_ready()) std::exit(1);
  Work work;
  auto app = App::connect(server.url());
  const auto job = task("work", [&work](std::int64_t n) { work.start(n); },
                        {.queue = "work", .result_ttl = Duration(0)});
  app.add(job);
  app.declare("work", {.max_wait = std::chrono::hours(1)});
  const auto workers = app.work({.queues = {"work"}, .threads = {kWorkers, kWorkers}});
  const double full = capacity(app, job, work);
  line("capacity: 8 workers, 5 ms a job, no overload", per_second(full));

  app.declare("work", {.max_wait = std::chrono::seconds(1)});
  Clients clients(server.port(), work);
  const auto done = work.done();
  const auto busy = work.busy_seconds();
  const Stopwatch watch;
  auto figures = clients.run(full * kOverload, seconds);
  const double elapsed = watch.seconds();
  const double rate = static_cast<double>(work.done() - done) / elapsed;
  const double share = (work.busy_seconds() - busy) / elapsed / static_cast<double>(kWorkers);
  const auto queue = app.queue("work");

  line(fmt::format("overload: new jobs, for {:.0f} s", elapsed),
       per_second(static_cast<double>(figures.arrived) / elapsed));
  line("  completed, of capacity", fmt::format("{:.1f} %", rate / full * 100), "aim >= 95 %");
  line("  time that the workers worked", fmt::format("{:.1f} %", share * 100));
  line("  service rate as the server estimates it", per_second(queue.service_rate));
  auto waits = work.waits();
  const double p99 = percentile(waits, 0.99);
  line("  wait of accepted jobs from request to start, p50 / p99 / max",
       fmt::format("{:.2f} / {:.2f} / {:.2f} s", percentile(waits, 0.5), p99, percentile(waits, 1)),
       "aim p99 <= 1.5 s");
  line("  accepted / refused / gave up after 5 s",
       fmt::format("{} / {} / {}", figures.accepted, figures.refused, figures.gave_up));
  line("  refusals without a time to come back", std::to_string(figures.without_time), "aim 0");
  double sum = 0;
  for (const double told : figures.told) sum += told;
  if (!figures.told.empty())
    line("  time told, min / mean / max",
         fmt::format("{:.3f} / {:.3f} / {:.3f} s", percentile(figures.told, 0),
                     sum / static_cast<double>(figures.told.size()), percentile(figures.told, 1)));
  line("  longest wait of a client for one of 256 connections",
       fmt::format("{:.3f} s", figures.late));
}

}  // namespace
}  // namespace penstock::bench

int main(int count, char** arguments) {
  penstock::bench::overload(count > 1 ? std::atof(arguments[1]) : 60);
}
