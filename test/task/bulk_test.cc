// 100,000 tasks in one call, on a real directory.
#include <algorithm>

#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

constexpr int kMany = 100'000;

std::vector<std::tuple<int>> many() {
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < kMany; ++n) arguments.emplace_back(n);
  return arguments;
}

class Bulks : public EmbeddedTest {};

TEST_F(Bulks, ComeInWholeAndInOrder) {
  std::atomic<std::int64_t> sum = 0;
  std::atomic<int> left = kMany;
  Event all_ran;
  const auto add = task("add", [&](int n) {
    sum += n;
    if (--left == 0) all_ran.set();
  });
  app->add(add);
  const auto jobs = app->enqueue_many(add, many());
  ASSERT_EQ(jobs.size(), static_cast<std::size_t>(kMany));
  EXPECT_TRUE(std::ranges::is_sorted(jobs, std::ranges::less_equal(), &Job<void>::id));
  EXPECT_EQ(app->queue("default").ready, static_cast<std::uint64_t>(kMany));
  const auto workers = app->work({.threads = {2, 2}});
  ASSERT_TRUE(all_ran.wait());
  EXPECT_EQ(sum, std::int64_t{kMany} * (kMany - 1) / 2);
}

TEST_F(Bulks, ThatDoNotFitSayHowManyCameIn) {
  constexpr std::uint64_t kRoom = 70'001;  // no multiple of a slice
  app->declare("default", {.max_length = kRoom});
  const auto add = remote_task<void(int)>("add");
  try {
    (void)app->enqueue_many(add.with({.patience = 0s}), many());
    FAIL();
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.accepted(), kRoom);
    EXPECT_EQ(refused.refusal().reason, "max_length");
  }
  EXPECT_EQ(app->queue("default").ready, kRoom);
}

// The first half is cut into other slices than the whole.
TEST_F(Bulks, OfAKeyCanBeRepeated) {
  constexpr std::size_t kHalf = 1500;
  const auto add = remote_task<void(int)>("add");
  auto arguments = many();
  arguments.resize(2 * kHalf);
  const auto half = std::span(arguments).first(kHalf);
  const auto once = app->enqueue_many(add.with({.key = "k"}), half);
  const auto again = app->enqueue_many(add.with({.key = "k"}), arguments);
  EXPECT_EQ(app->queue("default").ready, 2 * kHalf);
  EXPECT_TRUE(
      std::ranges::equal(once, std::span(again).first(kHalf), {}, &Job<void>::id, &Job<void>::id));
}

TEST_F(Bulks, ThatCannotTravelAreRefusedAsAWhole) {
  const auto text = remote_task<void(std::string)>("text");
  std::vector<std::tuple<std::string>> arguments(kMany, std::tuple(std::string("good")));
  arguments.back() = std::tuple(std::string("\xff"));
  EXPECT_THROW((void)app->enqueue_many(text, arguments), InvalidInput);
  EXPECT_THROW((void)app->queue("default"), NotFound);
}

}  // namespace
}  // namespace penstock::testing
