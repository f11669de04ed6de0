// Which thread writes a batch.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "broker/driver.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

// A disk whose syncs take as long as a test says, by the journal's clock.
class SlowDirectory final : public MemoryDirectory {
 public:
  explicit SlowDirectory(FakeClock& clock) : clock_(clock) {}
  Result<std::unique_ptr<File>> open(const std::string& name) override {
    return slowed(MemoryDirectory::open(name));
  }
  Result<std::unique_ptr<File>> create(const std::string& name) override {
    return slowed(MemoryDirectory::create(name));
  }
  Duration sync_time{};
  std::thread::id synced_by;

 private:
  class SlowFile final : public File {
   public:
    SlowFile(SlowDirectory& directory, std::unique_ptr<File> file)
        : directory_(directory), file_(std::move(file)) {}
    Result<void> write_at(std::uint64_t offset, ByteView data) override {
      return file_->write_at(offset, data);
    }
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
      return file_->read_at(offset, into);
    }
    Result<void> sync() override {
      directory_.clock_.advance(directory_.sync_time);
      directory_.synced_by = std::this_thread::get_id();
      return file_->sync();
    }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Result<void> allocate(std::uint64_t bytes) override { return file_->allocate(bytes); }

   private:
    SlowDirectory& directory_;
    std::unique_ptr<File> file_;
  };
  Result<std::unique_ptr<File>> slowed(Result<std::unique_ptr<File>> file) {
    if (!file) return file;
    return std::make_unique<SlowFile>(*this, std::move(*file));
  }

  FakeClock& clock_;
};

class CommitterTest : public testing::Test {
 protected:
  CommitterTest() : directory_(clock_) {
    Options options;
    options.journal.segment_bytes = 1 << 20;
    options.journal.reserve_bytes = 0;
    options.journal.clock = &clock_;
    broker_ = Broker::open(directory_, clock_, random_, options).value();
    session_ = broker_->open_session(sink_);
    committer_.emplace(*broker_, [this](journal::Batch&) {
      const std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_one();
    });
  }

  // Publishes so many bytes, a sync taking so long, and says whether this thread wrote them.
  bool writes_here(std::size_t bytes, Duration sync_time = {}) {
    directory_.sync_time = sync_time;
    const std::string body(bytes, 'x');
    engine::MessageInput message;
    message.body = as_bytes(body);
    broker_->publish(session_, ++tag_, engine::Publish{"q", std::span(&message, 1)});
    broker_->turn();
    auto* batch = broker_->seal();
    const bool here = committer_->submit(*batch);
    if (!here) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return done_; });
      done_ = false;
    }
    EXPECT_EQ(here, directory_.synced_by == std::this_thread::get_id());
    broker_->complete(*batch);
    EXPECT_TRUE(sink_.replies.contains(tag_));
    return here;
  }

  FakeClock clock_;
  FakeRandom random_;
  SlowDirectory directory_;
  Sink sink_;
  std::unique_ptr<Broker> broker_;
  SessionId session_;
  Tag tag_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::optional<Committer> committer_;
};

TEST_F(CommitterTest, ASmallBatchIsWrittenByItsOwnerAndALargeOneByTheWriter) {
  EXPECT_TRUE(writes_here(1'000));
  EXPECT_FALSE(writes_here(100'000));
  EXPECT_TRUE(writes_here(1'000));
}

TEST_F(CommitterTest, ADiskThatStaysSlowDoesNotKeepTheOwnerWaiting) {
  int slow_here = 0;
  while (writes_here(1'000, 5ms)) ASSERT_LT(++slow_here, 10);
  EXPECT_GE(slow_here, 2) << "one slow sync alone proves nothing";
  EXPECT_FALSE(writes_here(1'000, 5ms));
  EXPECT_FALSE(writes_here(1'000)) << "the writer has to see first that it is quick again";
  EXPECT_TRUE(writes_here(1'000));
}

}  // namespace
}  // namespace penstock::broker
