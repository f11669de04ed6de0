// Random work on virtual hosts, exchanges, bindings, users and queues of every kind, which go and
// come back under messages and consumers, through crashes: whatever happens, the laws hold, every
// command is answered, and what is in the log is found again.
#include "engine/names.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using Patch = std::vector<std::pair<std::string_view, std::string_view>>;

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

class TopologyChurn : public BrokerTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  std::uint64_t below(std::uint64_t bound) { return chance_.next() % bound; }
  std::string scoped(std::string_view letter) {
    const auto name = std::string(letter) + static_cast<char>('1' + below(3));
    return engine::scoped_name(below(3) == 0 ? "shop" : "/", name);
  }
  std::string some_exchange() { return scoped("e"); }
  std::string some_queue() { return scoped("q"); }
  std::string some_key() { return below(2) == 0 ? "a.b" : below(2) == 0 ? "*.b" : "7"; }
  std::string some_user() { return below(2) == 0 ? "ann" : "bob"; }

  void declare_exchange_some() {
    const auto name = some_exchange();
    const auto alternate = engine::beside(name, "e1");
    engine::ExchangeSpec spec;
    spec.name = name;
    spec.type = static_cast<engine::ExchangeType>(1 + below(5));
    spec.durable = below(4) != 0;
    spec.auto_delete = below(4) == 0;
    spec.internal = below(8) == 0;
    if (below(3) == 0) spec.alternate = alternate;
    broker->declare_exchange(session, ++tag, spec);
  }
  void bind_some() {
    const auto source = some_exchange();
    const bool to_exchange = below(3) == 0;
    const auto destination = to_exchange ? some_exchange() : some_queue();
    const auto key = some_key();
    engine::BindingSpec spec;
    spec.source = source;
    spec.to_exchange = to_exchange;
    spec.destination = destination;
    spec.key = key;
    if (below(3) != 0)
      broker->bind(session, ++tag, spec);
    else
      broker->unbind(session, ++tag, spec);
  }
  void declare_queue_some() {
    static const Patch kOptions[] = {
        {},
        {{"durable", "false"}},
        {{"auto_delete", "true"}},
        {{"expires", "9s"}},
        {{"stream", "true"}, {"max_age", "20s"}},
        {{"stream", "true"}, {"max_length", "7"}},
        {{"durable", "false"}, {"exclusive", "true"}},
        {{"single_active_consumer", "true"}},
        {{"dead_letter_exchange", "e1"}, {"max_length", "3"}, {"overflow", "dead_letter"}},
        {{"dead_letter_exchange", "e2"}, {"ttl", "2s"}, {"dead_letter_routing_key", "a.b"}},
        {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "q2"}, {"ttl", "1s"}},
        {{"max_length", "4"}, {"overflow", "drop_oldest"}},
    };
    broker->declare(session, ++tag, some_queue(), kOptions[below(std::size(kOptions))]);
  }
  void publish_some() {
    const auto exchange = some_exchange();
    const auto key = some_key();
    const std::string_view keys[] = {key};
    engine::RoutedPublish command{.exchange = exchange, .keys = keys, .message = input("m")};
    if (below(4) == 0) command.message.not_before = clock.now() + 3s;
    broker->publish_routed(session, ++tag, command);
  }
  void consume_some() {
    if (consumers_ == SessionId{}) consumers_ = broker->open_session(heap_);
    const auto queue = some_queue();
    engine::Consume command;
    command.queue = queue;
    command.credit = static_cast<std::int64_t>(1 + below(5));
    command.start.kind = static_cast<engine::StreamStart::Kind>(below(3));
    ++tag;
    broker->consume(consumers_, tag, tag, command);
    broker->settle_down();
  }
  void close_consumers() {
    if (consumers_ != SessionId{}) broker->close_session(consumers_);
    consumers_ = {};
    heap_.leases.clear();
    broker->settle_down();
  }
  void settle_some() {
    auto& from = below(2) == 0 ? heap_.leases : held_;
    if (from.empty()) return;
    const auto at = from.begin() + static_cast<std::ptrdiff_t>(below(from.size()));
    constexpr engine::Outcome kOutcomes[] = {engine::Outcome::ack, engine::Outcome::nack,
                                             engine::Outcome::reject, engine::Outcome::give_back};
    settle({*at}, kOutcomes[below(std::size(kOutcomes))], {}, "no");
    from.erase(at);
  }
  void steer_some() {
    const auto user = some_user();
    switch (below(9)) {
      case 0:
        return broker->declare_host(session, ++tag, "shop");
      case 1:
        return broker->remove_host(session, ++tag, "shop");
      case 2:
        return broker->remove_exchange(session, ++tag, some_exchange(), below(2) == 0);
      case 3:
        return broker->remove(session, ++tag, some_queue(), {.unused = below(4) == 0});
      case 4:
        return broker->purge(session, ++tag, some_queue());
      case 5:
        return broker->remove_user(session, ++tag, user);
      case 6:
        return broker->revoke(session, ++tag, user, "shop");
      case 7:
        return broker->grant(session, ++tag, {user, "shop", ".*", "", ".*"});
      default:
        return broker->put_user(session, ++tag, {.name = user, .password = {}, .roles = {}});
    }
  }
  void act() {
    const auto what = below(40);
    if (what < 2) return consume_some();
    if (what < 3) return close_consumers();
    if (what < 5) return advance(std::chrono::milliseconds(below(6000)));
    if (what < 9) return settle_some();
    if (what < 12) {
      for (const auto& message : take(some_queue(), 3).messages) held_.push_back(message.lease);
      return;
    }
    if (what < 14) {
      consumers_ = {};
      heap_.leases.clear();
      return below(2) == 0 ? crash() : restart();
    }
    if (what < 18)
      declare_exchange_some();
    else if (what < 24)
      bind_some();
    else if (what < 28)
      declare_queue_some();
    else if (what < 36)
      publish_some();
    else
      steer_some();
    EXPECT_NE(wait(tag).kind, "nothing") << "a command was not answered";
  }

  FakeRandom chance_{GetParam()};
  std::vector<engine::LeaseToken> held_;
  Heap heap_;
  SessionId consumers_{};
};

TEST_P(TopologyChurn, breaks_no_law) {
  broker->declare_host(session, ++tag, "shop");
  wait(tag);
  for (int n = 0; n < 400; ++n) {
    act();
    broker->check();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TopologyChurn, testing::Range<std::uint64_t>(1, 31));

}  // namespace
}  // namespace penstock::broker
