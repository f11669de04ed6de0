// Retry policies by the type of what a task throws.
#include <gtest/gtest.h>

#include <penstock/penstock.hpp>
#include <penstock/testing.hpp>
#include <stdexcept>

namespace shop {

struct NetworkError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Throttled : NetworkError {
  explicit Throttled(penstock::Duration time) : NetworkError("throttled"), wait_(time) {}
  [[nodiscard]] penstock::Duration wait() const { return wait_; }

 private:
  penstock::Duration wait_;
};
struct BadInput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace shop

namespace penstock::testing {
namespace {

using namespace std::chrono_literals;

const std::vector<RetryRule> kRules{
    retry_after<shop::Throttled>(&shop::Throttled::wait),
    on<shop::NetworkError>(exponential(10s, 60s).without_jitter(), 3), never<shop::BadInput>(),
    retry_after<std::bad_alloc>(90s)};

// When the attempts of a task that always throws `thrown` begin, after the first.
template <class E>
std::vector<Duration> attempts_of(E thrown, std::uint32_t max_attempts = 4) {
  TestApp app;
  std::vector<TimePoint> at;
  const auto fails =
      task("fails",
           [&](Context&) {
             at.push_back(app.now());
             throw thrown;
           },
           {.max_attempts = max_attempts, .backoff = fixed(1s).without_jitter(), .retry = kRules});
  app->add(fails);
  app->enqueue(fails);
  app.run_to_end();
  std::vector<Duration> delays;
  for (std::size_t n = 1; n < at.size(); ++n)
    delays.push_back(std::chrono::round<std::chrono::seconds>(at[n] - at[n - 1]));
  return delays;
}

using Delays = std::vector<Duration>;

TEST(RetryRules, DecideByTheTypeOfWhatIsThrown) {
  EXPECT_EQ(attempts_of(shop::NetworkError("reset")), (Delays{10s, 20s}));
  EXPECT_EQ(attempts_of(shop::BadInput("no")), Delays{});
  EXPECT_EQ(attempts_of(std::bad_alloc()), (Delays{90s, 90s, 90s}));
  EXPECT_EQ(attempts_of(shop::Throttled(7s)), (Delays{7s, 7s, 7s}));  // the first that fits
}

TEST(RetryRules, LeaveOtherTypesToTheBackoff) {
  EXPECT_EQ(attempts_of(std::logic_error("?")), (Delays{1s, 1s, 1s}));
  EXPECT_EQ(attempts_of(7), (Delays{1s, 1s, 1s}));  // no std::exception
}

TEST(RetryRules, DoNotOverrulePermanentAndRetryAfter) {
  EXPECT_EQ(attempts_of(Permanent("gone")), Delays{});
  EXPECT_EQ(attempts_of(RetryAfter(33s)), (Delays{33s, 33s, 33s}));
}

TEST(RetryRules, AreBoundByTheTasksOwnAttempts) {
  EXPECT_EQ(attempts_of(shop::Throttled(7s), 2), Delays{7s});
}

TEST(TaskErrors, TellTheirTypeInTheHistoryAndToWhoeverWaits) {
  TestApp app;
  int tries = 0;
  const auto pay = task("pay",
                        [&](Context&) {
                          if (++tries == 1) throw shop::NetworkError("reset: by peer");
                          throw shop::BadInput("negative");
                        },
                        {.retry = kRules});
  app->add(pay);
  const auto job = app->enqueue(pay);
  app.run_to_end();
  const auto failures = job.status().failures();
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].attempt, 1U);
  EXPECT_EQ(failures[0].type, "shop::NetworkError");
  EXPECT_EQ(failures[0].message, "reset: by peer");
  EXPECT_EQ(failures[1].attempt, 2U);
  EXPECT_EQ(failures[1].type, "shop::BadInput");
  EXPECT_EQ(failures[1].at, std::chrono::floor<std::chrono::milliseconds>(app.now()));
  try {
    job.get();
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_TRUE(error.is<shop::BadInput>());
    EXPECT_FALSE(error.is<shop::NetworkError>());
    EXPECT_EQ(error.attempts(), 2U);
  }
}

}  // namespace
}  // namespace penstock::testing
