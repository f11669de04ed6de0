// What the tests of parity share: a log with sealed segments, and a hand on the clock.
#pragma once

#include <algorithm>
#include <optional>

#include "journal/parity.h"
#include "test/journal/fixture.h"

namespace penstock::journal {

class HandClock : public Clock {
 public:
  Time now() override { return time_; }
  void forward(Duration by) { time_ += by; }

 private:
  Time time_ = time_from_micros(1'700'000'000'000'000);
};

inline constexpr std::uint64_t kSegment = 64 << 10;
inline constexpr Duration kHour = std::chrono::hours(1);

struct Record {
  LogPosition position;
  std::string body;
};

// A log of `segments` whole segments and a beginning, on a disk in memory, with a hand on the
// clock.
class JournalParity : public testing::Test {
 protected:
  Options options() {
    auto result = small_options();
    result.segment_bytes = segment_bytes_;
    result.tail_cache_bytes = 0;
    result.clock = &clock_;
    return result;
  }
  void open(bool expect = true) {
    life_.reset();
    life_.emplace(disk_, options());
    if (expect) {
      ASSERT_TRUE(*life_) << life_->error.message;
    }
  }
  void fill(std::uint64_t segments) {
    auto& life = *life_;
    while (life->segment_of(life->durable()) <= segments) {
      const auto n = records_.size();
      auto body = pattern(n, 200 + n * 37 % 3000);
      records_.push_back({life.put("h" + std::to_string(n), body), body});
      life->retain(records_.back().position, body.size());
      if (n % 3 == 0) life->commit();
    }
    life->commit();
  }
  // Everything that is to be done at this time. How many steps it took.
  int tend() {
    int steps = 0;
    while ((*life_)->tend() <= clock_.now()) {
      if (++steps > 100'000) {
        ADD_FAILURE() << "it never comes to an end";
        break;
      }
    }
    return steps;
  }
  // A whole scrub, and what it leads to.
  void scrub() {
    const auto scrubs = (*life_)->statistics().scrubs;
    for (int n = 0; n < 100'000; ++n) {
      const Time next = (*life_)->tend();
      if ((*life_)->statistics().scrubs > scrubs) break;
      clock_.forward(std::max(next - clock_.now(), Duration::zero()));
    }
    tend();
  }
  void write_log(std::uint64_t segments) {
    open();
    if (HasFatalFailure()) return;
    fill(segments);
    tend();
    image_ = disk_.snapshot();
  }
  void damage(const std::string& name, std::uint64_t from, std::uint64_t count) {
    auto bytes = disk_.contents(name);
    for (auto at = from; at < from + count; ++at) bytes.at(at) ^= std::byte{0x55};
    disk_.set_contents(name, bytes);
  }
  // The log as it was before it was damaged, but for files that say nothing.
  void expect_as_it_was() {
    for (const auto& [name, bytes] : image_) {
      if (name.starts_with("journal-")) {
        EXPECT_TRUE(disk_.contents(name) == bytes) << name;
      }
    }
  }
  void expect_bodies() {
    for (const auto& record : records_) ASSERT_EQ(life_->body(record.position), record.body);
  }
  Journal::Statistics statistics() { return (*life_)->statistics(); }

  std::uint64_t segment_bytes_ = kSegment;
  HandClock clock_;
  MemoryDirectory disk_;
  std::optional<Life> life_;
  std::vector<Record> records_;
  std::map<std::string, Bytes> image_;
};

}  // namespace penstock::journal
