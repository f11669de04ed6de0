// When the server's loop looks after its broker.
#include "server/broker_loop.h"

#include "test/broker/fixture.h"

namespace penstock::server {
namespace {

using namespace std::chrono_literals;

class BrokerLoopTest : public broker::BrokerTest {
 protected:
  void publish() {
    const std::vector messages{input("body")};
    broker->publish(session, ++tag, engine::Publish{"q", messages});
    broker_loop.turn();
  }
  void settle_all() {
    engine::Take take;
    take.queues = {"q"};
    take.max = 100;
    broker->take(session, ++tag, take);
    broker_loop.turn();
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : sink.replies.at(tag).messages) leases.push_back(message.lease);
    engine::Settle command;
    command.leases = leases;
    command.outcome = engine::Outcome::ack;
    broker->settle(session, ++tag, command);
    broker_loop.turn();
  }
  // Time goes on, with nothing to do but what the loop itself wants.
  void wait_for(Duration time) {
    const auto end = clock.now() + time;
    while (clock.now() < end) {
      clock.advance(
          std::min(std::max(broker_loop.next_due() - clock.now(), Duration(1)), end - clock.now()));
      broker_loop.maintain(clock.now());
      broker_loop.turn();
    }
  }
  [[nodiscard]] bool keeps_bodies() const { return broker->statistics().journal.cache_bytes > 0; }

  net::Loop loop;
  BrokerLoop broker_loop{loop, *broker};
};

TEST_F(BrokerLoopTest, lets_the_broker_rest_once_nothing_was_written_for_a_while) {
  publish();
  settle_all();
  wait_for(broker::Broker::kRestAfter - 1s);
  EXPECT_TRUE(keeps_bodies());
  publish();
  settle_all();
  wait_for(broker::Broker::kRestAfter - 1s);
  EXPECT_TRUE(keeps_bodies()) << "something was written meanwhile";
  wait_for(3s);
  EXPECT_FALSE(keeps_bodies());
  publish();
  settle_all();
  EXPECT_TRUE(keeps_bodies());
  wait_for(broker::Broker::kRestAfter + 2s);
  EXPECT_FALSE(keeps_bodies()) << "and every time";
}

}  // namespace
}  // namespace penstock::server
