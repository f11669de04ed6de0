#include "gateway/deadlines.h"

#include <gtest/gtest.h>

#include <vector>

#include "gateway/input_budget.h"

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

TEST(InputBudget, LetsExactlyOneHolderGoBeyondWhenNothingIsLeft) {
  InputBudget budget(100);
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
