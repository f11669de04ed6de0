#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/terminal.h"
#include "os/real_clock.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kTake = 500;
constexpr std::ptrdiff_t kInFlightMax = 10'000;

struct Options {
  std::string url;
  bool json = false;
  std::uint64_t messages = 100'000;
  std::size_t size = 1024;
  std::uint32_t concurrency = 256;
  std::uint32_t batch = 1;
  std::uint32_t round_trips = 2'000;
  std::string queue;
};

struct Figures {
  double published_per_s = 0;
  double delivered_per_s = 0;
  std::vector<Duration> round_trips;  // sorted

  [[nodiscard]] Duration percentile(double share) const {
    if (round_trips.empty()) return Duration(0);
    const auto last = static_cast<double>(round_trips.size() - 1);
    return round_trips[static_cast<std::size_t>(last * share)];
  }
};

// Publishes, takes and acknowledges on a queue of its own.
class Bench {
 public:
  Bench(const Options& options, client::Client& client, const std::stop_token& stop)
      : options_(options), client_(client), stop_(stop) {}

  client::Answer<Figures> run() {
    Figures figures;
    if (auto rate = publish(); rate) {
      figures.published_per_s = *rate;
    } else {
      return std::unexpected(rate.error());
    }
    if (auto rate = drain(); rate) {
      figures.delivered_per_s = *rate;
    } else {
      return std::unexpected(rate.error());
    }
    for (std::uint32_t i = 0; i < options_.round_trips && !stop_.stop_requested(); ++i) {
      auto time = round_trip();
      if (!time) return std::unexpected(time.error());
      figures.round_trips.push_back(*time);
    }
    std::ranges::sort(figures.round_trips);
    return figures;
  }

 private:
  [[nodiscard]] double per_second(std::uint64_t count, Time since) const {
    const std::chrono::duration<double> took = clock_->now() - since;
    return static_cast<double>(count) / took.count();
  }

  // As many calls in flight as there is concurrency; each waits for its sync.
  client::Answer<double> publish() {
    const std::string body(options_.size, 'x');
    const std::vector<std::string_view> bodies(options_.batch, body);
    const auto request = client::send_many(options_.queue, bodies);
    std::counting_semaphore<kInFlightMax> room(options_.concurrency);
    std::atomic<bool> failed = false;
    std::optional<client::Failure> failure;  // the first; read when nothing is in flight any more
    const auto fail_with = [&](client::Failure&& why) {
      if (!failed.exchange(true)) failure = std::move(why);
    };
    std::uint64_t sent = 0;
    const Time began = clock_->now();
    while (sent < options_.messages && !failed && !stop_.stop_requested()) {
      room.acquire();
      const auto started =
          client_.start(request, [&](client::Answer<std::vector<MessageId>> answer) {
            if (!answer) fail_with(std::move(answer.error()));
            room.release();
          });
      if (started != client::Started::taken) {
        room.release();
        // Full, or no connection: this one waits for its own answer, and says which it was.
        auto answer = client_.call(request);
        if (!answer) fail_with(std::move(answer.error()));
      }
      sent += options_.batch;
    }
    for (std::uint32_t i = 0; i < options_.concurrency; ++i) room.acquire();
    if (failure) return std::unexpected(std::move(*failure));
    return per_second(sent, began);
  }

  client::Answer<double> drain() {
    std::uint64_t count = 0;
    const Time began = clock_->now();
    while (!stop_.stop_requested()) {
      auto messages = client_.call(client::receive(options_.queue, {.max = kTake, .lease = 60s}));
      if (!messages) return std::unexpected(messages.error());
      if (messages->empty()) break;
      std::vector<std::string_view> leases;
      for (const auto& message : *messages) leases.push_back(message.lease);
      const auto acked = client_.call(client::ack(leases));
      if (!acked) return std::unexpected(acked.error());
      count += *acked;
    }
    return per_second(count, began);
  }

  // Publish, durable, deliver, acknowledge: the taker already waits.
  client::Answer<Duration> round_trip() {
    const std::string body(options_.size, 'x');
    const Time began = clock_->now();
    const auto id = client_.call(client::send(options_.queue, body));
    if (!id) return std::unexpected(id.error());
    const auto messages =
        client_.call_waiting(client::receive(options_.queue, {.wait = 5s}), stop_);
    if (!messages) return std::unexpected(messages.error());
    for (const auto& message : *messages) {
      const auto acked = client_.call(client::ack(message.lease));
      if (!acked) return std::unexpected(acked.error());
    }
    return clock_->now() - began;
  }

  const Options& options_;
  client::Client& client_;
  std::stop_token stop_;
  std::unique_ptr<Clock> clock_ = make_real_clock();
};

void print(const Options& options, const Figures& figures) {
  if (options.json) {
    const auto us = [](Duration d) { return d.count(); };
    print_json({{"messages", options.messages},
                {"size", options.size},
                {"concurrency", options.concurrency},
                {"batch", options.batch},
                {"published_per_s", figures.published_per_s},
                {"delivered_per_s", figures.delivered_per_s},
                {"round_trip_p50_us", us(figures.percentile(0.5))},
                {"round_trip_p99_us", us(figures.percentile(0.99))}});
    return;
  }
  write_out(fmt::format(
      "{} messages of {}, {} in flight, {} a batch; every reply after its sync\n"
      "  publish      {}\n"
      "  take + ack   {}\n"
      "  round trip   p50 {}, p99 {}  (publish, take, ack, one after the other)\n",
      human_count(options.messages), human_bytes(options.size), options.concurrency, options.batch,
      human_rate(figures.published_per_s), human_rate(figures.delivered_per_s),
      human_duration(figures.percentile(0.5)), human_duration(figures.percentile(0.99))));
}

int bench(Options options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  options.queue = fmt::format("penstock.bench.{:016x}", make_real_random()->next());
  const std::vector<client::OptionText> settings{
      {"max_length", std::to_string(options.messages + options.concurrency * options.batch + 1)}};
  if (const auto made = (*client)->call(client::declare(options.queue, settings)); !made) {
    return report_failure(made.error());
  }
  const auto figures = Bench(options, **client, interrupt.token()).run();
  const auto removed = (*client)->call(client::remove_queue(options.queue));
  if (!figures) return report_failure(figures.error());
  if (!removed) return report_failure(removed.error());
  print(options, *figures);
  return kExitOk;
}

}  // namespace

Action set_up_bench(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("--messages", options->messages, "how many are published and taken")
      ->capture_default_str();
  app.add_option("--size", options->size, "bytes of each body")
      ->check(CLI::Range(std::size_t{0}, std::size_t{16} << 20))
      ->capture_default_str();
  app.add_option("--concurrency", options->concurrency, "publishes on their way at once")
      ->check(CLI::Range(1u, static_cast<unsigned>(kInFlightMax)))
      ->capture_default_str();
  app.add_option("--batch", options->batch, "messages a publish")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  app.add_option("--round-trips", options->round_trips, "how many are measured one by one")
      ->capture_default_str();
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] { return bench(*options); };
}

}  // namespace penstock::cli
