// What keys cost: the same work without groups, with one, and with ten thousand in use.
//
// Each round does all of them, one after the other, each round beginning with another, and gives
// each one's throughput as a share of that without keys; the medians of the rounds are printed, and
// where the middle half of them lies. Time is the processor's, so that what
// else the machine does counts for little. First the engine alone, which is where the keys are,
// also with a full queue that drops its oldest; then the broker on a real disk, with messages that
// come and go and with a full queue that is drained; then a queue full of tasks that a worker runs,
// broker and worker in one process, which is what somebody who uses keys sees; and, given the URL
// of a server, the same with broker and worker in two processes, by the clock on the wall.
#include <atomic>
#include <ctime>
#include <map>
#include <penstock/penstock.hpp>
#include <thread>

#include "base/headers.h"
#include "bench/report.h"
#include "broker/broker.h"
#include "broker/driver.h"
#include "engine/engine.h"
#include "os/file.h"
#include "os/real_clock.h"

namespace penstock::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBatch = 256;
constexpr std::size_t kBacklog = 20'480;  // two of each key, where there are ten thousand
constexpr int kRounds = 15;

struct Way {
  std::string name;
  std::size_t keys = 0;
  std::vector<std::pair<std::string_view, std::string_view>> options;
  bool weights = false;

  [[nodiscard]] static std::string key(std::size_t n) { return fmt::format("customer-{}", n); }
};

std::vector<Way> ways() {
  return {{"no keys", 0, {}},
          {"one key", 1, {{"group_limit", "0"}}},
          {"10,000 keys", 10'000, {{"group_limit", "0"}}},
          {"10,000 keys, one at a time", 10'000, {{"group_limit", "1"}}},
          {"10,000 keys, with weights", 10'000, {{"group_limit", "0"}}, true},
          {"10,000 keys, with a rate", 10'000, {{"group_limit", "0"}, {"group_rate", "100000"}}}};
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double processor_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Messages in turn of all keys.
class Messages {
 public:
  explicit Messages(std::size_t keys) : body_(100, 'x') {
    for (std::size_t n = 0; n < keys; ++n) keys_.push_back(Way::key(n));
  }
  [[nodiscard]] std::span<const engine::MessageInput> next() {
    for (auto& input : batch_) {
      input.body = as_bytes(body_);
      if (!keys_.empty()) input.group = keys_[at_++ % keys_.size()];
    }
    return batch_;
  }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

 private:
  std::string body_;
  std::vector<std::string> keys_;
  std::vector<engine::MessageInput> batch_{kBatch};
  std::size_t at_ = 0;
};

// ---- the engine alone

class Nowhere final : public engine::Storage {
 public:
  LogPosition append(std::uint8_t, ByteView, ByteView) override { return LogPosition(++at_); }
  LogPosition keep(ByteView) override { return LogPosition(++at_); }
  bool has_room(std::uint64_t, std::uint32_t) const override { return true; }
  Result<ByteView> read_body(LogPosition) override { return ByteView(); }
  void retain(LogPosition, std::uint64_t) override {}
  void release(LogPosition, std::uint64_t) override {}

 private:
  std::uint64_t at_ = 0;
};

class EngineAlone {
 public:
  explicit EngineAlone(const Way& way) : messages_(way.keys), engine_(now_, {}, *random_) {
    engine_.start(storage_, now_, true);
    (void)engine_.declare(now_, "q", way.options).has_value();
    static constexpr std::pair<std::string_view, std::string_view> kWeight[]{{"weight", "3"}};
    if (way.weights)
      for (std::size_t n = 0; n < messages_.keys().size(); n += 2)
        (void)engine_.set_group("q", messages_.keys()[n], kWeight).has_value();
    for (std::size_t n = 0; n < kBacklog; n += kBatch) publish();
  }
  // Publishes, takes and acknowledges so many; messages per second.
  double run(std::size_t count) {
    const double start = processor_seconds();
    for (std::size_t n = 0; n < count; n += kBatch) {
      publish();
      work();
    }
    return static_cast<double>(count) / (processor_seconds() - start);
  }

 private:
  void publish() {
    ids_.clear();
    const engine::Publish publish{"q", messages_.next()};
    (void)engine_.publish(now_, {&publish, 1}, ids_);
  }
  void work() {
    now_ += 1ms;
    (void)engine_.fire_timers(now_, 100'000);
    engine::Take take;
    take.queues = {"q"};
    take.max = kBatch;
    (void)engine_.take(now_, SessionId(1), 1, take);
    leases_.clear();
    for (const auto& effect : engine_.effects())
      if (const auto* got = std::get_if<engine::TakeAnswer>(&effect))
        for (const auto& message : got->messages) leases_.push_back(message.lease);
    engine_.effects().clear();
    engine::Settle settle;
    settle.leases = leases_;
    (void)engine_.settle(now_, settle);
    engine_.effects().clear();
  }

  std::unique_ptr<Random> random_ = make_real_random();
  Time now_ = time_from_micros(1'700'000'000'000'000);
  Messages messages_;
  Nowhere storage_;
  engine::Engine engine_;
  engine::IdList ids_;
  std::vector<engine::LeaseToken> leases_;
};

// ---- a full queue that drops its oldest

class FullQueue {
 public:
  explicit FullQueue(const Way& way) : messages_(way.keys), engine_(now_, {}, *random_) {
    engine_.start(storage_, now_, true);
    auto options = way.options;
    const std::string most = std::to_string(kBacklog);
    options.insert(options.end(), {{"max_length", most}, {"overflow", "drop_oldest"}});
    (void)engine_.declare(now_, "q", options).has_value();
    for (std::size_t n = 0; n < kBacklog; n += kBatch) publish();
  }
  double run(std::size_t count) {
    const double start = processor_seconds();
    for (std::size_t n = 0; n < count; n += kBatch) publish();
    return static_cast<double>(count) / (processor_seconds() - start);
  }

 private:
  void publish() {
    ids_.clear();
    const engine::Publish publish{"q", messages_.next()};
    (void)engine_.publish(now_, {&publish, 1}, ids_);
    engine_.effects().clear();
  }

  std::unique_ptr<Random> random_ = make_real_random();
  Time now_ = time_from_micros(1'700'000'000'000'000);
  Messages messages_;
  Nowhere storage_;
  engine::Engine engine_;
  engine::IdList ids_;
};

// ---- a broker on a disk

class OneBroker : public broker::ReplySink {
 public:
  void on_reply(broker::Tag, const broker::Reply& reply) override {
    const auto* got = std::get_if<broker::Delivered>(&reply);
    if (got == nullptr) return;
    for (const auto& message : got->messages) leases_.push_back(message.lease);
  }

 protected:
  OneBroker(const Way& way, const std::string& name)
      : folder_(fmt::format("{}-{}", name, ++made_)),
        directory_(open_directory(folder_.path()).value()) {
    broker_ = broker::Broker::open(*directory_, *clock_, *random_, {}).value();
    session_ = broker_->open_session(*this);
    broker_->declare(session_, 1, "q", way.options);
    static constexpr std::pair<std::string_view, std::string_view> kWeight[]{{"weight", "3"}};
    if (way.weights)
      for (std::size_t n = 0; n < way.keys; n += 2)
        broker_->set_group(session_, 1, "q", Way::key(n), kWeight);
  }
  void publish(std::span<const engine::MessageInput> messages) {
    broker_->publish(session_, 1, engine::Publish{"q", messages});
  }
  // Takes so many, and acknowledges those that there were; how many.
  std::size_t work(std::uint32_t most) {
    leases_.clear();
    engine::Take take;
    take.queues = {"q"};
    take.max = most;
    broker_->take(session_, 2, take);
    broker_->settle_down();
    engine::Settle settle;
    settle.leases = leases_;
    broker_->settle(session_, 3, settle);
    broker_->settle_down();
    broker_->maintain();
    return leases_.size();
  }

 private:
  inline static int made_ = 0;
  TemporaryFolder folder_;
  std::unique_ptr<Clock> clock_ = make_real_clock();
  std::unique_ptr<Random> random_ = make_real_random();
  std::unique_ptr<Directory> directory_;

 protected:
  std::unique_ptr<broker::Broker> broker_;

 private:
  SessionId session_;
  std::vector<engine::LeaseToken> leases_;
};

// Messages that come and go.
class OnDisk final : public OneBroker {
 public:
  explicit OnDisk(const Way& way) : OneBroker(way, "groups"), messages_(way.keys) {
    for (std::size_t n = 0; n < kBacklog; n += kBatch) publish(messages_.next());
    broker_->settle_down();
  }
  double run(std::size_t count) {
    const double start = processor_seconds();
    for (std::size_t n = 0; n < count; n += kBatch) {
      publish(messages_.next());
      work(kBatch);
    }
    return static_cast<double>(count) / (processor_seconds() - start);
  }

 private:
  Messages messages_;
};

// Tasks that wait, some to a sync as from many clients; taken, as a worker takes them, and done.
class FullBroker final : public OneBroker {
 public:
  explicit FullBroker(const Way& way) : OneBroker(way, "full") {
    for (std::size_t n = 0; n < way.keys; ++n) keys_.push_back(Way::key(n));
  }
  // Of so many that are taken and done; a second.
  double run(std::size_t count) {
    for (std::size_t n = 0; n < count; n += kInSync) publish_some();
    broker_->maintain();
    const double start = processor_seconds();
    for (std::size_t done = 0; done < count; done += work(kTaken)) {
    }
    return static_cast<double>(count) / (processor_seconds() - start);
  }

 private:
  static constexpr std::size_t kInSync = 16, kTaken = 2048;

  void publish_some() {
    HeaderWriter headers;
    headers.add(kTaskHeader, "nothing");
    std::array<engine::MessageInput, kInSync> batch;
    for (auto& input : batch) {
      input.body = as_bytes(std::string_view(R"({"args":[1]})"));
      input.headers = headers.view();
      input.task = true;
      input.policy.result_ttl = Duration(0);
      // Clients that publish at the same time do so in any order.
      if (!keys_.empty()) input.group = keys_[(at_++ ^ 21) % keys_.size()];
    }
    publish(batch);
    broker_->settle_down();
  }

  std::vector<std::string> keys_;
  std::size_t at_ = 0;
};

// ---- tasks and a worker

// Of an application that has the broker in it, in processor time; of one that has it elsewhere, by
// the clock on the wall.
class Tasks {
 public:
  explicit Tasks(const Way& way)
      : way_(way),
        queue_(fmt::format("group-tasks-{}", ++made_)),
        folder_(queue_),
        app_(server.empty() ? App::embedded(folder_.path()) : App::connect(server)) {
    QueueOptions options;
    for (const auto& [name, value] : way.options) {
      if (name == "group_limit") options.group_limit = std::stoul(std::string(value));
      if (name == "group_rate") options.group_rate = std::stod(std::string(value));
    }
    app_.declare(queue_, options);
    if (way.weights)
      for (std::size_t n = 0; n < way.keys; n += 2)
        app_.set_group(queue_, way.key(n), {.weight = 3});
    app_.add(nothing_);
    workers_ = app_.work({.queues = {queue_}, .threads = {1, 1}});
  }
  // Of a worker that finds so many waiting; tasks per second.
  double run(std::size_t count) {
    const auto now = [] { return server.empty() ? processor_seconds() : wall_seconds(); };
    app_.pause(queue_);
    fill(count);
    const double start = now();
    left_ = count;
    app_.resume(queue_);
    while (const auto left = left_.load()) left_.wait(left);
    return static_cast<double>(count) / (now() - start);
  }

  inline static std::string server;  // its URL; empty: in this process

 private:
  static constexpr std::size_t kProducers = 32;

  // From many threads, so that many share a sync.
  void fill(std::size_t count) {
    std::vector<std::jthread> producers;
    for (std::size_t first = 0; first < kProducers; ++first)
      producers.emplace_back([this, first, count] {
        for (auto n = first; n < count; n += kProducers) {
          EnqueueOptions options{.queue = queue_};
          if (way_.keys > 0) options.group = way_.key(n % way_.keys);
          app_.enqueue(nothing_.with(options), 1);
        }
      });
  }

  inline static int made_ = 0;
  const Way way_;
  const std::string queue_;
  TemporaryFolder folder_;
  App app_;
  std::atomic<std::size_t> left_ = 0;
  const Task<void(int)> nothing_ = task("nothing",
                                        [this](int) {
                                          if (--left_ == 0) left_.notify_one();
                                        },
                                        {.result_ttl = Duration(0)});
  std::optional<Workers> workers_;
};

// `anew`: each run has a subject of its own, so that only one's keys are in use at a time.
template <class Subject>
void compare(const std::string& what, std::size_t count, int rounds = kRounds, bool anew = false) {
  const auto all = ways();
  std::vector<std::unique_ptr<Subject>> subjects(all.size());
  std::map<std::size_t, std::vector<double>> rates, shares;
  for (int round = -1; round < rounds; ++round) {
    std::vector<double> now(all.size());
    for (std::size_t step = 0; step < all.size(); ++step) {
      const auto n = (step + static_cast<std::size_t>(round + 1)) % all.size();
      if (!subjects[n]) subjects[n] = std::make_unique<Subject>(all[n]);
      now[n] = subjects[n]->run(count);
      if (anew) subjects[n].reset();
    }
    if (round < 0) continue;  // to warm up
    for (std::size_t n = 0; n < now.size(); ++n) {
      rates[n].push_back(now[n]);
      shares[n].push_back(now[n] / now.front());
    }
  }
  for (std::size_t n = 0; n < all.size(); ++n)
    line(fmt::format("{}: {}", what, all[n].name), per_second(percentile(rates[n], 0.5)),
         fmt::format("{:.0f} % of no keys ({:.0f} to {:.0f})", 100 * percentile(shares[n], 0.5),
                     100 * percentile(shares[n], 0.25), 100 * percentile(shares[n], 0.75)));
}

}  // namespace
}  // namespace penstock::bench

// With an argument: only those of the five whose name has it in it. With a server's URL as the
// second: that one's tasks too.
int main(int argc, char** argv) {
  const auto wanted = [&](std::string_view name) { return argc < 2 || name.contains(argv[1]); };
  using namespace penstock::bench;
  if (wanted("engine alone")) compare<EngineAlone>("engine alone", 100 * 1024);
  if (wanted("full queue")) compare<FullQueue>("full queue, drops its oldest", 20 * 1024);
  if (wanted("broker on a disk")) compare<OnDisk>("broker on a disk", 40 * 1024);
  if (wanted("full broker")) compare<FullBroker>("full broker", 200 * 1024, kRounds / 3, true);
  if (wanted("tasks and a worker")) compare<Tasks>("tasks and a worker", 40 * 1024);
  if (argc < 3) return 0;
  Tasks::server = argv[2];
  compare<Tasks>("tasks of a server and a worker", 400 * 1024, kRounds, true);
}
