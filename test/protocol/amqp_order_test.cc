// Whole conversations, cut anywhere and left anywhere.
#include "test/protocol/amqp_scripts.h"

namespace penstock::protocol::amqp {
namespace {

class AmqpOrder : public AmqpTest {
 protected:
  // Nobody is there any more, and nothing that was theirs.
  void expect_nothing_left() {
    world_->broker->settle_down();
    const auto of_broker = world_->broker->statistics();
    EXPECT_EQ(of_broker.sessions, 0u);
    EXPECT_EQ(of_broker.waiting_takes, 0u);
    EXPECT_EQ(of_broker.replies_waiting, 0u);
    EXPECT_EQ(of_broker.transient_bytes, 0u);
    const auto& of_service = world_->service->statistics();
    EXPECT_EQ(of_service.connections, 0u);
    EXPECT_EQ(of_service.channels, 0u);
    EXPECT_TRUE(world_->service->sessions().empty());
    world_->broker->check();
  }
};

TEST_F(AmqpOrder, HowTheInputIsCutChangesNothing) {
  for (const auto& script : scripts()) {
    Lines expected;
    for (const std::size_t chunk : {std::size_t{SIZE_MAX}, std::size_t{1}, std::size_t{2},
                                    std::size_t{7}, std::size_t{64}, std::size_t{1000}}) {
      open();
      prepare(*world_);
      Client client(*world_);
      for (const auto& step : script.steps) {
        client.give(step, chunk);
        client.hear();
      }
      const auto heard = client.heard();
      if (expected.empty()) expected = heard;
      EXPECT_EQ(heard, expected) << script.name << " in pieces of " << chunk;
    }
  }
}

// One handshake is enough, they are all alike, and so is one in 97 bytes of a large body.
TEST_F(AmqpOrder, ADisconnectAtAnyByteLosesNothingAndLeaksNothing) {
  for (const auto& script : scripts()) {
    for (std::size_t last = script.name == "publisher" ? 0 : 1; last < script.steps.size();
         ++last) {
      const std::string_view bytes = script.steps[last];
      for (std::size_t cut = 0; cut <= bytes.size(); cut += cut > 400 ? 97 : 1) {
        for (const bool answered : {false, true}) {
          SCOPED_TRACE(fmt::format("{}, step {}, byte {}", script.name, last, cut));
          open();
          prepare(*world_);
          Client client(*world_);
          for (std::size_t step = 0; step < last; ++step) client.say(script.steps[step]);
          client.give(bytes.substr(0, cut));
          if (answered) client.hear();
          const auto heard = client.heard();
          if (cut % 2 == 0) client.conversation().on_end_of_input();
          client.close();
          expect_nothing_left();
          script.law(*world_, heard);
          if (HasFailure()) return;
        }
      }
    }
  }
}

}  // namespace
}  // namespace penstock::protocol::amqp
