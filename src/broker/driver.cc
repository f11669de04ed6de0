#include "broker/driver.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"
#include "journal/batch.h"

namespace penstock::broker {
namespace {

// What the owner writes itself. While it does, it hears nobody; so only on a disk whose syncs are
// quick. A few slow ones in a row are borne with: a busy processor makes them look slow, too. One
// without bodies, of deliveries and settles by the thousand, may be larger: there are few who wait
// for it, and nobody sends much meanwhile.
constexpr std::uint64_t kSmallBatchBytes = 8 << 10;
constexpr std::uint64_t kSmallWithoutBodies = 32 << 10;
constexpr std::uint64_t kQuickSyncMicros = 500;
constexpr int kSlowSyncsBorne = 4;

}  // namespace

// ---- the writer thread

class Committer::Impl {
 public:
  Impl(Broker& broker, std::function<void(journal::Batch&)> done)
      : broker_(broker), done_(std::move(done)), thread_([this] { run(); }) {}
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  bool submit(journal::Batch& batch) {
    if (is_small(batch) && patience_ > 0) {
      write(batch);
      return true;
    }
    {
      const std::lock_guard lock(mutex_);
      next_ = &batch;
    }
    wake_.notify_one();
    return false;
  }

 private:
  // One that begins a segment waits for several syncs.
  static bool is_small(const journal::Batch& batch) {
    const auto most = batch.has_bodies ? kSmallBatchBytes : kSmallWithoutBodies;
    return batch.buffer.size() <= most && batch.opens == 0 && !batch.seals;
  }

  // Whose turn it is: the owner's, or after submit() the writer's until it is done.
  void write(journal::Batch& batch) {
    broker_.write(batch);
    if (batch.sync_micros <= kQuickSyncMicros) {
      patience_ = kSlowSyncsBorne;
    } else if (patience_ > 0) {
      --patience_;
    }
  }

  void run() {
    for (;;) {
      journal::Batch* batch = nullptr;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return next_ != nullptr || stopping_; });
        batch = std::exchange(next_, nullptr);
        if (batch == nullptr) return;
      }
      write(*batch);
      done_(*batch);
    }
  }

  Broker& broker_;
  std::function<void(journal::Batch&)> done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  journal::Batch* next_ = nullptr;
  bool stopping_ = false;
  int patience_ = kSlowSyncsBorne;
  std::thread thread_;
};

Committer::Committer(Broker& broker, std::function<void(journal::Batch&)> done)
    : impl_(std::make_unique<Impl>(broker, std::move(done))) {}
Committer::~Committer() = default;
bool Committer::submit(journal::Batch& batch) {
  return impl_->submit(batch);
}

// ---- the owner's thread

class Driver::Impl {
 public:
  explicit Impl(std::unique_ptr<Broker> broker)
      : broker_(std::move(broker)),
        committer_(std::make_unique<Committer>(*broker_,
                                               [this](journal::Batch& batch) { written(batch); })),
        preparer_([this] { prepare(); }),
        thread_([this] { run(); }) {}

  ~Impl() { stop(); }

  void post(std::move_only_function<void(Broker&)> work) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = work_.empty();
      work_.push_back(std::move(work));
    }
    if (first) wake_.notify_one();
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
    }
    prepare_wake_.notify_one();
    preparer_.join();
    wake_.notify_one();
    thread_.join();
  }

 private:
  void written(journal::Batch& batch) {
    {
      const std::lock_guard lock(mutex_);
      written_ = &batch;
    }
    wake_.notify_one();
  }

  // Until there is work, a batch is written, a timer is due, or the end has come.
  bool wait(std::vector<std::move_only_function<void(Broker&)>>& work, journal::Batch*& written) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !work_.empty() || written_ != nullptr || stopping_; };
    const auto due = std::min({broker_->next_timer(), maintain_at_, rest_at_});
    if (!ready() && due > broker_->now())
      wake_.wait_for(lock, std::min<Duration>(due - broker_->now(), kLongestNap), ready);
    work.swap(work_);
    written = std::exchange(written_, nullptr);
    return !stopping_ || !work.empty() || written != nullptr;
  }

  void run() {
    std::vector<std::move_only_function<void(Broker&)>> work;
    journal::Batch* done = nullptr;
    bool writing = false;
    while (wait(work, done)) {
      if (done != nullptr) {
        broker_->complete(*done);
        writing = false;
        maintain(true);
      }
      for (auto& one : work) one(*broker_);
      work.clear();
      do {
        broker_->turn();
        maintain(false);
      } while (!writing && commit(writing));
    }
    if (writing) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return written_ != nullptr; });
      broker_->complete(*std::exchange(written_, nullptr));
    }
    broker_->close();
  }

  // Whether something was written here and now; what that released may have caused more.
  bool commit(bool& writing) {
    auto* batch = broker_->seal();
    if (batch == nullptr) return false;
    writing = !committer_->submit(*batch);
    if (writing) return false;
    broker_->complete(*batch);
    maintain(true);
    return true;
  }

  void maintain(bool wrote) {
    if (wrote) {
      worth_ = true;
      prepare_wake_.notify_one();
    }
    const auto now = broker_->now();
    if (now < maintain_at_ && maintain_at_ != Time::max()) return;
    if (worth_) {
      broker_->maintain();
      rest_at_ = now + Broker::kRestAfter;
    }
    // Nothing was written for a while: nothing to tidy, no reason to wake.
    maintain_at_ = worth_ ? now + kTidy : Time::max();
    worth_ = false;
    if (now < rest_at_) return;
    rest_at_ = Time::max();
    broker_->rest();
  }

  void prepare() {
    for (Time next{}, tend_at{};;) {
      {
        std::unique_lock lock(mutex_);
        const auto now = broker_->now();
        if (next > now && !stopping_)
          prepare_wake_.wait_for(lock, std::min<Duration>(next - now, kLongestNap));
        if (stopping_) return;
      }
      auto made = broker_->prepare();
      if (!made) fatal("prepare a journal segment", made.error().message, made.error().hint);
      if (const auto now = broker_->now(); now >= tend_at) {
        tend_at = now + Broker::kTendPace;
        next = broker_->tend();
      }
      next = *made ? Time{} : std::max(next, tend_at);
    }
  }

  static constexpr Duration kTidy = std::chrono::milliseconds(200);
  static constexpr Duration kLongestNap = std::chrono::hours(1);

  std::unique_ptr<Broker> broker_;
  std::mutex mutex_;
  std::condition_variable wake_, prepare_wake_;
  std::vector<std::move_only_function<void(Broker&)>> work_;
  journal::Batch* written_ = nullptr;
  bool stopping_ = false;
  bool worth_ = false;
  Time maintain_at_{}, rest_at_ = Time::max();
  std::unique_ptr<Committer> committer_;
  std::thread preparer_;
  std::thread thread_;
};

Driver::Driver(std::unique_ptr<Broker> broker) : impl_(std::make_unique<Impl>(std::move(broker))) {}
Driver::~Driver() = default;
void Driver::post(std::move_only_function<void(Broker&)> work) {
  impl_->post(std::move(work));
}
void Driver::stop() {
  impl_->stop();
}

}  // namespace penstock::broker
