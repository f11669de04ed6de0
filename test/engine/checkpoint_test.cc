// A checkpoint whose checksum holds is taken only when its content can have been written.
#include <gtest/gtest.h>

#include <string>

#include "engine/state.h"

namespace penstock::engine {
namespace {

// The parts of a checkpoint, in their order; each holds its count and what is counted.
struct Parts {
  Bytes counters, policies, queues, keys, results, messages, topology, users;
  [[nodiscard]] Bytes all() const {
    Bytes bytes;
    for (const auto* part :
         {&counters, &policies, &queues, &keys, &results, &messages, &topology, &users})
      append(bytes, *part);
    return bytes;
  }
};

Encoder fresh(Bytes& part) {
  part.clear();
  return Encoder(part);
}

void put_queue(Encoder& out, std::uint32_t id, std::string_view name) {
  out.varint(id).text(name).varint(0);
}
void put_key(Encoder& out, std::uint64_t key, std::uint32_t queue) {
  out.integer(key).integer(std::uint64_t{0}).varint(1).varint(queue).varint(1000);
}
void put_result(Encoder& out, std::uint64_t id, std::uint8_t state) {
  out.varint(id).varint(4096).varint(10).varint(1).varint(1).integer(state);
  for (int n = 0; n < 4; ++n) out.varint(1000);
}
void put_message(Encoder& out, std::uint64_t id, std::uint32_t queue, MessageState state,
                 std::uint64_t due = 0, std::uint8_t flags = 0) {
  out.varint(id).integer(static_cast<std::uint8_t>(state)).varint(1).varint(0);
  out.varint(queue).varint(0).varint(due);
  for (int n = 0; n < 4; ++n) out.varint(0);
  out.integer(flags);
}
constexpr std::uint8_t kBound = 1, kDying = 4, kMoved = 16;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    fresh(parts.counters).varint(2).varint(5).varint(3);
    for (std::uint64_t word = 0; word < 4; ++word) Encoder(parts.counters).integer(word);
    fresh(parts.policies).varint(1).integer(std::uint8_t{0});
    auto queues = fresh(parts.queues);
    queues.varint(1);
    put_queue(queues, 1, "a");
    for (auto* part : {&parts.keys, &parts.results, &parts.messages, &parts.users})
      fresh(*part).varint(0);
    fresh(parts.topology).varint(0).varint(0).varint(0).varint(0);
  }
  // Empty: it was taken.
  [[nodiscard]] std::string restore() const {
    State state(Time{}, {});
    const auto done = state.restore_checkpoint(parts.all());
    return done ? std::string() : done.error().message;
  }
  Parts parts;
};

TEST_F(CheckpointTest, OneThatCanHaveBeenWrittenIsTaken) {
  auto keys = fresh(parts.keys);
  keys.varint(1);
  put_key(keys, 7, 1);
  auto results = fresh(parts.results);
  results.varint(1);
  put_result(results, 2, static_cast<std::uint8_t>(TaskState::done));
  auto messages = fresh(parts.messages);
  messages.varint(3);
  put_message(messages, 1, 1, MessageState::ready, 0, kMoved);
  put_message(messages, 2, 1, MessageState::leased, 0, kBound);
  put_message(messages, 4, 1, MessageState::scheduled, 1000, kDying);
  EXPECT_EQ(restore(), "");
}

TEST_F(CheckpointTest, OneOfBeforeThereWereExchangesOrUsersIsTaken) {
  parts.users.clear();
  EXPECT_EQ(restore(), "");
  parts.topology.clear();
  parts.counters[0] = std::byte{1};
  EXPECT_EQ(restore(), "");
}

TEST_F(CheckpointTest, ThereIsNoWayBackFromWhatIsRestoredToOtherBytes) {
  auto keys = fresh(parts.keys);
  keys.varint(1);
  put_key(keys, 7, 1);
  auto messages = fresh(parts.messages);
  messages.varint(1);
  put_message(messages, 4, 1, MessageState::scheduled, 1000, kDying | kMoved | 3 << 5);
  PublishEvent event;
  event.id = MessageId(4);
  event.queue = QueueId(1);
  const auto read = [&](ByteView bytes) {
    State state(Time{}, {});
    EXPECT_TRUE(state.restore_checkpoint(bytes));
    EXPECT_TRUE(state.restore_live(event, LogPosition(4096), 10));
    EXPECT_TRUE(state.restore_done());
    state.check();
    Bytes written;
    state.encode_checkpoint(written);
    return written;
  };
  const auto written = read(parts.all());
  EXPECT_EQ(read(written), written);
}

TEST_F(CheckpointTest, AMessageThatIsNewerThanTheCheckpointIsRefused) {
  State state(Time{}, {});
  ASSERT_TRUE(state.restore_checkpoint(parts.all()));
  PublishEvent event;
  event.id = MessageId(5);
  event.queue = QueueId(1);
  const auto restored = state.restore_live(event, LogPosition(4096), 10);
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().message,
            "message 5 at position 4096 is newer than the checkpoint that tells of it");
}

TEST_F(CheckpointTest, ANewerVersionIsNotDamage) {
  parts.counters[0] = std::byte{3};
  EXPECT_EQ(restore(), "the checkpoint has version 3, this build reads 2");
}

TEST_F(CheckpointTest, CountersThatNoLogReachesAreRefused) {
  const auto with = [this](std::uint64_t message, std::uint64_t queue) {
    fresh(parts.counters).varint(2).varint(message).varint(queue);
    for (std::uint64_t word = 0; word < 4; ++word) Encoder(parts.counters).integer(word);
    return restore();
  };
  EXPECT_EQ(with(5, 3), "");
  for (const auto& problem : {with(0, 3), with(5, 0), with(kTransientMessage + 1, 3),
                              with(5, kTransientQueue + 1ull), with(5, 1ull << 32)})
    EXPECT_EQ(problem, "the checkpoint's counters make no sense");
}

TEST_F(CheckpointTest, APolicyThatDoesNotEndIsRefused) {
  fresh(parts.policies).varint(1'000'000).integer(std::uint8_t{15});
  EXPECT_EQ(restore(), "the checkpoint's policies make no sense");
  fresh(parts.policies).varint(0);
  EXPECT_EQ(restore(), "the checkpoint's policies make no sense");
}

TEST_F(CheckpointTest, QueuesWithOneIdOrOneNameOrNoneAreRefused) {
  const auto two = [this](std::uint32_t id, std::string_view name) {
    auto queues = fresh(parts.queues);
    queues.varint(2);
    put_queue(queues, 1, "a");
    put_queue(queues, id, name);
    return restore();
  };
  EXPECT_EQ(two(2, "b"), "");
  for (const auto& problem : {two(1, "b"), two(2, "a"), two(2, ""), two(0, "b"), two(3, "b")})
    EXPECT_EQ(problem, "the checkpoint's queues make no sense");
}

TEST_F(CheckpointTest, KeysThatComeTwiceOrBelongToNoQueueAreRefused) {
  const auto two = [this](std::uint64_t key, std::uint32_t queue) {
    auto keys = fresh(parts.keys);
    keys.varint(2);
    put_key(keys, 7, 1);
    put_key(keys, key, queue);
    return restore();
  };
  EXPECT_EQ(two(8, 1), "");
  for (const auto& problem : {two(7, 1), two(8, 2), two(0, 1)})
    EXPECT_EQ(problem, "the checkpoint's idempotency keys make no sense");
}

TEST_F(CheckpointTest, ResultsThatComeTwiceOrHaveNoStateAreRefused) {
  const auto two = [this](std::uint64_t id, std::uint8_t state) {
    auto results = fresh(parts.results);
    results.varint(2);
    put_result(results, 2, 5);
    put_result(results, id, state);
    return restore();
  };
  EXPECT_EQ(two(3, 5), "");
  for (const auto& problem : {two(2, 5), two(3, 9), two(0, 5)})
    EXPECT_EQ(problem, "the checkpoint's results make no sense");
}

TEST_F(CheckpointTest, MessagesThatComeTwiceOrHaveNoQueueAreRefused) {
  const auto two = [this](std::uint64_t id, std::uint32_t queue) {
    auto messages = fresh(parts.messages);
    messages.varint(2);
    put_message(messages, 2, 1, MessageState::ready);
    put_message(messages, id, queue, MessageState::ready);
    return restore();
  };
  EXPECT_EQ(two(3, 1), "");
  for (const auto& problem : {two(2, 1), two(5, 1), two(0, 1), two(3, 2)})
    EXPECT_EQ(problem, "the checkpoint's messages make no sense");
}

TEST_F(CheckpointTest, MessagesInAStateThatIsNoneAreRefused) {
  const auto one = [this](MessageState state, std::uint64_t due, std::uint8_t flags) {
    auto messages = fresh(parts.messages);
    messages.varint(1);
    put_message(messages, 2, 1, state, due, flags);
    return restore();
  };
  constexpr auto kBeyond = static_cast<MessageState>(4);
  for (const auto& problem :
       {one(MessageState::none, 0, 0), one(kBeyond, 0, 0), one(MessageState::ready, 1000, 0),
        one(MessageState::ready, 0, kBound), one(MessageState::scheduled, 0, 0),
        one(MessageState::scheduled, 1000, kBound)})
    EXPECT_EQ(problem, "the checkpoint's messages make no sense");
}

// The first of version 2 told of them; the queues were in the memory of the process that wrote it.
TEST_F(CheckpointTest, KeysAndResultsOfQueuesInMemoryAreLeftOut) {
  auto keys = fresh(parts.keys);
  keys.varint(1);
  put_key(keys, 7, kTransientQueue + 1);
  auto results = fresh(parts.results);
  results.varint(1);
  put_result(results, kTransientMessage + 1, 5);
  State state(Time{}, {});
  ASSERT_TRUE(state.restore_checkpoint(parts.all()));
  EXPECT_EQ(state.keys.size(), 0u);
  EXPECT_EQ(state.results.size(), 0u);
}

TEST_F(CheckpointTest, ExchangesThatComeTwiceOrEndWithTheProcessAreRefused) {
  const auto two = [this](std::string_view name, bool durable) {
    auto out = fresh(parts.topology);
    out.varint(0).varint(2);
    ExchangeSpec exchange;
    exchange.name = "x";
    encode_exchange(out, exchange);
    exchange.name = name;
    exchange.durable = durable;
    encode_exchange(out, exchange);
    out.varint(0).varint(0);
    return restore();
  };
  EXPECT_EQ(two("y", true), "");
  for (const auto& problem :
       {two("x", true), two("", true), two("amq.topic", true), two("y", false)})
    EXPECT_EQ(problem, "the checkpoint's exchanges and bindings make no sense");
}

TEST_F(CheckpointTest, BindingsOfNothingAreRefused) {
  const auto with = [this](std::string_view source, std::string_view destination, unsigned times) {
    auto out = fresh(parts.topology);
    out.varint(1).text("/").varint(0).varint(times);
    BindingSpec binding;
    binding.source = source;
    binding.destination = destination;
    for (unsigned n = 0; n < times; ++n) encode_binding(out, binding);
    out.varint(0);
    return restore();
  };
  EXPECT_EQ(with("amq.direct", "a", 1), "");
  for (const auto& problem :
       {with("nowhere", "a", 1), with("amq.direct", "nowhere", 1), with("amq.direct", "a", 2)})
    EXPECT_EQ(problem, "the checkpoint's exchanges and bindings make no sense");
}

TEST_F(CheckpointTest, OffsetsOfWhatIsNoStreamAreRefused) {
  const auto of = [this](std::uint32_t queue) {
    fresh(parts.topology).varint(0).varint(0).varint(0).varint(1).varint(queue).varint(9);
    return restore();
  };
  for (const auto& problem : {of(1), of(2)})
    EXPECT_EQ(problem, "the checkpoint's exchanges and bindings make no sense");
}

TEST_F(CheckpointTest, UsersThatComeTwiceOrMayDoSomethingNowhereAreRefused) {
  const auto two = [this](std::string_view name, std::string_view host, unsigned times) {
    auto out = fresh(parts.users);
    out.varint(2);
    out.text("ada").text("").integer(std::uint8_t{1}).varint(0).varint(0);
    out.text(name).text("").integer(std::uint8_t{0}).varint(times);
    for (unsigned n = 0; n < times; ++n) out.text(host).text(".*").text("^a").text("(");
    out.varint(times);
    for (unsigned n = 0; n < times; ++n) out.text(host).text("amq.topic").text(".*").text("");
    return restore();
  };
  EXPECT_EQ(two("bob", "/", 1), "");
  for (const auto& problem :
       {two("ada", "/", 1), two("", "/", 1), two("bob", "nowhere", 1), two("bob", "/", 2)})
    EXPECT_EQ(problem, "the checkpoint's users make no sense");
}

TEST_F(CheckpointTest, ATopicPermissionThatComesTwiceIsRefused) {
  auto out = fresh(parts.users);
  out.varint(1).text("ada").text("").integer(std::uint8_t{1}).varint(0).varint(2);
  for (int n = 0; n < 2; ++n) out.text("/").text("amq.topic").text(".*").text("");
  EXPECT_EQ(restore(), "the checkpoint's users make no sense");
}

TEST_F(CheckpointTest, BytesBehindTheEndAreRefused) {
  parts.users.push_back(std::byte{0});  // no workflows
  EXPECT_EQ(restore(), "");
  parts.users.push_back(std::byte{0});  // no schedules
  parts.users.push_back(std::byte{0});  // no causes of failures
  EXPECT_EQ(restore(), "");
  parts.users.push_back(std::byte{0});  // no keys of limits
  EXPECT_EQ(restore(), "the checkpoint's limits make no sense");
  parts.users.push_back(std::byte{0});       // no groups
  Encoder(parts.users).varint(1).varint(0);  // no orders to workers
  EXPECT_EQ(restore(), "");
  parts.users.push_back(std::byte{0});
  EXPECT_EQ(restore(), "the checkpoint's last bytes make no sense");
}

TEST_F(CheckpointTest, ASchedulesHostIsThereAndItsRecordsAreWhole) {
  const auto with = [&](std::string_view name, std::size_t cut) {
    ScheduleSetEvent set;
    set.schedule.name = set.schedule.queue = name;
    set.schedule.when = "@every 1m";
    ScheduleFiredEvent fired;
    fired.name = name;
    Bytes set_head, fired_head;
    encode(set_head, set);
    encode(fired_head, fired);
    set_head.resize(set_head.size() - cut);
    const auto before = parts.users;
    Encoder(parts.users).varint(0).varint(1).prefixed(set_head).prefixed(fired_head).varint(0);
    const auto said = restore();
    parts.users = before;
    return said;
  };
  EXPECT_EQ(with("tick", 0), "");
  EXPECT_EQ(with("elsewhere\x1f"
                 "tick",
                 0),
            "the checkpoint's schedules make no sense");
  EXPECT_EQ(with("tick", 1), "the checkpoint's schedules make no sense");
}

TEST_F(CheckpointTest, OrdersToWorkersAreWholeAndNumberedInOrder) {
  const auto with = [&](std::initializer_list<std::uint64_t> numbers, std::uint64_t next,
                        OrderKind kind = OrderKind::quiet, std::size_t cut = 0) {
    const auto before = parts.users;
    Encoder out(parts.users);
    out.varint(0).varint(0).varint(0).varint(0).varint(0).varint(next).varint(numbers.size());
    for (const auto number : numbers) {
      WorkerOrderedEvent order;
      order.number = number;
      order.kind = kind;
      const auto name = std::to_string(number % 3);
      order.name = name;
      Bytes head;
      encode(head, order);
      head.resize(head.size() - cut);
      out.prefixed(head);
    }
    const auto said = restore();
    parts.users = before;
    return said;
  };
  const std::string bad = "the checkpoint's orders to workers make no sense";
  EXPECT_EQ(with({1, 2, 9}, 10), "");
  EXPECT_EQ(with({}, 0), bad) << "no number is 0";
  EXPECT_EQ(with({2, 1}, 10), bad);
  EXPECT_EQ(with({1, 2}, 2), bad) << "beyond the counter";
  EXPECT_EQ(with({1, 4}, 10), bad) << "the later one left nothing of the earlier";
  EXPECT_EQ(with({1}, 10, OrderKind::stop), bad) << "a stop for nobody";
  EXPECT_EQ(with({1}, 10, OrderKind::resize), bad) << "to no size";
  EXPECT_EQ(with({1}, 10, OrderKind::quiet, 1), bad);
}

TEST_F(CheckpointTest, ASchedulesTwoRecordsAreOfOneScheduleAndTheirNamesAscend) {
  struct Told {
    std::string_view name, fired_name;
    Time cursor{}, waiting{};
    Overlap overlap = Overlap::queue;
  };
  const auto with = [&](std::vector<Told> all, std::size_t behind = 0) {
    const auto before = parts.users;
    Encoder out(parts.users);
    out.varint(0).varint(all.size());
    for (const auto& told : all) {
      ScheduleSetEvent set;
      set.schedule.name = set.schedule.queue = told.name;
      set.schedule.when = "@every 1m";
      set.schedule.overlap = told.overlap;
      ScheduleFiredEvent fired;
      fired.name = told.fired_name;
      fired.cursor = told.cursor;
      fired.waiting = told.waiting;
      Bytes set_head, fired_head;
      encode(set_head, set);
      encode(fired_head, fired);
      fired_head.resize(fired_head.size() + behind);
      out.prefixed(set_head).prefixed(fired_head).varint(0);
    }
    const auto said = restore();
    parts.users = before;
    return said;
  };
  const std::string bad = "the checkpoint's schedules make no sense";
  const auto later = time_from_micros(1000);
  EXPECT_EQ(with({{"a", "a"}, {"b", "b", {}, later}}), "");
  EXPECT_EQ(with({{"a", "b"}}), bad);
  EXPECT_EQ(with({{"a", "a", later}}), bad) << "they are at different times";
  EXPECT_EQ(with({{"b", "b"}, {"a", "a"}}), bad);
  EXPECT_EQ(with({{"a", "a"}, {"a", "a"}}), bad);
  EXPECT_EQ(with({{"a", "a", {}, later, Overlap::allow}}), bad) << "nothing waits there";
  EXPECT_EQ(with({{"a", "a"}}, 1), bad) << "bytes behind it";
}

TEST_F(CheckpointTest, CausesAreOfMessagesThatWereDeliveredAndTheirs) {
  const auto with = [&](std::uint32_t deliveries, std::vector<std::uint64_t> ids,
                        std::uint64_t first = 1) {
    const auto before = parts;
    auto messages = fresh(parts.messages);
    messages.varint(1).varint(4).integer(static_cast<std::uint8_t>(MessageState::ready));
    messages.varint(deliveries).varint(0).varint(1).varint(0).varint(0);
    for (int n = 0; n < 4; ++n) messages.varint(0);
    messages.integer(kMoved);
    Encoder out(parts.users);
    out.varint(0).varint(0).varint(ids.size());
    for (const auto id : ids) {
      out.varint(id).varint(first);
      for (std::size_t cause = 1; cause < kCauses; ++cause) out.varint(0);
    }
    const auto said = restore();
    parts = before;
    return said;
  };
  const std::string bad = "the checkpoint's causes of failures make no sense";
  EXPECT_EQ(with(1, {4}), "");
  EXPECT_EQ(with(1, {4}, 0), bad) << "of no cause";
  EXPECT_EQ(with(1, {3}), bad) << "of no message";
  EXPECT_EQ(with(0, {4}), bad) << "never delivered";
  EXPECT_EQ(with(1, {4, 4}), bad);
}

TEST_F(CheckpointTest, KeysOfLimitsAreKeptForAMessageAndForTheirTime) {
  struct Key {
    KeyRule rule = KeyRule::unique_done;
    std::uint64_t key = 7, id = 1;
    std::uint32_t queue = 1;
    std::vector<std::uint64_t> rest{};  // what the rule adds
  };
  const auto with = [&](std::vector<Key> keys, std::vector<std::string_view> groups = {}) {
    const auto before = parts.users;
    Encoder out(parts.users);
    out.varint(0).varint(0).varint(0).varint(keys.size());
    for (const auto& key : keys) {
      out.integer(static_cast<std::uint8_t>(key.rule)).integer(key.key).integer(std::uint64_t{0});
      out.varint(key.id).varint(key.queue);
      for (const auto number : key.rest) out.varint(number);
    }
    out.varint(groups.size());
    for (const auto group : groups) {
      out.varint(1).text(group);
      encode_group_setting(out, {});
    }
    const auto said = restore();
    parts.users = before;
    return said;
  };
  using enum KeyRule;
  const std::string bad = "the checkpoint's limits make no sense";
  EXPECT_EQ(with({{unique_done}, {unique_for, 8, 1, 1, {1000}}}, {"g", "h"}), "");
  EXPECT_EQ(with({{throttle, 7, 1, 1, {1000, 2, 5, 6}}, {debounce, 8, 1, 1, {1000, 5}}}), "");
  EXPECT_EQ(with({{none}}), bad);
  EXPECT_EQ(with({{static_cast<KeyRule>(9)}}), bad);
  EXPECT_EQ(with({{unique_done, 0}}), bad) << "no key";
  EXPECT_EQ(with({{unique_done}, {unique_start}}), bad) << "one key twice";
  EXPECT_EQ(with({{unique_done, 7, 0}}), bad) << "for nobody";
  EXPECT_EQ(with({{unique_done, 7, 5}}), bad) << "for a message to come";
  EXPECT_EQ(with({{unique_done, 7, 1, 2}}), bad) << "of no queue";
  EXPECT_EQ(with({{unique_for, 7, 1, 1, {0}}}), bad) << "until no time";
  EXPECT_EQ(with({{throttle, 7, 1, 1, {1000, 0}}}), bad) << "nothing was let through";
  EXPECT_EQ(with({{throttle, 7, 1, 1, {1000, kThrottleMost + 1}}}), bad);
  EXPECT_EQ(with({{throttle, 7, 1, 1, {1000, 2, 6, 5}}}), bad) << "back in time";
  EXPECT_EQ(with({{throttle, 7, 1, 1, {1000, 900, 1}}}), bad) << "cut short";
  EXPECT_EQ(with({}, {""}), bad);
  EXPECT_EQ(with({}, {"g", "g"}), bad);
}

TEST_F(CheckpointTest, AQueueInMemoryIsNotInIt) {
  auto queues = fresh(parts.queues);
  queues.varint(1).varint(1).text("a").varint(1).text("durable").text("false");
  EXPECT_EQ(restore(), "the checkpoint's queues make no sense");
}

// Each prefix ends in the middle of something, but the one that ends before the users.
TEST_F(CheckpointTest, OneThatIsCutShortIsRefused) {
  auto messages = fresh(parts.messages);
  messages.varint(1);
  put_message(messages, 4, 1, MessageState::ready);
  const auto bytes = parts.all();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    State state(Time{}, {});
    const bool before_users = size == bytes.size() - parts.users.size();
    EXPECT_EQ(state.restore_checkpoint(ByteView(bytes).first(size)).has_value(), before_users);
  }
}

TEST_F(CheckpointTest, APermissionThatIsCutShortIsRefused) {
  auto out = fresh(parts.users);
  out.varint(1).text("ada").text("").integer(std::uint8_t{1});
  out.varint(1).text("/").text(".*").text(".*").text(".*");
  out.varint(1).text("/").text("amq.topic").text(".*").text(".*");
  while (parts.users.size() > 1) {
    parts.users.pop_back();
    EXPECT_EQ(restore(), "the checkpoint's users make no sense") << parts.users.size();
  }
}

}  // namespace
}  // namespace penstock::engine
