#include "gateway/deadlines.h"

#include <gtest/gtest.h>

#include <vector>

#include "gateway/input_budget.h"
#include "gateway/options.h"

namespace penstock::gateway {
namespace {

using namespace std::chrono_literals;

struct Alarm final : Deadline {
  Alarm(std::vector<int>& log, int number) : fired(log), name(number) {}
  void on_deadline(Time) override { fired.push_back(name); }
  std::vector<int>& fired;
  int name;
};

TEST(Deadlines, FireInTheOrderOfTime) {
  Deadlines deadlines;
  std::vector<int> fired;
  Alarm a(fired, 1), b(fired, 2), c(fired, 3);
  deadlines.set(a, Time(30s));
  deadlines.set(b, Time(10s));
  deadlines.set(c, Time(20s));
  EXPECT_EQ(deadlines.next(), Time(10s));
  deadlines.fire(Time(9s));
  EXPECT_TRUE(fired.empty());
  deadlines.fire(Time(25s));
  EXPECT_EQ(fired, (std::vector{2, 3}));
  deadlines.fire(Time(60s));
  EXPECT_EQ(fired, (std::vector{2, 3, 1}));
  EXPECT_EQ(deadlines.next(), Time::max());
}

TEST(Deadlines, MoveForwardAtOnceAndBackLazily) {
  Deadlines deadlines;
  std::vector<int> fired;
  Alarm a(fired, 1);
  deadlines.set(a, Time(30s));
  deadlines.set(a, Time(40s));
  EXPECT_EQ(deadlines.next(), Time(30s));
  deadlines.set(a, Time(10s));
  EXPECT_EQ(deadlines.next(), Time(10s));
}

TEST(Deadlines, ForgetWhatIsDestroyed) {
  Deadlines deadlines;
  std::vector<int> fired;
  {
    Alarm a(fired, 1);
    deadlines.set(a, Time(30s));
  }
  EXPECT_EQ(deadlines.next(), Time::max());
  deadlines.fire(Time(60s));
  EXPECT_TRUE(fired.empty());
}

TEST(OutputDue, IsNotPutOffByTakingALittleNowAndThen) {
  const Options options;
  const Time since = time_from_micros(1'000'000);
  EXPECT_EQ(output_due(options, since, 0), since + options.write_timeout);
  EXPECT_EQ(output_due(options, since, 100), since + options.write_timeout);
  EXPECT_EQ(output_due(options, since, 10 * kOutputBytesPerSecondMin),
            since + options.write_timeout + std::chrono::seconds(10));
}

TEST(InputBudget, KeepsAQuarterForThoseThatHoldLittle) {
  InputBudget budget(100, 10);
  const int one = 0;
  const int other = 0;
  budget.change(&one, 0, 70);
  EXPECT_TRUE(budget.may_read(&other, 5, 30));
  EXPECT_TRUE(budget.may_read(&one, 70, 5));
  EXPECT_FALSE(budget.has_room_at(70, 10));
  EXPECT_TRUE(budget.has_room_at(60, 10));
  EXPECT_TRUE(budget.has_room_at(50, 1000));
  // Somebody may always go on; but only one.
  EXPECT_TRUE(budget.may_read(&one, 70, 20));
  EXPECT_FALSE(budget.may_read(&other, 20, 20));
  EXPECT_TRUE(budget.may_read(&other, 0, 30));
  budget.change(&one, 70, 0);
}

TEST(InputBudget, LetsExactlyOneHolderGoBeyondWhenNothingIsLeft) {
  InputBudget budget(100, 1000);
  int a = 0, b = 0, c = 0;
  EXPECT_TRUE(budget.may_read(&a, 0, 50));
  budget.change(&a, 0, 60);
  budget.change(&b, 0, 30);
  EXPECT_FALSE(budget.may_read(&c, 0, 50)) << "it holds nothing: others finish first";
  EXPECT_TRUE(budget.may_read(&a, 60, 50)) << "one may, or nobody would ever finish";
  EXPECT_FALSE(budget.may_read(&b, 30, 50));
  budget.change(&a, 60, 0);
  EXPECT_TRUE(budget.may_read(&b, 30, 50));
  EXPECT_EQ(budget.used(), 30u);
  EXPECT_EQ(budget.left(), 70u);
}

}  // namespace
}  // namespace penstock::gateway
