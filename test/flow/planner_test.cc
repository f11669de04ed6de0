#include "flow/planner.h"

#include <gtest/gtest.h>

#include <cmath>

namespace penstock::flow {
namespace {

using namespace std::chrono_literals;

// The textbook's sum, for few workers, where nothing overflows.
double erlang_c_by_definition(double offered, unsigned workers) {
  double term = 1;
  double sum = 0;
  for (unsigned k = 0; k < workers; ++k) {
    sum += term;
    term *= offered / (k + 1);
  }
  const double last = term * workers / (workers - offered);
  return last / (sum + last);
}

TEST(Planner, AgreesWithTheMM1FormulasForOneWorker) {
  // lambda 8/s, mu 10/s: rho = 0.8, Wq = rho / (mu - lambda) = 0.4 s, Lq = 3.2.
  const auto p = predict(8, Seconds(0.1), 1);
  EXPECT_NEAR(p.utilisation, 0.8, 1e-12);
  EXPECT_NEAR(p.waiting_probability, 0.8, 1e-12);
  EXPECT_NEAR(p.mean_wait.count(), 0.4, 1e-12);
  EXPECT_NEAR(p.mean_waiting, 3.2, 1e-12);
  EXPECT_NEAR(p.p95_wait.count(), std::log(0.8 / 0.05) / 2, 1e-12);
}

TEST(Planner, GivesTheTextbookValuesOfErlangC) {
  EXPECT_NEAR(waiting_probability(2, 3), 4.0 / 9, 1e-12);
  EXPECT_NEAR(waiting_probability(1, 2), 1.0 / 3, 1e-12);
  EXPECT_NEAR(waiting_probability(20, 24), 0.29807, 1e-4);
  for (unsigned workers = 1; workers <= 60; ++workers) {
    for (const double utilisation : {0.05, 0.5, 0.9, 0.999}) {
      const double offered = utilisation * workers;
      EXPECT_NEAR(waiting_probability(offered, workers), erlang_c_by_definition(offered, workers),
                  1e-9)
          << workers << " workers, " << offered << " erlangs";
    }
  }
}

TEST(Planner, StaysFiniteWhereFactorialsOverflow) {
  const double p = waiting_probability(99'000, 100'000);
  EXPECT_TRUE(std::isfinite(p));
  EXPECT_GT(p, 0);
  // Halfin-Whitt: beta = (1 - rho) sqrt(c) = 3.162; P = 1 / (1 + beta Phi(beta) / phi(beta)).
  const double beta = 0.01 * std::sqrt(100'000.0);
  const double phi = std::exp(-beta * beta / 2) / std::sqrt(2 * M_PI);
  const double cumulative = 0.5 * std::erfc(-beta / std::sqrt(2.0));
  EXPECT_NEAR(p, 1 / (1 + beta * cumulative / phi), 1e-4);
}

TEST(Planner, SaysThatAnOverloadedQueueNeverCatchesUp) {
  const auto p = predict(100, Seconds(0.1), 10);
  EXPECT_EQ(p.waiting_probability, 1);
  EXPECT_TRUE(std::isinf(p.mean_wait.count()));
  EXPECT_TRUE(std::isinf(p.p99_wait.count()));
  EXPECT_EQ(p.share_over(Seconds(1)), 1);
}

TEST(Planner, TakesTheFewestWorkersThatMeetTheWait) {
  const Demand demand{.arrival_rate = 500, .service_time = 40ms, .max_wait = 50ms};
  const auto p = plan(demand);
  ASSERT_TRUE(p.has_value()) << p.error().message;
  EXPECT_LE(p->prediction.p99_wait, demand.max_wait);
  EXPECT_LE(p->prediction.utilisation, demand.max_utilisation);
  const auto fewer = predict(500, 40ms, p->prediction.workers - 1);
  EXPECT_TRUE(fewer.p99_wait > demand.max_wait || fewer.utilisation > demand.max_utilisation);
}

TEST(Planner, KeepsHeadroomWhereTheWaitAloneWouldAllowMoreLoad) {
  // 20 erlangs; 21 workers keep p99 under 2 s, and would be 95 % busy.
  const auto p = plan({.arrival_rate = 500, .service_time = 40ms, .max_wait = 2s});
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->prediction.workers, 23u);
  // 23 workers finish 575/s: 1,150 in 2 s, and the 23 in their hands.
  EXPECT_EQ(p->max_length, 1'173u);
}

TEST(Planner, MeetsAWaitOfZeroByPercentile) {
  const auto p = plan({.arrival_rate = 10, .service_time = 1s, .max_wait = 0s, .percentile = 0.95});
  ASSERT_TRUE(p.has_value());
  EXPECT_LE(p->prediction.waiting_probability, 0.05);
  EXPECT_EQ(p->max_length, p->prediction.workers);
}

TEST(Planner, RefusesFiguresThatMakeNoSense) {
  EXPECT_FALSE(plan({.arrival_rate = 0, .service_time = 1s, .max_wait = 1s}).has_value());
  EXPECT_FALSE(plan({.arrival_rate = 1, .service_time = 0s, .max_wait = 1s}).has_value());
  EXPECT_FALSE(plan({.arrival_rate = 1, .service_time = 1s, .max_wait = -1s}).has_value());
  EXPECT_FALSE(
      plan({.arrival_rate = 1, .service_time = 1s, .max_wait = 1s, .percentile = 1}).has_value());
  EXPECT_FALSE(plan({.arrival_rate = 1e300, .service_time = 1h, .max_wait = 1s}).has_value());
  EXPECT_FALSE(
      plan({.arrival_rate = std::nan(""), .service_time = 1s, .max_wait = 1s}).has_value());
}

}  // namespace
}  // namespace penstock::flow
