// One load for all: publishes, takes and settles, or plays one message to and fro, in any of the
// dialects, and prints one line of JSON. Any answer that is no success ends it with exit code 1.
//
//   peer_load publish|drain|roundtrip|first dialect=penstock port=7411 [queue=q] [connections=1]
//             [window=1] [batch=1] [seconds=1] [messages=0]
//
//   window    requests on their way on each connection
//   batch     messages in each request
//   messages  ends after so many instead of after the time
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>

#include "bench/peers/load/connections.h"

namespace penstock::peers {

// A number of its own, then letters from anywhere in a pool: alike bodies would flatter those who
// compress what they keep.
void append_body(std::string& out) {
  static std::uint32_t random = 1;
  static std::uint64_t number = 0;
  const auto next = [] { return (random = random * 1'664'525 + 1'013'904'223) >> 8; };
  static const std::string pool = [&] {
    std::string text;
    while (text.size() < 1 << 20) text.push_back(static_cast<char>('0' + next() % 75));
    std::ranges::replace(text, '\\', '_');
    return text;
  }();
  char digits[17];
  const auto end = std::to_chars(digits, digits + sizeof digits, ++number, 16).ptr;
  const auto used = static_cast<std::size_t>(end - digits);
  out.append(16 - used, '0').append(digits, used);
  out.append(pool, next() % (pool.size() - kBodyBytes), kBodyBytes - 16);
}

std::unique_ptr<Dialect> make_dialect(std::string_view name, const std::string& queue,
                                      unsigned connection) {
  if (name == "penstock") return make_penstock(queue);
  if (name == "redis-list") return make_redis_list(queue, connection);
  if (name == "redis-stream") return make_redis_stream(queue, connection);
  if (name == "beanstalk") return make_beanstalk(queue);
  if (name == "nats") return make_nats(queue, connection);
  if (name == "http") return make_http(queue);
  return nullptr;
}

namespace {

double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

struct Options {
  std::string what;
  Target target{.dialect = {}, .port = 0, .queue = "q"};
  unsigned connections = 1, window = 1, batch = 1;
  std::uint64_t messages = 0;
  double seconds = 1;
};

unsigned long number(const std::string& text) {
  unsigned long value = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) give_up("not a number: " + text);
  return value;
}

Options read_options(int count, char** words) {
  Options options;
  if (count < 2) give_up("what to do? publish, drain, roundtrip or first");
  options.what = words[1];
  for (int n = 2; n < count; ++n) {
    const std::string word = words[n];
    const auto name = word.substr(0, word.find('='));
    const auto value = word.substr(std::min(word.size(), name.size() + 1));
    if (name == "dialect")
      options.target.dialect = value;
    else if (name == "port")
      options.target.port = static_cast<std::uint16_t>(number(value));
    else if (name == "queue")
      options.target.queue = value;
    else if (name == "connections")
      options.connections = static_cast<unsigned>(number(value));
    else if (name == "window")
      options.window = static_cast<unsigned>(number(value));
    else if (name == "batch")
      options.batch = static_cast<unsigned>(number(value));
    else if (name == "messages")
      options.messages = number(value);
    else if (name == "seconds")
      options.seconds = std::stod(value);
    else
      give_up("no such option: " + word);
  }
  return options;
}

double percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

void report(std::uint64_t messages, double time, std::vector<double>& latencies_us) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const double cpu = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  std::printf(
      "{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": "
      "%.1f, \"client_cpu_seconds\": %.4f}\n",
      static_cast<unsigned long long>(messages), time,
      time > 0 ? static_cast<double>(messages) / time : 0, percentile(latencies_us, 0.5),
      percentile(latencies_us, 0.99), cpu);
}

// Counts what is answered until the end of the time, and knows when that is.
class Tally {
 public:
  explicit Tally(const Options& options)
      : wanted_(options.messages),
        end_(start_ + std::chrono::duration_cast<Clock::duration>(
                          std::chrono::duration<double>(options.seconds))) {}

  // At the moment of the answer: false when it came after the end.
  bool count(unsigned messages, Clock::time_point now) {
    if (over(now)) return false;
    done_ += messages;
    last_ = now;
    return true;
  }
  [[nodiscard]] bool over(Clock::time_point now) const {
    return stopped_ || (wanted_ > 0 ? done_ >= wanted_ : now >= end_);
  }
  void stop() { stopped_ = true; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  [[nodiscard]] double seconds_taken() const { return seconds(last_ - start_); }

 private:
  std::uint64_t wanted_, done_ = 0;
  Clock::time_point start_ = Clock::now(), end_, last_ = start_;
  bool stopped_ = false;
};

int publish(const Options& options) {
  Loop loop(options.target, options.connections);
  std::vector<double> latencies;
  Tally tally(options);
  std::uint64_t asked = 0;
  const auto more = [&](Connection& connection) {
    if (options.messages > 0 && asked >= options.messages) return;
    asked += options.batch;
    connection.publish(options.batch);
  };
  for (auto& connection : loop.connections()) {
    for (unsigned n = 0; n < options.window; ++n) more(*connection);
    connection->flush();
  }
  const auto done = [&](Connection& connection, const Ask& ask) {
    const auto now = Clock::now();
    if (!tally.count(ask.messages, now)) return;
    latencies.push_back(seconds(now - ask.sent) * 1e6);
    more(connection);
  };
  loop.run(done, [&] { return loop.waiting() == 0; });
  report(tally.done(), tally.seconds_taken(), latencies);
  return 0;
}

// Takes and settles until the queue is empty or the time is over. With a window or a batch the next
// take leaves together with the settle; without, it waits for its answer.
int drain(const Options& options) {
  Loop loop(options.target, options.connections);
  const bool together = options.window * options.batch > 1;
  std::vector<double> latencies;
  Tally tally(options);
  for (auto& connection : loop.connections()) {
    for (unsigned n = 0; n < options.window; ++n) connection->take(options.batch, false);
    connection->flush();
  }
  const auto done = [&](Connection& connection, const Ask& ask) {
    const auto now = Clock::now();
    if (ask.kind == Kind::take) {
      if (ask.taken.empty()) return tally.stop();
      connection.settle(ask.taken);
      if (together && !tally.over(now)) connection.take(options.batch, false);
      return;
    }
    if (!tally.count(ask.messages, now)) return;
    latencies.push_back(seconds(now - ask.sent) * 1e6);
    if (!together) connection.take(options.batch, false);
  };
  loop.run(done, [&] { return loop.waiting() == 0; });
  report(tally.done(), tally.seconds_taken(), latencies);
  return 0;
}

// A consumer waits, a producer publishes: the time until the consumer has the message. The next one
// is published when this one is confirmed and settled and the consumer waits again.
int roundtrip(const Options& options) {
  Loop loop(options.target, 2);
  auto& producer = *loop.connections()[0];
  auto& consumer = *loop.connections()[1];
  std::vector<double> latencies;
  Tally tally(options);
  Clock::time_point sent;
  unsigned due = 0;  // answers until the next one may be published
  const auto next = [&] {
    due = 2;
    producer.publish(1);
    sent = Clock::now();
    producer.flush();
  };
  const auto done = [&](Connection& connection, const Ask& ask) {
    if (ask.kind == Kind::take) {
      const auto now = Clock::now();
      if (ask.taken.empty()) give_up("the message did not come");
      latencies.push_back(seconds(now - sent) * 1e6);
      tally.count(1, now);
      connection.settle(ask.taken);
      if (!tally.over(now)) connection.take(1, true);
      return;
    }
    if (--due == 0 && !tally.over(Clock::now())) next();
  };
  consumer.take(1, true);
  consumer.flush();
  next();
  loop.run(done, [&] { return due == 0; });
  report(tally.done(), tally.seconds_taken(), latencies);
  return 0;
}

// Asks a server that is about to start for its first OK, and prints the time of the system's
// monotonic clock at which it came.
int first(const Options& options) {
  const auto end = Clock::now() + std::chrono::seconds(120);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.target.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::printf("trying\n");
  std::fflush(stdout);
  for (;;) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool there = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (there) break;
    if (Clock::now() > end) give_up("it does not come up");
    (void)::poll(nullptr, 0, 1);  // nobody tells when another's server listens
  }
  Loop loop(options.target, 1);
  loop.connections()[0]->first();
  loop.connections()[0]->flush();
  loop.run([](Connection&, const Ask&) {}, [&] { return loop.waiting() == 0; });
  std::printf("%.6f\n", seconds(Clock::now().time_since_epoch()));
  return 0;
}

}  // namespace
}  // namespace penstock::peers

int main(int count, char** words) {
  using namespace penstock::peers;
  const std::map<std::string, int (*)(const Options&)> all{
      {"publish", publish}, {"drain", drain}, {"roundtrip", roundtrip}, {"first", first}};
  const auto options = read_options(count, words);
  const auto found = all.find(options.what);
  if (found == all.end()) give_up("publish, drain, roundtrip or first, not " + options.what);
  return found->second(options);
}
