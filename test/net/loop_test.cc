#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <vector>

#include "os/real_clock.h"

namespace penstock::net {
namespace {

using namespace std::chrono_literals;

TEST(Loop, ServesAllThatIsReadyBeforeOneTurn) {
  Loop loop;
  std::string order;
  int turns = 0;
  loop.post([&] { order += 'a'; });
  loop.post([&] { order += 'b'; });
  loop.post([&] { loop.stop(); });
  loop.run([&] {
    ++turns;
    order += '.';
  });
  // One turn before anything happened; then all events and a turn.
  EXPECT_EQ(order, ".ab.");
  EXPECT_EQ(turns, 2);
}

TEST(Loop, RunsWorkOfOtherThreadsInOrder) {
  Loop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.stop();
  });
  loop.run([] {});
  other.join();
  ASSERT_EQ(seen.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST(Loop, KeepsTheEarliestAlarmAndIsWokenByIt) {
  const auto clock = make_real_clock();
  Loop loop;
  const Time began = clock->now();
  loop.alarm(began + 1h, began);
  loop.alarm(began + 20ms, began);
  loop.alarm(began + 2h, began);
  loop.run([&] {
    if (clock->now() >= began + 20ms) loop.stop();
  });
  EXPECT_LT(clock->now() - began, 10s);
}

TEST(Loop, HandsSignalsToItsOwnThread) {
  Loop loop;
  int seen = 0;
  constexpr int kSignals[] = {SIGUSR1};
  loop.on_signals(kSignals, [&](int signal) {
    seen = signal;
    loop.stop();
  });
  std::raise(SIGUSR1);
  loop.run([] {});
  EXPECT_EQ(seen, SIGUSR1);
}

}  // namespace
}  // namespace penstock::net
