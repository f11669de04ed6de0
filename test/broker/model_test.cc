// Random work, power cuts and restarts against a naive model that knows only what the replies said.
//
// The model: a message whose publish was confirmed is "owed" until a settle of it was confirmed. At
// the end everything owed is delivered, nothing that was finally settled comes back, and nothing is
// invented.
#include <map>
#include <set>

#include "fixture.h"

namespace penstock::broker {
namespace {

using engine::Outcome;

class ModelTest : public BrokerTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  struct Sent {
    std::string body;
    bool confirmed = false;
    bool settle_asked = false;      // it may be gone, or not
    bool settle_confirmed = false;  // it must be gone
  };

  std::uint64_t dice(std::uint64_t sides) { return script.below(sides); }

  void step() {
    switch (dice(12)) {
      case 0:
      case 1:
      case 2:
        publish();
        break;
      case 3:
      case 4:
      case 5:
        take();
        break;
      case 6:
      case 7:
        settle(Outcome::ack);
        break;
      case 8:
        settle(Outcome::nack);
        break;
      case 9:
        commit();
        break;
      case 10:
        clock.advance(Duration(static_cast<std::int64_t>(dice(3'000'000))));
        break;
      case 11:
        if (dice(6) == 0)
          cut();
        else if (dice(3) == 0)
          broker->maintain();
        break;
    }
    broker->turn();
    broker->check();
    learn();
  }

  void publish() {
    std::vector<Input> inputs;
    std::vector<std::string> texts;
    const auto count = 1 + dice(4);
    for (std::uint64_t n = 0; n < count; ++n)
      texts.push_back("m" + std::to_string(++serial) +
                      std::string(dice(20) == 0 ? 3000 : dice(100), 'x'));
    for (const auto& text : texts) {
      auto one = input(text);
      one.priority = static_cast<std::uint8_t>(dice(3));
      if (dice(3) == 0) one.group = dice(2) == 0 ? "a" : "b";
      if (dice(4) == 0)
        one.not_before = clock.now() + Duration(static_cast<std::int64_t>(dice(5'000'000)));
      inputs.push_back(one);
    }
    publishes[send_tag(dice(2) == 0 ? "q" : "r", inputs)] = texts;
    for (const auto& text : texts) model[text].body = text;
  }

  void take() {
    takes.insert(take_tag(dice(2) == 0 ? "q" : "r", static_cast<std::uint32_t>(1 + dice(4)),
                          dice(2) == 0 ? 0s : 1s,
                          Duration(1'000'000 + static_cast<std::int64_t>(dice(4'000'000)))));
  }

  void settle(Outcome outcome) {
    if (held.empty()) return;
    const auto at = dice(held.size());
    const auto message = held[at];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
    engine::Settle command;
    const std::vector leases{message.lease};
    command.leases = leases;
    command.outcome = outcome;
    command.delay = Duration(static_cast<std::int64_t>(dice(2) * 700'000));
    broker->settle(session, ++tag, command);
    settles[tag] = {message.body, outcome};
    if (outcome == Outcome::ack) model[message.body].settle_asked = true;
  }

  void commit() {
    broker->turn();
    auto* batch = broker->seal();
    if (batch == nullptr) return;
    broker->write(*batch);
    broker->complete(*batch);
  }

  void cut() {
    broker.reset();
    const MemoryDirectory::Survivors ways[]{
        MemoryDirectory::Survivors::nothing, MemoryDirectory::Survivors::everything,
        MemoryDirectory::Survivors::prefix, MemoryDirectory::Survivors::random_sectors,
        MemoryDirectory::Survivors::random_garbage};
    directory.crash(ways[dice(5)], script);
    sink.replies.clear();
    publishes.clear();
    takes.clear();
    settles.clear();
    open();
    broker->check();
  }

  void learn() {
    for (auto& [reply_tag, got] : sink.replies) {
      if (got.kind == "published") {
        ASSERT_EQ(got.ids.size(), publishes[reply_tag].size());
        for (const auto& text : publishes[reply_tag]) model[text].confirmed = true;
      } else if (got.kind == "refused" && publishes.contains(reply_tag)) {
        EXPECT_EQ(got.refused.reason, "journal");
        for (const auto& text : publishes[reply_tag]) model.erase(text);
      } else if (got.kind == "delivered") {
        for (const auto& m : got.messages) {
          ASSERT_TRUE(model.contains(m.body)) << "invented";
          ASSERT_FALSE(model[m.body].settle_confirmed) << m.body << " came back";
          held.push_back(m);
        }
      } else if (got.kind == "settled" && settles.contains(reply_tag)) {
        const auto& [body, outcome] = settles[reply_tag];
        if (outcome == Outcome::ack && got.count == 1) model[body].settle_confirmed = true;
      } else {
        ASSERT_EQ(got.kind, "settled") << got.error.message;
      }
    }
    sink.replies.clear();
  }

  void drain() {
    std::set<std::string> seen;
    for (int round = 0; round < 60; ++round) {
      clock.advance(1s);
      for (const auto* queue : {"q", "r"}) {
        const auto got = BrokerTest::take(queue, 1000, 60s);
        for (const auto& m : got.messages) {
          ASSERT_FALSE(model[m.body].settle_confirmed) << m.body;
          ASSERT_TRUE(seen.insert(m.body).second) << m.body << " twice";
          BrokerTest::settle({m.lease});
        }
      }
    }
    for (const auto& [text, sent] : model) {
      if (sent.confirmed && !sent.settle_asked) {
        EXPECT_TRUE(seen.contains(text)) << text.substr(0, 9) << " was confirmed and is lost";
      }
    }
    EXPECT_EQ(broker->statistics().messages, 0u);
    broker->check();
  }

  FakeRandom script{GetParam()};
  std::map<std::string, Sent> model;
  std::map<Tag, std::vector<std::string>> publishes;
  std::set<Tag> takes;
  std::map<Tag, std::pair<std::string, Outcome>> settles;
  std::vector<Got::Message> held;
  std::uint64_t serial = 0;
};

TEST_P(ModelTest, NothingConfirmedIsLostAndNothingSettledComesBack) {
  options.journal.segment_bytes = 64 << 10;
  broker.reset();
  directory.restore({});
  open();
  declare("q", {{"max_attempts", "0"}, {"lease", "3s"}});
  declare("r", {{"max_attempts", "0"}, {"lease", "3s"}, {"group_limit", "2"}});
  for (int n = 0; n < 600 && !HasFatalFailure(); ++n) step();
  if (HasFatalFailure()) return;
  broker->settle_down();
  learn();
  restart();
  drain();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace penstock::broker
