// Clients that are slow on purpose, against a server of its own: when it ends them, what they cost
// until then, and what a healthy client sees beside them.
//
//   bench_slow_clients [SCENARIO...]        all of them take about five minutes
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <thread>

#include "bench/report.h"
#include "test/support/server_process.h"
#include "wire/amqp/content.h"
#include "wire/amqp/method.h"

namespace penstock::bench {
namespace {

using testing::ServerProcess;

constexpr std::size_t kSlow = 1000;
constexpr std::size_t kIdle = 10'000;
// A source address has some 28,000 ports.
constexpr std::size_t kConnectionsPerAddress = 20'000;

int connect_to(std::uint16_t port, std::size_t n, int receive_buffer = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (receive_buffer != 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr =
      htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(n / kConnectionsPerAddress));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) == 0 &&
      ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0)
    return fd;
  ::close(fd);
  return -1;
}

std::string post(std::string_view body) {
  return fmt::format(
      "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
      body.size(), body);
}

// ---- AMQP, said without listening

constexpr std::string_view kAmqpHeader("AMQP\0\0\x09\x01", 8);

template <class... Methods>
std::string methods(std::uint16_t channel, const Methods&... each) {
  std::string out;
  (wire::amqp::encode_method(out, channel, each), ...);
  return out;
}
// All of a handshake, and a channel; without heartbeats.
std::string log_in() {
  using namespace wire::amqp;
  ConnectionStartOk start;
  start.mechanism = "PLAIN";
  start.response = LongString{std::string_view("\0guest\0guest", 12)};
  start.locale = "en_US";
  ConnectionOpen open;
  open.virtual_host = "/";
  return std::string(kAmqpHeader) + methods(0, start, ConnectionTuneOk{2047, 131072, 0}, open) +
         methods(1, ChannelOpen{});
}
std::string consume(std::string_view queue) {
  wire::amqp::BasicConsume all;
  all.queue = queue;
  return methods(1, all);
}
// A publish whose message was only announced.
std::string publish_head(std::string_view queue, std::uint64_t body_bytes) {
  wire::amqp::BasicPublish publish;
  publish.routing_key = queue;
  auto out = methods(1, publish);
  wire::amqp::write_content_header(out, 1, body_bytes, wire::amqp::Properties{});
  return out;
}

// Sends, and reads until the end of an answer's head; empty when the connection failed.
std::string ask(int fd, std::string_view request, std::string_view end) {
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    return {};
  std::string answer;
  char buffer[65536];
  while (answer.find(end) == std::string::npos) {
    const auto got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return {};
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

// What somebody with honest intentions sees: a new connection and a request, and a publish over one
// that lasts, in turns, some 100 times a second.
class HealthyClient {
 public:
  explicit HealthyClient(std::uint16_t port) : thread_([this, port] { run(port); }) {}
  ~HealthyClient() { finish(); }
  void finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After finish().
  std::vector<double> connects, publishes;  // microseconds
  std::uint64_t failures = 0;

 private:
  void run(std::uint16_t port) {
    const std::string publish = post("hello");
    const int kept = connect_to(port, 0);
    while (!stop_) {
      const Stopwatch connecting;
      const int fd = connect_to(port, 0);
      const bool answered =
          fd >= 0 &&
          !ask(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "\r\n\r\n").empty();
      if (fd >= 0) ::close(fd);
      answered ? connects.push_back(connecting.seconds() * 1e6) : void(++failures);
      const Stopwatch publishing;
      ask(kept, publish, "}").empty() ? void(++failures)
                                      : publishes.push_back(publishing.seconds() * 1e6);
      ::poll(nullptr, 0, 10);  // the pace
    }
    ::close(kept);
  }

  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

struct Scenario {
  std::string name{};
  std::string what{};
  std::size_t count = kSlow;
  std::string first{};  // sent at once
  std::string drip{};   // and then so much each second
  bool deaf = false;    // never reads
  double seconds = 80;  // ends when all are closed, or then
  std::vector<std::string> arguments{};
  std::size_t message_bytes = 0;  // of each message that is in the queue before
  std::size_t messages = 1;
};

// All slow clients of a scenario, on this thread.
class Crowd {
 public:
  Crowd(const Scenario& scenario, std::uint16_t port)
      : scenario_(scenario), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t n = 0; n < scenario.count; ++n) {
      const int fd = connect_to(port, n, scenario.deaf ? 4096 : 0);
      if (fd < 0) {
        ++refused;
        continue;
      }
      epoll_event event{};
      event.events = scenario.deaf ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP;
      event.data.u32 = static_cast<std::uint32_t>(clients_.size());
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
      clients_.push_back({.fd = fd, .since = {}, .unsent = scenario.first});
      push(clients_.back());
    }
    open_ = clients_.size();
  }
  ~Crowd() {
    for (const auto& client : clients_)
      if (client.fd >= 0) ::close(client.fd);
    ::close(epoll_);
  }

  // Until all are closed or the time is over; `each_second` is called meanwhile.
  void run(const std::function<void()>& each_second) {
    const Stopwatch watch;
    double next = 1;
    std::vector<epoll_event> events(1024);
    while ((open_ > 0 || scenario_.count == 0) && watch.seconds() < scenario_.seconds) {
      const auto wait = static_cast<int>(std::max(0.0, next - watch.seconds()) * 1000) + 1;
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
      for (int i = 0; i < ready; ++i) serve(events[static_cast<std::size_t>(i)]);
      if (watch.seconds() < next) continue;
      next += 1;
      each_second();
      for (auto& client : clients_) {
        if (client.fd < 0 || scenario_.drip.empty()) continue;
        if (client.unsent.empty()) client.unsent = scenario_.drip;
        push(client);
      }
    }
  }

  [[nodiscard]] std::size_t open() const { return open_; }
  std::vector<double> closed_after;  // seconds
  std::size_t refused = 0;

 private:
  struct Client {
    int fd;
    Stopwatch since;
    std::string unsent;
  };

  void push(Client& client) {
    while (!client.unsent.empty()) {
      const auto count = ::send(client.fd, client.unsent.data(), client.unsent.size(),
                                MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) return;
      client.unsent.erase(0, static_cast<std::size_t>(count));
    }
  }
  void serve(const epoll_event& event) {
    Client& client = clients_[event.data.u32];
    if (client.fd < 0) return;
    bool over = (event.events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
    if (!over && !scenario_.deaf) {
      char buffer[4096];
      const auto got = ::recv(client.fd, buffer, sizeof buffer, MSG_DONTWAIT);
      over = got == 0 || (got < 0 && errno != EAGAIN);
    }
    if (!over) return;
    closed_after.push_back(client.since.seconds());
    ::close(std::exchange(client.fd, -1));
    --open_;
  }

  const Scenario& scenario_;
  int epoll_;
  std::vector<Client> clients_;
  std::size_t open_ = 0;
};

std::uint64_t counter(const std::string& status, std::string_view name) {
  const auto at = status.find(fmt::format("\"{}\":", name));
  return at == std::string::npos ? 0 : std::strtoull(&status[at + name.size() + 3], nullptr, 10);
}

std::string both(std::vector<double>& values) {
  return fmt::format("{:.0f} / {:.0f} us", percentile(values, 0.5), percentile(values, 0.99));
}

std::string status_of(std::uint16_t port) {
  const int fd = connect_to(port, 0);
  const auto status =
      ask(fd, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "}}");
  ::close(fd);
  return status;
}

void measure(const Scenario& scenario) {
  const TemporaryFolder folder("slow-" + scenario.name);
  ServerProcess server(folder.path(), "127.0.0.1:0", scenario.arguments);
  if (!server.wait_until_ready()) std::abort();
  const auto port = server.port();
  if (scenario.message_bytes > 0) {
    const int fd = connect_to(port, 0);
    const auto message = post(std::string(scenario.message_bytes, 'x'));
    for (std::size_t n = 0; n < scenario.messages; ++n)
      if (ask(fd, message, "}").empty()) std::abort();
    ::close(fd);
  }
  {
    HealthyClient warming(port);
    ::poll(nullptr, 0, 1000);
  }
  const auto before = server.resident_kib();
  line(scenario.what, "");
  HealthyClient healthy(port);
  Crowd crowd(scenario, port);
  auto most = server.resident_kib();
  const auto opened = crowd.open();
  crowd.run([&] { most = std::max(most, server.resident_kib()); });
  healthy.finish();
  const auto status = status_of(port);
  if (opened > 0) {
    auto& times = crowd.closed_after;
    line("  ended by the server",
         times.empty() ? fmt::format("0 of {}", opened)
                       : fmt::format("{} of {} after {:.1f} to {:.1f} s", times.size(), opened,
                                     percentile(times, 0), percentile(times, 1)));
    line("  memory for them",
         fmt::format("{:.1f} MiB, {:.1f} KiB each", static_cast<double>(most - before) / 1024,
                     static_cast<double>(most - before) / static_cast<double>(opened)));
    if (crowd.refused > 0) line("  not accepted", fmt::format("{}", crowd.refused));
  }
  line("  a healthy client: connect and request, p50 / p99", both(healthy.connects));
  line("  a healthy client: publish, p50 / p99", both(healthy.publishes));
  line("  a healthy client: failures of " +
           std::to_string(healthy.connects.size() + healthy.publishes.size()),
       std::to_string(healthy.failures), "aim: 0");
  std::string counters;
  for (const auto* name : {"sniff_timeouts", "input_timeouts", "timeouts", "write_timeouts",
                           "input_evictions", "output_evictions", "budget_pauses"})
    if (const auto value = counter(status, name); value > 0)
      counters += fmt::format("{}{} {}", counters.empty() ? "" : ", ", name, value);
  if (!counters.empty()) line("  the server's counters", counters);
}

std::vector<Scenario> amqp_scenarios() {
  return {
      {.name = "amqp-idle",
       .what = "10,000 AMQP connections before they say who they are",
       .count = kIdle,
       .first = std::string(kAmqpHeader),
       .seconds = 25},
      {.name = "amqp-head",
       .what = "AMQP: half a frame's head of a publish, one byte a second",
       .first = log_in() + publish_head("q", 100).substr(0, 5),
       .drip = "x"},
      {.name = "amqp-body",
       .what = "AMQP: bodies of 16 MB, one byte a second",
       .first = log_in() + publish_head("q", 16'000'000) + std::string("\x03\0\1\0\1\0\0", 7),
       .drip = "x"},
      {.name = "amqp-deaf",
       .what = "AMQP: 200 consumers of 2,000 messages of 256 KiB, never read",
       .count = 200,
       .first = log_in() + consume("q"),
       .deaf = true,
       .message_bytes = 256u << 10,
       .messages = 2000},
  };
}

std::vector<Scenario> http_and_resp_scenarios() {
  const std::string look = "GET /v1/queues/q/messages?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string browse = "*4\r\n$12\r\nQUEUE.BROWSE\r\n$1\r\nq\r\n$5\r\nLIMIT\r\n$1\r\n1\r\n";
  const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int n = 0; n < times; ++n) all += text;
    return all;
  };
  const std::string large_post =
      "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000000\r\n\r\n";
  return {
      {.name = "alone", .what = "nobody else", .count = 0, .seconds = 10},
      {.name = "idle",
       .what = "10,000 connections that say nothing",
       .count = kIdle,
       .seconds = 15},
      {.name = "http-head",
       .what = "HTTP: a head, one byte a second",
       .first = "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
       .drip = "x"},
      {.name = "http-body",
       .what = "HTTP: a body of 16 MB, one byte a second",
       .first = large_post,
       .drip = "x"},
      {.name = "http-body-rate",
       .what = "HTTP: bodies of 16 MB at 8 KiB/s, input_budget 64MiB",
       .first = large_post,
       .drip = std::string(8192, 'x'),
       .seconds = 40,
       .arguments = {"--input-budget", "64MiB"}},
      {.name = "resp-head",
       .what = "RESP: a command, one byte a second",
       .first = "*3\r\n$4\r\nSEND\r\n$1\r\nq\r\n$1000\r\n",
       .drip = "x"},
      {.name = "resp-body",
       .what = "RESP: messages of 16 MB at 8 KiB/s, input_budget 64MiB",
       .first = "*3\r\n$4\r\nSEND\r\n$1\r\nq\r\n$16000000\r\n",
       .drip = std::string(8192, 'x'),
       .seconds = 40,
       .arguments = {"--input-budget", "64MiB"}},
      {.name = "http-deaf",
       .what = "HTTP: 30 answers of 256 KiB, never read",
       .first = repeated(look, 30),
       .deaf = true,
       .message_bytes = 256u << 10},
      {.name = "resp-deaf",
       .what = "RESP: 30 answers of 1 MiB, never read",
       .count = 200,
       .first = repeated(browse, 30),
       .deaf = true,
       .message_bytes = 1u << 20},
  };
}

int run(int count, char** words) {
  // Of this process; the server, which inherits it, needs as many.
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  if (descriptors.rlim_max < kIdle + 1000 || ::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) {
    line("bench_slow_clients", "wants more descriptors: ulimit -Hn 16384");
    return 1;
  }
  auto scenarios = http_and_resp_scenarios();
  std::ranges::move(amqp_scenarios(), std::back_inserter(scenarios));
  for (const auto& scenario : scenarios) {
    bool chosen = count < 2;
    for (int i = 1; i < count; ++i) chosen = chosen || scenario.name == words[i];
    if (chosen) measure(scenario);
  }
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int count, char** words) {
  return penstock::bench::run(count, words);
}
