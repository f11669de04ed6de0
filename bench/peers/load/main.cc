// One load for all: publishes, takes and settles, or plays one message to and fro, in any of the
// dialects, and prints one line of JSON. Any answer that is no success ends it with exit code 1.
//
//   peer_load publish|drain|roundtrip|first dialect=penstock port=7411 [queue=q] [connections=1]
//             [window=1] [batch=1] [seconds=1] [messages=0]
//
//   window    requests on their way on each connection
//   batch     messages in each request
//   messages  ends after so many instead of after the time
#include <algorithm>
#include <cstdio>
#include <map>

#include "bench/peers/load/connections.h"
#include "bench/peers/load/report.h"

namespace penstock::peers {

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

struct Options {
  std::string what;
  Target target{.dialect = {}, .port = 0, .queue = "q"};
  unsigned connections = 1, window = 1, batch = 1;
  std::uint64_t messages = 0;
  double seconds = 1;
};

Options read_all(int count, char** words) {
  Options options;
  if (count < 2) give_up("what to do? publish, drain, roundtrip or first");
  options.what = words[1];
  const auto whole = [](auto& field) {
    return [&field](const std::string& value) {
      field = static_cast<std::remove_reference_t<decltype(field)>>(number(value));
    };
  };
  auto& target = options.target;
  read_options({words + 2, words + count},
               {{"dialect", [&](const auto& value) { target.dialect = value; }},
                {"port", whole(target.port)},
                {"queue", [&](const auto& value) { target.queue = value; }},
                {"connections", whole(options.connections)},
                {"window", whole(options.window)},
                {"batch", whole(options.batch)},
                {"messages", whole(options.messages)},
                {"seconds", [&](const auto& value) { options.seconds = std::stod(value); }}});
  return options;
}

int publish(const Options& options) {
  Loop loop(options.target, options.connections);
  std::vector<double> latencies;
  Tally tally(options.messages, options.seconds);
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
  Tally tally(options.messages, options.seconds);
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
  Tally tally(options.messages, options.seconds);
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
  std::printf("trying\n");
  std::fflush(stdout);
  wait_for_listener(options.target.port);
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
  const auto options = read_all(count, words);
  const auto found = all.find(options.what);
  if (found == all.end()) give_up("publish, drain, roundtrip or first, not " + options.what);
  return found->second(options);
}
