// Whole conversations with a failure at each step: the power is cut, or a call on the disk fails,
// at each operation on it in turn.
#include "base/check.h"
#include "test/protocol/amqp_scripts.h"

namespace penstock::protocol::amqp {
namespace {

using Survivors = MemoryDirectory::Survivors;

// The process died of an error that it may not go on after.
struct Death {};

class AmqpFailure : public AmqpTest {
 protected:
  AmqpFailure() {
    set_fatal_handler([](std::string_view, std::string_view) { throw Death{}; });
  }
  ~AmqpFailure() override { set_fatal_handler(nullptr); }

  void begin() {
    world_ = std::make_unique<World>();
    // Small enough for conversations to go from one segment to the next.
    world_->close();
    world_->directory.restore({});
    world_->options.journal.segment_bytes = 64u << 10;
    world_->open();
    prepare(*world_);
  }
  // What was heard until the end, which was the failure or that of the script. The world is open
  // again.
  Lines play(const Script& script, Survivors survivors) {
    Lines heard;
    {
      Client client(*world_);
      bool cut = false;
      try {
        for (const auto& step : script.steps) client.say(step);
      } catch (const MemoryDirectory::PowerCut&) {
        cut = true;
      } catch (const Death&) {
        ++deaths_;
      }
      heard = client.heard();
      cut_ = cut;
    }
    world_->close();
    if (cut_)
      world_->directory.crash(survivors, world_->random);
    else
      world_->directory.process_death();
    world_->open();
    world_->broker->check();
    return heard;
  }
  // Of the whole script when nothing fails, with its last answers.
  std::uint64_t operations_of(const Script& script, Lines& heard) {
    begin();
    const auto before = world_->directory.operations();
    {
      Client client(*world_);
      for (const auto& step : script.steps) client.say(step);
      heard = client.heard();
    }
    return world_->directory.operations() - before;
  }

  bool cut_ = false;
  int deaths_ = 0;
};

TEST_F(AmqpFailure, WhatWasToldOutlivesAPowerCutAtEveryOperation) {
  for (const auto& script : scripts()) {
    Lines whole;
    const auto operations = operations_of(script, whole);
    ASSERT_GT(operations, 2u) << script.name;
    for (const auto survivors : {Survivors::nothing, Survivors::prefix, Survivors::random_sectors,
                                 Survivors::random_garbage}) {
      for (std::uint64_t at = 1; at <= operations + 1; ++at) {
        SCOPED_TRACE(fmt::format("{}, operation {} of {}, survivors {}", script.name, at,
                                 operations, static_cast<int>(survivors)));
        begin();
        world_->directory.cut_power_at(world_->directory.operations() + at);
        const auto heard = play(script, survivors);
        EXPECT_EQ(cut_, at <= operations);
        if (!cut_) {
          EXPECT_EQ(heard, whole);
        }
        script.law(*world_, heard);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(AmqpFailure, WhatWasToldOutlivesAnErrorOfTheDiskAtEveryOperation) {
  for (const auto& script : scripts()) {
    Lines whole;
    const auto operations = operations_of(script, whole);
    for (const auto code : {ErrorCode::io, ErrorCode::full}) {
      for (const bool for_good : {false, true}) {
        for (std::uint64_t at = 1; at <= operations; ++at) {
          SCOPED_TRACE(fmt::format("{}, operation {} of {}", script.name, at, operations));
          begin();
          world_->directory.fail_at(world_->directory.operations() + at, code, for_good);
          const auto deaths = deaths_;
          const auto heard = play(script, Survivors::everything);
          // An error of the disk is the end: nobody is told anything afterwards.
          EXPECT_EQ(deaths_, deaths + 1);
          script.law(*world_, heard);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// ---- a full disk refuses, and goes on

class AmqpFullDisk : public AmqpTest {
 protected:
  static constexpr std::size_t kBody = 8u << 10;

  AmqpFullDisk() { world_ = std::make_unique<World>(std::uint64_t{4} << 20); }
  static std::string message() {
    return publish({.key = "q", .body = std::string(kBody, 'x')}, 1, 131'072);
  }
};

TEST_F(AmqpFullDisk, ConfirmedPublishesAreNackedAndSettlesGoOn) {
  Client client(*world_);
  client.log_in();
  client.say(declare("q") + confirms());
  std::uint64_t confirmed = 0, refused = 0;
  for (int n = 0; n < 600; ++n) {
    const auto heard = client.say(message());
    confirmed += count_of(heard, "basic.ack");
    refused += count_of(heard, "basic.nack");
    world_->prepare();
  }
  EXPECT_EQ(confirmed + refused, 600u);
  EXPECT_GT(confirmed, 100u);
  EXPECT_GT(refused, 10u);
  EXPECT_EQ(messages(), confirmed);
  // Every one of them can be worked off, and then there is room.
  client.say(qos(1) + consume("q"));
  for (std::uint64_t n = 1; n <= confirmed; ++n) {
    client.say(ack(n));
    world_->broker->maintain();
    world_->prepare();
  }
  EXPECT_EQ(messages(), 0u);
  EXPECT_EQ(count_of(client.say(message()), "basic.ack"), 1u);
}

TEST_F(AmqpFullDisk, WithoutConfirmsThePublisherIsToldThatItIsBlockedUntilThereIsRoom) {
  Client publisher(*world_), consumer(*world_);
  publisher.log_in({.blocked = true});
  consumer.log_in();
  consumer.say(declare("q") + qos(1) + consume("q"));
  std::uint64_t sent = 0;
  Lines told;
  while (publisher.conversation().wants_input()) {
    ASSERT_LT(sent, 600u);
    told = publisher.say(message());
    ++sent;
    world_->prepare();
  }
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].find("0 connection.blocked("), 0u) << told[0];
  EXPECT_NE(told[0].find("disk"), std::string::npos) << told[0];
  EXPECT_EQ(messages(), sent - 1) << "the last one waits";
  publisher.give(message());
  ++sent;
  // It is told once, however often it waits.
  pass(10s, {&publisher});
  EXPECT_EQ(only(publisher.hear(), "blocked"), Lines{});
  for (std::uint64_t n = 1; messages() > 0; ++n) {
    ASSERT_LE(n, sent);
    consumer.say(ack(n));
    world_->broker->maintain();
    world_->prepare();
    pass(5s, {&publisher});
    publisher.hear();
  }
  // In turns, as often as there was room for one and then none again.
  const auto words = only(publisher.heard(), "blocked(");
  EXPECT_EQ(words.size() % 2, 0u);
  for (std::size_t n = 0; n < words.size(); ++n)
    EXPECT_EQ(words[n].find("unblocked") == std::string::npos, n % 2 == 0) << n;
  EXPECT_EQ(count_of(consumer.heard(), "basic.deliver"), sent) << "nothing was lost";
  EXPECT_FALSE(publisher.conversation().finished());
}

}  // namespace
}  // namespace penstock::protocol::amqp
