// What a broker that has nothing to do gives back, and what it keeps for whoever comes next.
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

class RestTest : public BrokerTest {
 protected:
  static constexpr int kMessages = 40;

  // Each in a batch of its own.
  void fill() {
    for (int n = 0; n < kMessages; ++n) send("q", std::string(8'000, static_cast<char>('a' + n)));
  }
  void settle_next(int count) {
    for (int n = 0; n < count; ++n) settle({take("q").messages.at(0).lease});
  }
  [[nodiscard]] std::uint64_t cached() const { return broker->statistics().journal.cache_bytes; }
  [[nodiscard]] std::uint64_t disk_reads() const { return broker->statistics().journal.disk_reads; }
};

TEST_F(RestTest, keeps_no_body_in_memory_that_nobody_waits_for) {
  fill();
  settle_next(kMessages);
  ASSERT_GT(cached(), kMessages * 8'000u);
  broker->rest();
  EXPECT_EQ(cached(), 0u);
  fill();
  EXPECT_EQ(take("q").messages.at(0).body, std::string(8'000, 'a'));
  EXPECT_EQ(disk_reads(), 0u) << "what comes afterwards is kept again";
}

TEST_F(RestTest, keeps_the_bodies_in_memory_of_what_waits) {
  fill();
  settle_next(kMessages - 5);
  const auto before = cached();
  broker->rest();
  EXPECT_LT(cached(), before / 4);
  for (int n = kMessages - 5; n < kMessages; ++n)
    EXPECT_EQ(take("q").messages.at(0).body, std::string(8'000, static_cast<char>('a' + n)));
  EXPECT_EQ(disk_reads(), 0u);
}

TEST_F(RestTest, keeps_nothing_for_the_sake_of_what_is_on_the_disk_only_or_never_was) {
  options.journal.tail_cache_bytes = 100'000;
  restart();
  declare("memory", {{"durable", "false"}});
  send("memory", "m");
  send("old", "o");
  fill();
  settle_next(kMessages);
  ASSERT_GT(cached(), 0u);
  broker->rest();
  EXPECT_EQ(cached(), 0u);
  EXPECT_EQ(take("old").messages.at(0).body, "o");
  EXPECT_EQ(take("memory").messages.at(0).body, "m");
}

TEST_F(RestTest, gives_back_what_a_rush_left_behind_though_something_stays) {
  const auto memory = [&] { return broker->statistics().index_bytes; };
  send("q", "stays");
  const auto before = memory();
  const std::vector many(1'000, input("x"));
  for (int n = 0; n < 20; ++n) send("q", many);
  ASSERT_EQ(take("q").messages.at(0).body, "stays");
  for (int n = 0; n < 20; ++n) {
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : take("q", 1'000).messages) leases.push_back(message.lease);
    ASSERT_EQ(settle(leases).count, 1'000u);
  }
  ASSERT_GT(memory(), before + 20'000u * 64);
  broker->rest();
  EXPECT_LT(memory(), before + 500'000);
  broker->check();
}

TEST_F(RestTest, does_no_harm_in_the_middle_of_something) {
  fill();
  const auto under_way = take_tag("q", 20);
  broker->publish(session, ++tag, engine::Publish{"q", std::vector{input("late")}});
  broker->rest();
  ASSERT_TRUE(answered(under_way));
  EXPECT_EQ(wait(under_way).messages.size(), 20u);
  EXPECT_EQ(take("q", 100).messages.back().body, "late");
  broker->check();
}

}  // namespace
}  // namespace penstock::broker
