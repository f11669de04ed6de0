// What the server does not take: results, errors, messages. Who it is about learns it at once, and
// nobody else has anything to do with it.
#include <boost/json/value.hpp>

#include "test/task/everywhere_fixture.h"

namespace penstock::testing {
namespace {

using RefusedTest = EverywhereTest;
constexpr std::size_t kTooLarge = 17u << 20;

TEST_P(RefusedTest, AResultThatIsTooLargeFailsItsTaskForGoodAndNoOther) {
  const auto quick = task("quick", [](int n) { return n; });
  const auto large = task("large", [] { return std::string(kTooLarge, 'x'); });
  app_->add(quick);
  app_->add(large);
  std::vector<Job<int>> others;
  for (int n = 0; n < 40; ++n) others.push_back(app_->enqueue(quick, n));
  const auto odd = app_->enqueue(large);
  for (int n = 40; n < 80; ++n) others.push_back(app_->enqueue(quick, n));
  const auto workers = app_->work({.threads = {1, 1}});
  try {
    (void)odd.get(kLong);
    FAIL() << "it was taken";
  } catch (const TaskError& error) {
    EXPECT_NE(std::string_view(error.what()).find("the result was refused"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(odd.status().attempts, 1u);
  for (int n = 0; n < 80; ++n) {
    EXPECT_EQ(others[static_cast<std::size_t>(n)].get(kLong), n);
    EXPECT_EQ(others[static_cast<std::size_t>(n)].status().attempts, 1u);
  }
}

TEST_P(RefusedTest, AnErrorThatIsNotUtf8IsTold) {
  const auto bad = task("bad", [] { throw std::runtime_error("half \xe4\xb8 of it"); },
                        {.max_attempts = 2, .backoff = fixed(1ms)});
  const auto worse = task("worse", [] { throw Permanent("\xff"); });
  app_->add(bad);
  app_->add(worse);
  const auto workers = app_->work();
  const auto first = app_->enqueue(bad);
  EXPECT_THROW(
      {
        try {
          first.get(kLong);
        } catch (const std::runtime_error& error) {
          EXPECT_STREQ(error.what(), "half ?? of it");
          throw;
        }
      },
      std::runtime_error);
  EXPECT_EQ(first.status().attempts, 2u);
  EXPECT_EQ(first.status().failures().size(), 2u);
  const auto second = app_->enqueue(worse);
  EXPECT_THROW(second.get(kLong), TaskError);
  EXPECT_EQ(second.status().attempts, 1u);
}

TEST_P(RefusedTest, OfManyTasksOneThatIsTooLargeKeepsAllOut) {
  const auto echo = task("echo", [](std::string text) { return text.size(); });
  try {
    (void)app_->enqueue_many(
        echo, std::vector<std::tuple<std::string>>{{"a"}, {std::string(kTooLarge, 'b')}, {"c"}});
    FAIL() << "they were taken";
  } catch (const InvalidInput& error) {
    EXPECT_NE(std::string_view(error.what()).find("number 2 of 3"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW((void)app_->queue("default"), NotFound);
}

TEST_P(RefusedTest, AMessageThatIsTooLargeLeavesTheConnectionAlone) {
  for (int n = 0; n < 3; ++n) {
    EXPECT_THROW((void)app_->send("q", std::string(kTooLarge, 'x')), InvalidInput);
    EXPECT_NO_THROW((void)app_->send("q", "small"));
  }
}

PENSTOCK_EVERYWHERE(RefusedTest);

using RefusedByServer = ServerTest;

TEST_F(RefusedByServer, AResultThatIsTooDeepFailsItsTaskForGood) {
  const auto deep = task("deep", [] {
    boost::json::value value;
    for (int n = 0; n < 100; ++n) value = boost::json::array{std::move(value)};
    return value;
  });
  app_->add(deep);
  const auto workers = app_->work();
  const auto job = app_->enqueue(deep);
  EXPECT_THROW((void)job.get(kLong), TaskError);
  EXPECT_EQ(job.status().attempts, 1u);
}

}  // namespace
}  // namespace penstock::testing
