// The engine and the journal in one process: durable publishes and settles, the round trip, memory,
// reopening.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "bench/report.h"
#include "broker/broker.h"
#include "broker/driver.h"
#include "os/file.h"
#include "os/real_clock.h"

namespace penstock::bench {
namespace {

using namespace broker;
using namespace std::chrono_literals;

struct Open {
  explicit Open(const std::string& path) {
    directory = std::move(open_directory(path).value());
    driver =
        std::make_unique<Driver>(std::move(Broker::open(*directory, *clock, *random, {}).value()));
  }
  std::unique_ptr<Clock> clock = make_real_clock();
  std::unique_ptr<Random> random = make_real_random();
  std::unique_ptr<Directory> directory;
  std::unique_ptr<Driver> driver;
};

// Keeps `depth` batches of publishes under way, then takes and acks everything, on the broker's
// thread.
class Load final : public ReplySink {
 public:
  Load(Driver& driver, std::string queue, std::size_t batch, std::size_t body_bytes)
      : driver_(driver), queue_(std::move(queue)), body_(body_bytes, 'x'), inputs_(batch) {
    for (auto& input : inputs_) input.body = as_bytes(body_);
    run([this](Broker& b) { session_ = b.open_session(*this); });
  }
  ~Load() override {
    run([this](Broker& b) { b.close_session(session_); });
  }

  double publish(std::uint64_t count, int depth, Duration delay = Duration(0)) {
    const Stopwatch watch;
    wanted_ = count;
    started_ = done_ = 0;
    delay_ = delay;
    begin([this, depth](Broker& b) {
      for (int n = 0; n < depth; ++n) publish_one(b);
    });
    return static_cast<double>(count) / watch.seconds();
  }
  double take_and_ack(std::uint64_t count, int depth) {
    const Stopwatch watch;
    wanted_ = count;
    done_ = 0;
    begin([this, depth](Broker& b) {
      for (int n = 0; n < depth; ++n) take_one(b);
    });
    return static_cast<double>(count) / watch.seconds();
  }
  // Publish, durable, delivered to a waiting consumer; and until its ack is durable too.
  void round_trips(int count, std::vector<double>& delivered, std::vector<double>& acked) {
    trips_ = count;
    delivered_ = &delivered;
    acked_ = &acked;
    begin([this](Broker& b) { trip(b); });
  }

  void on_reply(Tag tag, const Reply& reply) override {
    if (const auto* published = std::get_if<Published>(&reply)) {
      if (trips_ > 0) return;
      done_ += published->ids.size();
      if (done_ >= wanted_) return finish();
      if (started_ < wanted_) publish_one(*broker_);
    } else if (const auto* got = std::get_if<Delivered>(&reply)) {
      leases_.clear();
      for (const auto& one : got->messages) leases_.push_back(one.lease);
      if (trips_ > 0) delivered_->push_back(trip_watch_.seconds() * 1e6);
      engine::Settle settle;
      settle.leases = leases_;
      if (!leases_.empty())
        broker_->settle(session_, tag, settle);
      else
        take_one(*broker_);
    } else if (const auto* settled = std::get_if<Settled>(&reply)) {
      if (trips_ > 0) {
        acked_->push_back(trip_watch_.seconds() * 1e6);
        if (--trips_ == 0) return finish();
        return trip(*broker_);
      }
      done_ += settled->settled;
      if (done_ >= wanted_) return finish();
      take_one(*broker_);
    } else if (const auto* refused = std::get_if<Refused>(&reply)) {
      fmt::print(stderr, "refused: {}\n", refused->message);
      std::exit(1);
    }
  }

 private:
  void publish_one(Broker& b) {
    started_ += inputs_.size();
    if (delay_.count() > 0)
      for (auto& input : inputs_) input.not_before = b.now() + delay_;
    b.publish(session_, 1, engine::Publish{queue_, inputs_});
  }
  void take_one(Broker& b) {
    engine::Take take;
    take.queues = {queue_};
    take.max = static_cast<std::uint32_t>(inputs_.size());
    take.wait_until = b.now() + 10s;
    b.take(session_, 2, take);
  }
  void trip(Broker& b) {
    trip_watch_ = {};
    engine::Take take;
    take.queues = {queue_};
    take.wait_until = b.now() + 10s;
    b.take(session_, 3, take);
    b.publish(session_, 1, engine::Publish{queue_, std::span(inputs_.data(), 1)});
  }
  void begin(std::function<void(Broker&)> start) {
    finished_ = false;
    driver_.post([this, start = std::move(start)](Broker& b) {
      broker_ = &b;
      start(b);
    });
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return finished_; });
  }
  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    condition_.notify_one();
  }

 public:
  void run(std::function<void(Broker&)> work) {
    begin([this, work = std::move(work)](Broker& b) {
      work(b);
      finish();
    });
  }

 private:
  Driver& driver_;
  std::string queue_, body_;
  std::vector<engine::MessageInput> inputs_;
  std::vector<engine::LeaseToken> leases_;
  SessionId session_;
  Broker* broker_ = nullptr;
  std::uint64_t wanted_ = 0, started_ = 0, done_ = 0;
  Duration delay_{0};
  int trips_ = 0;
  std::vector<double>* delivered_ = nullptr;
  std::vector<double>* acked_ = nullptr;
  Stopwatch trip_watch_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool finished_ = false;
};

void declare(Load& load, const std::string& queue,
             std::vector<std::pair<std::string_view, std::string_view>> options) {
  static Broker* unused = nullptr;
  (void)unused;
  load.run([&](Broker& b) {
    struct Ignore final : ReplySink {
      void on_reply(Tag, const Reply&) override {}
    };
    static Ignore ignore;
    const auto session = b.open_session(ignore);
    b.declare(session, 1, queue, options);
    b.close_session(session);
  });
}

void disk() {
  const TemporaryFolder folder("disk");
  auto directory = std::move(open_directory(folder.path()).value());
  auto file = std::move(directory->create("probe").value());
  const Bytes chunk(1 << 20, std::byte{1});
  for (std::uint64_t at = 0; at < 64; ++at) file->write_at(at << 20, chunk).value();
  file->sync().value();
  for (const std::size_t kib : {4u, 64u, 512u}) {
    std::vector<double> times;
    double total = 0;
    for (std::uint64_t at = 0; at + kib * 1024 <= 64u << 20 && times.size() < 1000;
         at += kib * 1024) {
      const Stopwatch watch;
      file->write_at(at, ByteView(chunk).first(kib * 1024)).value();
      file->sync().value();
      times.push_back(watch.seconds() * 1e6);
      total += watch.seconds();
    }
    const auto count = static_cast<double>(times.size());
    line(fmt::format("disk: write {} KiB + fdatasync, p50", kib), micros(percentile(times, 0.5)),
         fmt::format("{:.0f} MB/s", count * static_cast<double>(kib) * 1024 / total / 1e6));
  }
}

void rates() {
  for (int round = 0; round < 3; ++round) {
    const TemporaryFolder folder("rates");
    Open open(folder.path());
    Load load(*open.driver, "q", 256, 1024);
    declare(load, "q", {{"max_length", "10000000"}, {"max_bytes", "64GiB"}});
    constexpr std::uint64_t count = 1'000'000;
    line("durable publish, 1 KiB, batches of 256, in process", per_second(load.publish(count, 16)),
         "aim >= 300000/s");
    line("take + durable settle, 1 KiB, batches of 256", per_second(load.take_and_ack(count, 8)));
  }
}

void round_trip() {
  const TemporaryFolder folder("trip");
  Open open(folder.path());
  Load load(*open.driver, "q", 1, 1024);
  std::vector<double> delivered, acked;
  load.round_trips(5000, delivered, acked);
  line("round trip: publish, durable, delivered: p50", micros(percentile(delivered, 0.5)),
       "aim: one sync + 150 us");
  line("round trip: publish, durable, delivered: p99", micros(percentile(delivered, 0.99)));
  line("  and its ack durable too: p50", micros(percentile(acked, 0.5)));
  line("  and its ack durable too: p99", micros(percentile(acked, 0.99)));
}

void memory() {
  const TemporaryFolder folder("memory");
  {
    Open open(folder.path());
    Load load(*open.driver, "q", 256, 1024);
    declare(load, "q", {{"max_length", "10000000"}, {"max_bytes", "64GiB"}});
    const double empty = load.publish(512 * 1024, 16);
    load.publish(512 * 1024, 16);  // warm
    const auto before = resident_bytes();
    load.publish(4'000'000, 16);
    line("memory per waiting message (resident)",
         fmt::format("{:.1f} bytes", static_cast<double>(resident_bytes() - before) / 4'000'000),
         "aim <= 64");
    const double full = load.publish(512 * 1024, 16);
    line("publish rate with 5 M waiting, against an empty queue",
         fmt::format("{:.0f} %", full / empty * 100), "aim >= 90 %");
  }
  const Stopwatch watch;
  Open again(folder.path());
  line("reopening with 5.5 M messages waiting", fmt::format("{:.2f} s", watch.seconds()));
}

void scheduled() {
  const TemporaryFolder folder("scheduled");
  Open open(folder.path());
  Load load(*open.driver, "q", 256, 100);
  declare(load, "q", {{"max_length", "10000000"}});
  load.publish(64 * 1024, 16, 1h);
  const auto before = resident_bytes();
  load.publish(1'000'000, 16, 2h);
  line("memory per scheduled message (resident)",
       fmt::format("{:.1f} bytes", static_cast<double>(resident_bytes() - before) / 1'000'000),
       "aim <= 100");
}

void reopen() {
  const TemporaryFolder folder("reopen");
  {
    Open open(folder.path());
    Load load(*open.driver, "q", 250, 1024);
    declare(load, "q", {{"max_length", "10000000"}, {"max_bytes", "64GiB"}});
    load.publish(1'000'000, 16);
    // All of it is confirmed; what lies there now is what kill -9 would leave.
    std::filesystem::copy(folder.path(), folder.path() + "-killed");
  }
  {
    const Stopwatch watch;
    Open open(folder.path());
    line("reopening 1 M messages after a clean stop", fmt::format("{:.2f} s", watch.seconds()),
         "aim <= 1 s");
  }
  {
    std::filesystem::remove(folder.path() + "-killed/LOCK");
    const Stopwatch watch;
    Open open(folder.path() + "-killed");
    line("reopening 1 M messages after kill -9", fmt::format("{:.2f} s", watch.seconds()),
         "aim <= 1 s");
  }
  std::filesystem::remove_all(folder.path() + "-killed");
}

}  // namespace
}  // namespace penstock::bench

int main(int count, char** arguments) {
  using namespace penstock::bench;
  const std::string only = count > 1 ? arguments[1] : "";
  if (only.empty() || only == "disk") disk();
  if (only.empty() || only == "rates") rates();
  if (only.empty() || only == "trip") round_trip();
  if (only.empty() || only == "memory") memory();
  if (only.empty() || only == "scheduled") scheduled();
  if (only.empty() || only == "reopen") reopen();
}
