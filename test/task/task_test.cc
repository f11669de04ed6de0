// Tasks end to end: a real broker on a real directory, in this process.
#include <future>
#include <map>
#include <stdexcept>
#include <thread>

#include "test/task/embedded_fixture.h"

namespace billing {

struct CardDeclined : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace billing

namespace penstock::testing {
namespace {

struct Order {
  std::string customer;
  std::vector<std::optional<int>> lines;
  std::map<std::string, double> prices;
  bool operator==(const Order&) const = default;
};
BOOST_DESCRIBE_STRUCT(Order, (), (customer, lines, prices))

class Tasks : public EmbeddedTest {};

TEST_F(Tasks, RunAndReturnTheirResult) {
  const auto resize = task(
      "resize",
      [](std::string path, int width) -> std::string { return path + "@" + std::to_string(width); },
      {.max_attempts = 5, .backoff = exponential(1s, 60s), .lease = 30s});
  app->add(resize);
  auto job = app->enqueue(resize, "cat.png", 320);
  const auto workers = app->work({.queues = {"default"}, .threads = {1, 8}});
  EXPECT_EQ(job.get(kLong), "cat.png@320");
  EXPECT_EQ(job.state(), JobState::done);
}

TEST_F(Tasks, CarryEveryKindOfValueThereAndBack) {
  const auto same = task(
      "same", [](Order order, std::tuple<int, std::string> pair, bool flag, std::string_view text) {
        return std::tuple(std::move(order), std::move(pair), flag, std::string(text));
      });
  app->add(same);
  const auto workers = app->work();
  const Order order{"Zoë", {1, {}, 3}, {{"a \"quoted\" key", 0.5}}};
  const auto result = app->enqueue(same, order, std::tuple(7, "x"), true, "text").get(kLong);
  EXPECT_EQ(result, std::tuple(order, std::tuple(7, std::string("x")), true, std::string("text")));
}

TEST_F(Tasks, MayReturnNothing) {
  const auto nothing = task("nothing", [] {});
  app->add(nothing);
  const auto workers = app->work();
  app->enqueue(nothing).get(kLong);
}

TEST_F(Tasks, MayBeEnqueuedBeforeAndAfterTheirWorkersStart) {
  const auto twice = task("twice", [](int n) { return 2 * n; });
  app->add(twice);
  const auto before = app->enqueue(twice, 1);
  const auto workers = app->work({.threads = {2, 2}});
  const auto after = app->enqueue(twice, 2);
  EXPECT_EQ(before.get(kLong), 2);
  EXPECT_EQ(after.get(kLong), 4);
}

TEST_F(Tasks, ComeInManyAtATime) {
  const auto square = task("square", [](int n) { return n * n; });
  app->add(square);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 3000; ++n) arguments.emplace_back(n);
  const auto jobs = app->enqueue_many(square, arguments);
  const auto workers = app->work({.threads = {2, 4}});
  ASSERT_EQ(jobs.size(), 3000U);
  for (int n = 0; n < 3000; ++n) ASSERT_EQ(jobs[static_cast<std::size_t>(n)].get(kLong), n * n);
}

TEST_F(Tasks, AreKnownByTheirIdInALaterProcess) {
  const auto name = task("name", [](std::string n) { return n; });
  app->add(name);
  const auto id = app->enqueue(name, "kept").id();
  app.reset();
  open();
  app->add(name);
  const auto workers = app->work();
  EXPECT_EQ(app->job<std::string>(id).get(kLong), "kept");
}

TEST_F(Tasks, CanBeEnqueuedByProgramsWithoutTheirFunction) {
  const auto half = task("half", [](double n) { return n / 2; });
  const auto half_elsewhere = remote_task<double(double)>("half");
  app->add(half);
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(half_elsewhere, 3).get(kLong), 1.5);
  EXPECT_THROW(app->add(half_elsewhere), InvalidInput);
}

TEST_F(Tasks, HaveNamesThatMeanOneThing) {
  const auto one = task("name", [] { return 1; });
  const auto two = task("name", [] { return 2; });
  app->add(one);
  app->add(one);
  EXPECT_THROW(app->add(two), Conflict);
}

// ---- failing

TEST_F(Tasks, ThrowTheirOwnStandardExceptionsFromGet) {
  const auto fails = task("fails",
                          [](int which) {
                            if (which == 0) throw std::out_of_range("no such page: 7");
                            if (which == 1) throw std::invalid_argument("a: colon");
                            throw std::runtime_error("disk on fire");
                          },
                          {.max_attempts = 1});
  app->add(fails);
  const auto workers = app->work();
  const auto what = [&]<class E>(int which, std::type_identity<E>) -> std::string {
    try {
      app->enqueue(fails, which).get(kLong);
    } catch (const E& error) {
      EXPECT_EQ(typeid(error), typeid(E));
      return error.what();
    }
    return "nothing";
  };
  EXPECT_EQ(what(0, std::type_identity<std::out_of_range>()), "no such page: 7");
  EXPECT_EQ(what(1, std::type_identity<std::invalid_argument>()), "a: colon");
  EXPECT_EQ(what(2, std::type_identity<std::runtime_error>()), "disk on fire");
}

TEST_F(Tasks, CarryTheTypeOfOtherExceptionsByName) {
  const auto pay = task("pay",
                        [](bool odd) {
                          if (odd) throw 7;
                          throw billing::CardDeclined("insufficient funds");
                        },
                        {.max_attempts = 2, .backoff = fixed(1ms)});
  app->add(pay);
  const auto workers = app->work();
  try {
    app->enqueue(pay, false).get(kLong);
    FAIL() << "nothing thrown";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "billing::CardDeclined");
    EXPECT_STREQ(error.what(), "insufficient funds");
    EXPECT_EQ(error.attempts(), 2U);
  }
  try {
    app->enqueue(pay, true).get(kLong);
    FAIL() << "nothing thrown";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type(), "int");
  }
}

TEST_F(Tasks, AreTriedAgainUntilTheySucceed) {
  const auto third_time = task("third",
                               [](Context& context) -> std::uint32_t {
                                 if (context.attempt() < 3) throw std::runtime_error("not yet");
                                 return context.attempt();
                               },
                               {.max_attempts = 5, .backoff = fixed(1ms)});
  app->add(third_time);
  const auto workers = app->work();
  const auto job = app->enqueue(third_time);
  EXPECT_EQ(job.get(kLong), 3U);
  EXPECT_EQ(job.status().attempts, 3U);
}

TEST_F(Tasks, AreNotTriedAgainWhenTheySayPermanent) {
  std::atomic<int> runs{0};
  const auto hopeless = task("hopeless",
                             [&] {
                               ++runs;
                               throw Permanent("no such user");
                             },
                             {.max_attempts = 5, .backoff = fixed(1ms)});
  app->add(hopeless);
  const auto workers = app->work();
  const auto job = app->enqueue(hopeless);
  EXPECT_THROW(job.get(kLong), TaskError);
  EXPECT_EQ(job.status().error, "penstock::Permanent: no such user");
  EXPECT_EQ(runs, 1);
}

TEST_F(Tasks, SayThemselvesWhenToBeTriedAgain) {
  const auto busy = task("busy",
                         [](Context& context) -> int {
                           if (context.attempt() == 1) throw RetryAfter(2ms, "rate limited");
                           return 1;
                         },
                         {.max_attempts = 2, .backoff = fixed(1h)});
  app->add(busy);
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(busy).get(kLong), 1);  // and not an hour later
}

TEST_F(Tasks, WithArgumentsThatDoNotFitAreLeftToAnotherWorkerAndSayWhich) {
  const auto caller = remote_task<int(int, std::string)>("count");
  const auto count = task("count", [](int a, int b) { return a + b; }, {.max_attempts = 9});
  app->add(count);
  const auto workers = app->work();
  const auto job = app->enqueue(caller, 1, "two");
  while (job.status().declined_count == 0) ASSERT_FALSE(job.wait(1ms));
  const auto status = job.status();
  EXPECT_EQ(status.declined,
            "penstock::ArgumentError: argument 2: expected an integer, got \"two\"");
  EXPECT_EQ(status.attempts, 0U);
  EXPECT_GE(workers.statistics().declined, 1U);
  EXPECT_EQ(workers.statistics().failed, 0U);
  EXPECT_TRUE(job.cancel());
  EXPECT_THROW((void)job.get(kLong), Cancelled);
}

TEST_F(Tasks, ThatNobodyAddedGoBackUntilSomebodyDoes) {
  const auto late = task("late", [] { return 1; });
  const auto workers = app->work();
  const auto job = app->enqueue(late);
  while (workers.statistics().declined == 0) ASSERT_FALSE(job.wait(1ms));
  app->add(late);
  EXPECT_EQ(job.get(kLong), 1);
}

TEST_F(Tasks, WithAResultOfAnotherTypeSaySo) {
  const auto text = task("text", [] { return std::string("seven"); });
  app->add(text);
  const auto workers = app->work();
  const auto id = app->enqueue(text).id();
  EXPECT_THROW((void)app->job<int>(id).get(kLong), InvalidInput);
}

TEST_F(Tasks, ShowTheirLastErrorWhileTheyWaitForTheNextAttempt) {
  const auto fails =
      task("fails", [] { throw std::runtime_error("not \"yet\""); }, {.backoff = fixed(1h)});
  app->add(fails);
  const auto workers = app->work();
  const auto job = app->enqueue(fails);
  while (job.state() != JobState::retrying) ASSERT_FALSE(job.wait(1ms));
  EXPECT_EQ(job.status().error, "std::runtime_error: not \"yet\"");
  EXPECT_TRUE(job.status().next_attempt_at.has_value());
}

// ---- waiting for them

TEST_F(Tasks, ThatAreNotDoneInTimeThrowTimeoutAndGoOn) {
  Event go;
  const auto waits = task("waits", [&] { return go.wait(); });
  app->add(waits);
  const auto workers = app->work();
  const auto job = app->enqueue(waits);
  EXPECT_THROW((void)job.get(1ms), Timeout);
  EXPECT_FALSE(job.wait(0ms));
  go.set();
  EXPECT_TRUE(job.get(kLong));
}

TEST_F(Tasks, ThatNeverWereAreNotFound) {
  EXPECT_THROW(app->job<int>(12345).get(kLong), NotFound);
  EXPECT_EQ(app->job<int>(12345).state(), JobState::unknown);
  EXPECT_FALSE(app->job<int>(12345).cancel());
}

TEST_F(Tasks, ThatAreWaitedForWhenTheAppClosesThrowClosed) {
  const auto never = task("never", [] {});
  const auto job = app->enqueue(never);
  std::promise<void> outcome;
  std::thread waiter([&] {
    try {
      job.get();
      outcome.set_value();
    } catch (...) {
      outcome.set_exception(std::current_exception());
    }
  });
  app->close();
  waiter.join();
  EXPECT_THROW(outcome.get_future().get(), Closed);
  EXPECT_THROW((void)job.status(), Closed);
}

// ---- when, and in which order

TEST_F(Tasks, StartWhenTheirDelayIsOver) {
  const auto when = task("when", [] { return 1; });
  app->add(when);
  const auto workers = app->work();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(app->enqueue(when.with({.delay = 50ms})).get(kLong), 1);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 50ms);
  const auto later = app->enqueue(when.with({.at = std::chrono::system_clock::now() + 1h}));
  EXPECT_EQ(later.state(), JobState::scheduled);
}

TEST_F(Tasks, OfOneKeyAreOneTask) {
  const auto once = task("once", [](int n) { return n; });
  const auto first = app->enqueue(once.with({.key = "order-17"}), 1);
  const auto again = app->enqueue(once.with({.key = "order-17"}), 2);
  EXPECT_EQ(first.id(), again.id());
}

TEST_F(Tasks, OfHigherPriorityRunFirst) {
  std::vector<int> order;
  const auto note = task("note", [&](int n) { order.push_back(n); });
  app->add(note);
  app->enqueue(note, 1);
  app->enqueue(note, 2);
  const auto urgent = app->enqueue(note.with({.priority = 9}), 3);
  auto workers = app->work();
  urgent.get(kLong);
  while (app->queue("default").in_system > 0) std::this_thread::yield();
  workers.stop();
  EXPECT_EQ(order, (std::vector{3, 1, 2}));
}

TEST_F(Tasks, OfOneGroupRunOneAtATimeAndInOrder) {
  std::vector<int> order;
  const auto note = task("note", [&](int n) { order.push_back(n); });
  app->add(note);
  std::vector<Job<void>> jobs;
  for (int n = 0; n < 20; ++n) jobs.push_back(app->enqueue(note.with({.group = "g"}), n));
  const auto workers = app->work({.threads = {4, 4}});
  for (const auto& job : jobs) job.get(kLong);
  ASSERT_EQ(order.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

}  // namespace
}  // namespace penstock::testing
