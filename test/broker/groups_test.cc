// Rates, limits and weights of groups.
#include <map>
#include <set>

#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

class GroupsTest : public BrokerTest {
 protected:
  void send_to(std::string_view group, int count) {
    for (int n = 0; n < count; ++n) {
      auto message = input(group);
      message.group = group;
      ASSERT_EQ(send("q", {message}).kind, "published");
    }
  }
  Got set(std::string_view group,
          std::vector<std::pair<std::string_view, std::string_view>> patch) {
    broker->set_group(session, ++tag, "q", group, patch);
    auto got = wait(tag);
    broker->check();
    return got;
  }
  // Who was delivered to, in order; each is settled at once.
  std::string order(int count) {
    std::string text;
    for (int n = 0; n < count; ++n) {
      const auto got = take("q");
      if (got.messages.empty()) break;
      text += got.messages[0].body;
      settle({got.messages[0].lease});
    }
    broker->check();
    return text;
  }
};

TEST_F(GroupsTest, EachGroupGoesAsFastAsItsRateSays) {
  declare("q", {{"group_rate", "2"}, {"group_limit", "0"}});
  send_to("a", 4);
  send_to("b", 2);
  EXPECT_EQ(order(9), "ab");
  advance(499ms);
  EXPECT_EQ(order(9), "");
  advance(1ms);
  EXPECT_EQ(order(9), "ab");
  advance(500ms);
  EXPECT_EQ(order(9), "a");
  advance(10s);
  EXPECT_EQ(order(9), "a") << "none is saved up while nothing waits";
}

// One key after the other came in; they go out in turn.
TEST_F(GroupsTest, BodiesThatLieTogetherAreReadTogetherWhenKeysTakeTurns) {
  constexpr std::size_t kKeys = 64, kOfEach = 32, kBatch = 256;
  options.journal.tail_cache_bytes = 0;
  restart();
  declare("q", {{"group_limit", "0"}});
  const std::string padding(1000, '.');
  for (std::size_t key = 0; key < kKeys; ++key) {
    const auto group = std::to_string(key);
    std::vector<std::string> texts;
    for (std::size_t n = 0; n < kOfEach; ++n)
      texts.push_back(group + " " + std::to_string(n) + padding);
    std::vector<Input> messages;
    for (const auto& text : texts) messages.push_back(input(text)), messages.back().group = group;
    ASSERT_EQ(send("q", messages).kind, "published");
  }
  const auto before = broker->statistics().journal.disk_reads;
  for (std::size_t n = 0; n < kKeys * kOfEach;) {
    const auto got = take("q", kBatch);
    ASSERT_EQ(got.messages.size(), kBatch);
    for (const auto& message : got.messages) {
      EXPECT_EQ(message.body,
                std::to_string(n % kKeys) + " " + std::to_string(n / kKeys) + padding);
      ++n;
    }
  }
  const auto reads = broker->statistics().journal.disk_reads - before;
  // Four of each key in a batch, and each key's are a read.
  EXPECT_LE(reads, kKeys * kOfEach / 2);
}

TEST_F(GroupsTest, WhoWaitsIsServedWhenATokenComesBack) {
  declare("q", {{"group_rate", "2"}});
  send_to("a", 2);
  EXPECT_EQ(order(1), "a");
  const auto waiting = take_tag("q", 1, 10s);
  EXPECT_FALSE(answered(waiting));
  advance(500ms);
  EXPECT_EQ(bodies(wait(waiting)), std::vector<std::string>{"a"});
}

TEST_F(GroupsTest, ARateIsRememberedWhileTheGroupIsEmptyAndNotForEver) {
  declare("q", {{"group_rate", "1"}});
  send_to("a", 1);
  EXPECT_EQ(order(2), "a");
  advance(600ms);
  send_to("a", 1);
  EXPECT_EQ(order(2), "");
  advance(400ms);
  EXPECT_EQ(order(2), "a");
  advance(1h);
  broker->check();
  send_to("a", 1);
  EXPECT_EQ(order(1), "a");
}

TEST_F(GroupsTest, KeysThatNeverComeAgainAreForgotten) {
  constexpr std::uint32_t kAtOnce = 500;
  for (std::uint32_t known = 0; known < 75'000;) {
    const std::string queue = known % (2 * kAtOnce) == 0 ? "q" : "r";
    std::vector<engine::MessageInput> messages;
    std::deque<std::string> names;
    for (std::uint32_t n = 0; n < kAtOnce; ++n, ++known) {
      auto& message = messages.emplace_back(input("x"));
      message.group = names.emplace_back(std::to_string(known));
    }
    const auto sent = send(queue, messages);
    ASSERT_EQ(sent.kind, "published") << sent.error.message;
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : take(queue, kAtOnce).messages) leases.push_back(message.lease);
    settle(leases);
  }
  broker->check();  // knows how many may be remembered
  send_to("1", 1);
  send_to("74999", 1);
  EXPECT_EQ(order(3), "174999");
}

TEST_F(GroupsTest, AFastRateHoldsOverASecond) {
  declare("q", {{"group_rate", "500"}, {"group_limit", "0"}});
  send_to("a", 700);
  std::size_t delivered = 0;
  for (int ms = 0; ms < 1000; ++ms) {
    const auto got = take("q", 1000, 1h);
    delivered += got.messages.size();
    advance(1ms);
  }
  EXPECT_GE(delivered, 500u);
  EXPECT_LE(delivered, 550u) << "500 and a bucket of 50";
}

TEST_F(GroupsTest, WeightsShareWhatIsDelivered) {
  declare("q", {{"group_limit", "0"}});
  set("a", {{"weight", "3"}});
  for (const auto* group : {"a", "b", "c"}) send_to(group, 9);
  const auto text = order(20);
  EXPECT_EQ(std::ranges::count(text, 'a'), 9);
  EXPECT_EQ(text.substr(0, 10), "aaabcaaabc");
  EXPECT_EQ(order(20).size(), 7u) << "what one does not use goes to the others";
}

TEST_F(GroupsTest, WeightsShareAmongVeryMany) {
  declare("q", {{"group_limit", "0"}});
  for (int group = 0; group < 60; ++group) {
    const auto name = "g" + std::to_string(group);
    if (group % 3 == 0) set(name, {{"weight", "3"}});
    send_to(name, 9);
  }
  std::map<std::string, int> counts;
  std::set<std::uint64_t> ids;
  for (int round = 0; round < 3; ++round)  // 20 groups of weight 3, 40 of weight 1
    for (const auto& message : take("q", 100).messages) {
      ++counts[message.group];
      ids.insert(message.id);
    }
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(counts["g0"], 9);
  EXPECT_EQ(counts["g57"], 9);
  EXPECT_EQ(counts["g1"], 3);
  EXPECT_EQ(counts["g59"], 3);
}

TEST_F(GroupsTest, WeightsHoldWhereEachGroupHasOneAtATime) {
  declare("q", {});
  set("a", {{"weight", "3"}});
  for (const auto* group : {"a", "b", "c"}) send_to(group, 12);
  std::map<char, int> counts;
  for (const char c : order(20)) ++counts[c];
  EXPECT_EQ(counts['a'], 12);
  EXPECT_EQ(counts['b'], 4);
  EXPECT_EQ(counts['c'], 4);
}

TEST_F(GroupsTest, AGroupHasItsOwnLimitAndRateAndKeepsThemAfterACrash) {
  declare("q", {{"group_rate", "1"}});
  EXPECT_TRUE(set("a", {{"limit", "2"}, {"rate", "0"}}).created);
  EXPECT_FALSE(set("a", {{"limit", "2"}}).created);
  options.checkpoint_bytes = 1;
  crash();
  broker->maintain();
  broker->settle_down();
  crash();
  send_to("a", 3);
  send_to("b", 2);
  auto got = take("q", 10);
  EXPECT_EQ(bodies(got), (std::vector<std::string>{"a", "b", "a"}));
  broker->check();
  const auto groups = broker->groups(session, "q");
  ASSERT_TRUE(groups && groups->size() == 1);
  EXPECT_EQ(groups->front().name, "a");
  EXPECT_EQ(groups->front().setting.limit, 2u);
  EXPECT_EQ(groups->front().held, 2u);
  EXPECT_EQ(groups->front().ready, 1u);
  broker->reset_group(session, ++tag, "q", "a");
  EXPECT_EQ(wait(tag).kind, "done");
  broker->check();
  broker->reset_group(session, ++tag, "q", "a");
  EXPECT_EQ(wait(tag).error.code, ErrorCode::not_found);
  for (const auto& message : got.messages) settle({message.lease});
  EXPECT_EQ(bodies(take("q", 10)), std::vector<std::string>{"a"});
  crash();
  EXPECT_TRUE(broker->groups(session, "q")->empty());
}

TEST_F(GroupsTest, ANewRateHoldsAtOnce) {
  declare("q", {{"group_rate", "0.001"}});
  send_to("a", 3);
  EXPECT_EQ(order(3), "a");
  set("a", {{"rate", "0"}});
  EXPECT_EQ(order(3), "aa");
  send_to("b", 3);
  EXPECT_EQ(order(3), "b");
  declare("q", {{"group_rate", "0"}});
  broker->check();
  EXPECT_EQ(order(3), "bb");
}

TEST_F(GroupsTest, WhatCannotBeSetIsRefused) {
  declare("q", {});
  EXPECT_EQ(set("a", {{"weight", "0"}}).error.message, "weight of a group: \"0\": it is 1 to 1000");
  EXPECT_EQ(set("a", {{"colour", "red"}}).error.message, "a group has no \"colour\"");
  EXPECT_EQ(set("a", {{"rate", "-1"}}).error.code, ErrorCode::invalid);
  EXPECT_EQ(set("", {{"weight", "2"}}).error.code, ErrorCode::invalid);
  broker->set_group(session, ++tag, "nowhere", "a", {});
  EXPECT_EQ(wait(tag).error.code, ErrorCode::not_found);
}

// Against a list of what waits: whatever was delivered, given back or begun anew in between.
TEST_F(GroupsTest, AFullQueueDropsTheOldestOfAllGroups) {
  constexpr std::size_t kMost = 40;
  declare("q", {{"overflow", "drop_oldest"}, {"max_length", "40"}, {"group_limit", "0"}});
  FakeRandom chance{7};
  std::set<std::uint64_t> waiting;
  std::vector<Got::Message> held;
  const auto end_one = [&](engine::Outcome outcome) {
    if (held.empty()) return;
    const auto at = held.begin() + static_cast<std::ptrdiff_t>(chance.next() % held.size());
    settle({at->lease}, outcome);
    if (outcome == engine::Outcome::give_back) waiting.insert(at->id);
    held.erase(at);
  };
  std::size_t dropped = 0, groups = 3;
  for (int n = 0; n < 3000; ++n) {
    const auto kind = chance.next() % 16;
    if (kind < 10) {
      const auto group = std::to_string(chance.next() % groups);
      auto message = input("x");
      if (kind > 0) message.group = group;
      while (waiting.size() >= kMost) waiting.erase(waiting.begin()), ++dropped;
      waiting.insert(send("q", {message}).ids.at(0));
    } else if (kind < 12) {
      for (auto& message : take("q", 3).messages) {
        ASSERT_EQ(waiting.erase(message.id), 1u) << "it was dropped, or taken twice";
        held.push_back(std::move(message));
      }
    } else if (kind < 14) {
      end_one(engine::Outcome::give_back);
    } else {
      end_one(engine::Outcome::ack);
    }
    if (n % 100 == 0) broker->check();
    if (n % 700 == 699) groups = groups * 5 % 128;  // few, or nearly one for each message
  }
  std::set<std::uint64_t> left;
  for (const auto& message : take("q", 2 * kMost).messages) left.insert(message.id);
  EXPECT_EQ(left, waiting);
  EXPECT_GT(dropped, 500u);
}

TEST_F(GroupsTest, WhatMakesRoomIsOfThisQueueThoughItsGroupsNumberWentToAnother) {
  for (const auto* queue : {"q", "other"})
    declare(queue, {{"max_length", "2"}, {"overflow", "drop_oldest"}});
  send_to("a", 1);
  send_to("b", 2);                       // for the second, that of the first group goes
  declare("q", {{"group_limit", "2"}});  // and now that group, of which there is nothing any more
  auto message = input("theirs");
  message.group = "has the number of a now";
  send("other", {message});
  send_to("b", 1);
  EXPECT_EQ(statistics("q").dropped, 2u);
  EXPECT_EQ(order(9), "bb");
  EXPECT_EQ(statistics("other").ready, 1u);
}

TEST_F(GroupsTest, WhatIsOfNoGroupMakesRoomWhereAllOthersAreBeingWorkedOn) {
  declare("q", {{"max_length", "2"}, {"overflow", "drop_oldest"}});
  send_to("a", 1);
  const auto held = take("q").messages;
  for (const auto* body : {"1", "2", "3"}) ASSERT_EQ(send("q", body).kind, "published");
  EXPECT_EQ(order(9), "23");
  EXPECT_EQ(settle({held.at(0).lease}).count, 1u);
}

TEST_F(GroupsTest, AQueueThatGoesTakesItsGroupsAlong) {
  declare("q", {{"group_rate", "0.1"}});
  set("a", {{"weight", "2"}});
  send_to("a", 2);
  EXPECT_EQ(order(1), "a");
  broker->remove(session, ++tag, "q");
  EXPECT_EQ(wait(tag).kind, "done");
  broker->check();
  advance(1h);
  broker->check();
  declare("q", {});
  EXPECT_TRUE(broker->groups(session, "q")->empty());
}

}  // namespace
}  // namespace penstock::broker
