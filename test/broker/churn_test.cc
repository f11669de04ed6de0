// Random work on queues that go and come back, with all that a queue and a message can have,
// through crashes: whatever happens, the laws hold, every command is answered, and what is in the
// log is found again.
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using engine::Outcome;
using Patch = std::vector<std::pair<std::string_view, std::string_view>>;

// Of consumers: what they were sent and have not settled.
class Heap final : public ReplySink {
 public:
  void on_reply(Tag, const Reply& reply) override {
    if (const auto* got = std::get_if<Delivered>(&reply))
      for (const auto& message : got->messages) leases.push_back(message.lease);
  }
  void on_ended(std::string_view) override {}
  bool wants_more(Tag) override { return true; }
  std::vector<engine::LeaseToken> leases;
};

class Churn : public BrokerTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr std::string_view kQueues[] = {"a", "b", "c", "a.dead"};
  static constexpr std::string_view kNames[] = {"x", "y", "z"};

  std::uint64_t below(std::uint64_t bound) { return chance_.next() % bound; }
  template <class T, std::size_t n>
  const T& one_of(const T (&all)[n]) {
    return all[below(n)];
  }
  std::string_view some_queue() { return one_of(kQueues); }
  std::string_view some_name() { return one_of(kNames); }
  std::uint64_t some_id() { return 1 + below(seen_ + 3); }

  void declare_some() {
    static const Patch kOptions[] = {
        {{"max_length", "5"}, {"overflow", "drop_oldest"}},
        {{"max_length", "9"}, {"overflow", "dead_letter"}},
        {{"max_length", "200"}, {"overflow", "reject"}},
        {{"max_bytes", "400"}, {"overflow", "reject_dead_letter"}},
        {{"max_bytes", "9000000"}, {"max_length", "100000"}},
        {{"ttl", "3s"}},
        {{"ttl", "0"}, {"max_attempts", "2"}, {"backoff", "fixed:2s"}},
        {{"max_attempts", "9"}, {"max_worker_lost", "1"}, {"backoff", "none"}},
        {{"group_limit", "1"}, {"group_rate", "2"}},
        {{"group_limit", "0"}, {"group_rate", "0"}},
        {{"rate", "3"}},
        {{"rate", "0"}, {"paused", "true"}},
        {{"paused", "false"}, {"dedup_window", "5s"}},
        {{"dead_letter", "b"}},
        {{"dead_letter", "-"}},
        {{"expires", "20s"}},
        {{"expires", "0"}, {"dead_letter", ""}},
        {{"max_wait", "1s"}},
        {{"max_wait", "0"}, {"lease", "5s"}},
        {{"max_priority", "2"}},
    };
    declare(std::string(some_queue()), one_of(kOptions));
  }
  Input some_input() {
    Input one = input(some_name());
    one.priority = static_cast<std::uint8_t>(below(4));
    one.task = below(3) == 0;
    if (below(2) == 0) one.group = some_name();
    if (below(5) == 0) one.not_before = clock.now() + std::chrono::seconds(below(10));
    if (below(5) == 0) one.expires_at = clock.now() + std::chrono::seconds(1 + below(10));
    if (below(4) == 0) {
      constexpr engine::KeyRule kRules[] = {
          engine::KeyRule::unique_start, engine::KeyRule::unique_done, engine::KeyRule::unique_for,
          engine::KeyRule::debounce, engine::KeyRule::throttle};
      one.limit.rule = one_of(kRules);
      one.limit.key = some_name();
      one.limit.time = 3s;
      constexpr engine::OnConflict kConflicts[] = {engine::OnConflict::reject,
                                                   engine::OnConflict::give_known};
      one.limit.on_conflict = one_of(kConflicts);
      if (one.limit.is_unique() && below(3) == 0)
        one.limit.on_conflict = engine::OnConflict::replace;
      if (one.limit.rule == engine::KeyRule::throttle && below(3) == 0)
        one.limit.on_conflict = engine::OnConflict::delay;
      if (one.limit.rule == engine::KeyRule::debounce) one.limit.max_wait = 5s;
    } else if (below(5) == 0) {
      one.key = some_name();
    }
    if (below(6) == 0) one.policy.max_attempts = static_cast<std::uint32_t>(1 + below(3));
    return one;
  }
  std::vector<Input> some_inputs() {
    std::vector<Input> all;
    for (auto left = 1 + below(4); left > 0; --left) all.push_back(some_input());
    return all;
  }
  void send_some() {
    const auto got = send(some_queue(), some_inputs());
    for (const auto id : got.ids) seen_ = std::max(seen_, id);
  }
  void take_some() {
    const auto got = take(std::string(some_queue()), 1 + static_cast<std::uint32_t>(below(6)));
    for (const auto& message : got.messages) held_.push_back(message.lease);
  }
  void settle_some() {
    auto& from = below(4) == 0 ? heap_.leases : held_;
    if (from.empty()) return;
    const auto at = from.begin() + static_cast<std::ptrdiff_t>(below(from.size()));
    constexpr Outcome kOutcomes[] = {Outcome::ack,    Outcome::ack,       Outcome::nack,
                                     Outcome::reject, Outcome::give_back, Outcome::decline};
    const auto outcome = one_of(kOutcomes);
    if (outcome == Outcome::ack && below(3) == 0) {
      const auto messages = some_inputs();
      const engine::Publish follows{some_queue(), messages};
      settle({*at}, outcome, {}, {}, "1", {&follows, 1});
    } else {
      settle({*at}, outcome, {}, "no", "1");
    }
    from.erase(at);
  }
  void schedule_some() {
    engine::ScheduleSpec spec;
    spec.name = some_name();
    spec.when = below(2) == 0 ? "@every 4s" : "* * * * *";
    spec.queue = some_queue();
    spec.body = as_bytes("scheduled");
    spec.task = below(2) == 0;
    spec.missed = static_cast<engine::Missed>(below(3));
    spec.overlap = static_cast<engine::Overlap>(below(3));
    broker->put_schedule(session, ++tag, spec);
  }
  void consume_some() {
    if (consumers_ == SessionId{}) consumers_ = broker->open_session(heap_);
    engine::Consume command;
    command.queue = some_queue();
    command.credit = static_cast<std::int64_t>(1 + below(5));
    ++tag;
    broker->consume(consumers_, tag, tag, command);
  }
  void steer_some() {
    const auto id = MessageId(some_id());
    switch (below(9)) {
      case 0:
        return broker->cancel_task(session, ++tag, id);
      case 1:
        return broker->retry_task(session, ++tag, id);
      case 2:
        return broker->redrive(session, ++tag, some_queue(), 3);
      case 3:
        return broker->redrive_some(session, ++tag, some_queue(), {.error = "no"});
      case 4:
        return broker->set_group(session, ++tag, some_queue(), some_name(),
                                 Patch{{"weight", "2"}, {"rate", "1"}});
      case 5:
        return broker->reset_group(session, ++tag, some_queue(), some_name());
      case 6:
        return broker->remove_schedule(session, ++tag, some_name());
      case 7:
        return broker->trigger_schedule(session, ++tag, some_name());
      default:
        return broker->purge(session, ++tag, some_queue());
    }
  }
  std::uint64_t messages() {
    broker->queues(session, ++tag);
    std::uint64_t all = 0;
    for (const auto& queue : wait(tag).queues) all += queue.ready + queue.leased + queue.scheduled;
    return all;
  }
  // In good order nothing is gained or lost.
  void restart_and_compare() {
    const auto before = messages();
    restart();
    consumers_ = {};
    heap_.leases.clear();
    EXPECT_EQ(messages(), before);
  }
  void act() {
    const auto what = below(40);
    if (what < 9) return send_some();
    if (what < 16) return take_some();
    if (what < 24) return settle_some();
    if (what < 28) return declare_some();
    if (what < 30) return advance(std::chrono::milliseconds(below(8000)));
    if (what < 31) return restart_and_compare();
    if (what < 32) return crash(), void(consumers_ = {}), heap_.leases.clear();
    if (what < 33)
      schedule_some();
    else if (what < 34)
      return consume_some(), broker->settle_down();
    else if (what < 35)
      broker->remove(session, ++tag, some_queue());
    else
      steer_some();
    EXPECT_NE(wait(tag).kind, "nothing") << "a command was not answered";
  }

  FakeRandom chance_{GetParam()};
  std::uint64_t seen_ = 0;
  std::vector<engine::LeaseToken> held_;
  Heap heap_;
  SessionId consumers_{};
};

TEST_P(Churn, breaks_no_law) {
  for (int n = 0; n < 300; ++n) {
    act();
    broker->check();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Churn, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace penstock::broker
