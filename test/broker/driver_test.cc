// A broker on a thread of its own: everything that is posted runs, in order, and what was answered
// is there afterwards.
#include "broker/driver.h"

#include <atomic>
#include <future>
#include <thread>

#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

// Goes on by a millisecond whenever it is asked: what is due soon is due without anybody sleeping
// for longer than that.
class TickingClock final : public Clock {
 public:
  Time now() override { return time_from_micros(micros_.fetch_add(1000)); }

 private:
  std::atomic<std::int64_t> micros_ = 1'700'000'000'000'000;
};

// On which, when a test says so, no file can be made any more.
class ClosedDirectory final : public MemoryDirectory {
 public:
  Result<std::unique_ptr<File>> create(const std::string& name) override {
    if (closed) return fail(ErrorCode::io, "create " + name + ": Input/output error");
    return MemoryDirectory::create(name);
  }
  std::atomic<bool> closed = false;
};

// Tells a future of each answer, by tag.
class Promised final : public ReplySink {
 public:
  std::future<std::string> expect(Tag tag) { return promises_[tag].get_future(); }
  void on_reply(Tag tag, const Reply& reply) override {
    std::string kind = "other";
    if (std::holds_alternative<Published>(reply)) kind = "published";
    if (const auto* delivered = std::get_if<Delivered>(&reply))
      kind = "delivered " + std::to_string(delivered->messages.size());
    promises_.at(tag).set_value(kind);
  }

 private:
  std::map<Tag, std::promise<std::string>> promises_;
};

class DriverTest : public testing::Test {
 protected:
  DriverTest() {
    options_.journal.segment_bytes = 16 << 20;  // all fits into one batch
    options_.journal.reserve_bytes = 0;
  }
  std::unique_ptr<Broker> open() {
    auto opened = Broker::open(directory_, clock_, random_, options_);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  // On the broker's thread.
  void publish(Broker& broker, Tag tag, std::size_t bytes, Duration delay = 0s) {
    const std::string body(bytes, 'x');
    engine::MessageInput message;
    message.body = as_bytes(body);
    if (delay > 0s) message.not_before = broker.now() + delay;
    broker.publish(session_, tag, engine::Publish{"q", {&message, 1}});
  }
  std::uint64_t messages_after_restart() { return open()->statistics().messages; }

  ClosedDirectory directory_;
  TickingClock clock_;
  FakeRandom random_;
  Options options_;
  Promised sink_;
  SessionId session_;
};

TEST_F(DriverTest, answers_what_any_thread_posts_when_it_is_on_the_disk) {
  constexpr Tag kThreads = 4, kEach = 25;
  std::vector<std::future<std::string>> answers;
  answers.reserve(kThreads * kEach);
  for (Tag tag = 1; tag <= kThreads * kEach; ++tag) answers.push_back(sink_.expect(tag));
  std::optional<Driver> driver(std::in_place, open());
  driver->post([&](Broker& broker) { session_ = broker.open_session(sink_); });
  {
    std::vector<std::jthread> threads;
    for (Tag thread = 0; thread < kThreads; ++thread)
      threads.emplace_back([&, thread] {
        for (Tag n = 1; n <= kEach; ++n)
          driver->post([&, tag = thread * kEach + n](Broker& broker) {
            // Small ones are written by the broker's thread, large ones by the writer's.
            publish(broker, tag, tag % 3 == 0 ? 40'000 : 10);
          });
      });
  }
  for (auto& answer : answers) EXPECT_EQ(answer.get(), "published");
  std::promise<void> looked;
  driver->post([&](Broker& broker) {
    EXPECT_EQ(broker.statistics().messages, kThreads * kEach);
    looked.set_value();
  });
  looked.get_future().get();
  driver->stop();
  driver.reset();
  EXPECT_EQ(messages_after_restart(), kThreads * kEach);
}

TEST_F(DriverTest, runs_all_that_was_posted_before_the_end_in_its_order) {
  std::vector<int> order;
  {
    Driver driver(open());
    driver.post([&](Broker& broker) { session_ = broker.open_session(sink_); });
    std::ignore = sink_.expect(1);
    driver.post([&](Broker& broker) { publish(broker, 1, 100'000); });
    for (int n = 0; n < 100; ++n) driver.post([&order, n](Broker&) { order.push_back(n); });
  }
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(messages_after_restart(), 1u) << "what is being written at the end is finished";
}

TEST_F(DriverTest, wakes_by_itself_for_what_is_due) {
  Driver driver(open());
  auto published = sink_.expect(1), delivered = sink_.expect(2);
  driver.post([&](Broker& broker) {
    session_ = broker.open_session(sink_);
    publish(broker, 1, 10, 5ms);
    engine::Take take;
    take.queues = {"q"};
    take.wait_until = broker.now() + 1h;
    broker.take(session_, 2, take);
  });
  EXPECT_EQ(published.get(), "published");
  EXPECT_EQ(delivered.get(), "delivered 1");
}

TEST_F(DriverTest, lets_the_broker_rest_once_nothing_was_written_for_a_while) {
  Driver driver(open());
  auto published = sink_.expect(1), purged = sink_.expect(2);
  driver.post([&](Broker& broker) {
    session_ = broker.open_session(sink_);
    publish(broker, 1, 10);
  });
  EXPECT_EQ(published.get(), "published");
  driver.post([&](Broker& broker) { broker.purge(session_, 2, "q"); });
  EXPECT_EQ(purged.get(), "other");
  // Each look lets the clock go on, and writes nothing.
  const auto bytes_in_memory = [&] {
    std::promise<std::uint64_t> bytes;
    driver.post([&](Broker& broker) { bytes.set_value(broker.statistics().journal.cache_bytes); });
    return bytes.get_future().get();
  };
  EXPECT_GT(bytes_in_memory(), 0u);
  const auto end = clock_.now() + 2 * Broker::kRestAfter;
  while (bytes_in_memory() > 0 && clock_.now() < end) continue;
  EXPECT_EQ(bytes_in_memory(), 0u);
}

TEST_F(DriverTest, ends_the_process_when_no_segment_can_be_made) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        auto broker = open();
        directory_.closed = true;
        Driver driver(std::move(broker));
        std::promise<void>().get_future().wait();
      },
      "prepare a journal segment");
}

}  // namespace
}  // namespace penstock::broker
