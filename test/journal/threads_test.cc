// The owner appends, seals and reads while another thread writes, and a third prepares.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "journal/journal.h"
#include "os/real_clock.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

// Hands batches to the writer thread and takes them back.
class Writer {
 public:
  explicit Writer(Journal& journal) : journal_(journal), thread_([this] { run(); }) {}
  ~Writer() {
    {
      const std::scoped_lock guard(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void give(Batch* batch) {
    {
      const std::scoped_lock guard(mutex_);
      todo_ = batch;
    }
    changed_.notify_all();
  }
  // The written batch; null when there is none yet and `wait` is false.
  Batch* take(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) changed_.wait(lock, [&] { return done_ != nullptr; });
    return std::exchange(done_, nullptr);
  }

 private:
  void run() {
    for (;;) {
      Batch* batch = nullptr;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return todo_ != nullptr || stop_; });
        if (todo_ == nullptr) return;
        batch = std::exchange(todo_, nullptr);
      }
      journal_.write(*batch);
      const std::scoped_lock guard(mutex_);
      done_ = batch;
      changed_.notify_all();
    }
  }

  Journal& journal_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Batch* todo_ = nullptr;
  Batch* done_ = nullptr;
  bool stop_ = false;
  std::thread thread_;
};

TEST(JournalThreads, append_seal_and_read_go_on_while_another_thread_writes) {
  MemoryDirectory disk;
  auto clock = make_real_clock();
  auto options = small_options();
  options.clock = clock.get();
  options.tail_cache_bytes = 64 << 10;
  options.spare_segments = 2;
  options.reserve_bytes = 64 << 10;
  options.scrub_interval = std::chrono::milliseconds(1);  // without end
  std::vector<std::pair<LogPosition, int>> written;
  {
    Life life(disk, options);
    ASSERT_TRUE(life) << life.error.message;
    std::jthread preparer([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        EXPECT_TRUE(life->prepare());
        static_cast<void>(life->tend());
        std::this_thread::yield();
      }
    });
    Writer writer(*life.journal);
    bool busy = false;
    const auto turn = [&](bool wait) {
      if (Batch* done = busy ? writer.take(wait) : nullptr) {
        life->complete(*done);
        busy = false;
      }
      if (busy) return;
      if (Batch* batch = life->seal()) {
        busy = true;
        writer.give(batch);
      }
    };
    SeededRandom random(1);
    for (int i = 0; i < 3000; ++i) {
      while (life->room_for(2000) != Journal::Room::yes) turn(true);
      written.emplace_back(life.put("h", pattern(static_cast<std::uint64_t>(i), i % 1000)), i);
      if (i % 3 == 0) turn(false);
      const auto& [position, n] =
          written[written.size() - 1 - random.below(std::min<std::size_t>(written.size(), 200))];
      ASSERT_EQ(life.body(position), pattern(static_cast<std::uint64_t>(n), n % 1000));
      if (i % 500 == 499) {
        while (life->durable() != life->appended()) turn(true);
        ASSERT_TRUE(life->write_checkpoint(as_bytes("state"), {}));
        written.clear();
      }
    }
    while (life->durable() != life->appended()) turn(true);
    if (busy) turn(true);
    const auto statistics = life->statistics();
    EXPECT_EQ(statistics.damaged_blocks + statistics.repaired_blocks, 0u);
    EXPECT_TRUE(life->take_findings().empty());
    life->close();
  }
  Life life(disk, options);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_TRUE(life->report().clean);
  EXPECT_EQ(life.recorder.records.size(), 0u) << "the last checkpoint covers them all";
}

}  // namespace
}  // namespace penstock::journal
