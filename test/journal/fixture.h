// What the journal's tests share: a replay that remembers, and a log on a disk in memory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "journal/format.h"
#include "journal/journal.h"
#include "journal/names.h"
#include "os/memory_directory.h"

namespace penstock::journal {

// Deterministic: splitmix64 (Steele, Lea, Flood 2014).
class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

class FixedClock : public Clock {
 public:
  Time now() override { return time_from_micros(1'700'000'000'000'000); }
};

struct Seen {
  LogPosition position;
  int kind = 0;
  std::string head;
  std::uint32_t body_bytes = 0;
  bool operator==(const Seen&) const = default;
};

// Keeps everything that recovery tells, and checks the order it is told in.
class Recorder : public Replay {
 public:
  Result<void> checkpoint(ByteView bytes, LogPosition position) override {
    EXPECT_TRUE(records.empty() && live.empty() && !done);
    state = std::string(as_text(bytes));
    covers = position;
    return {};
  }
  Result<void> live_record(const RecordHead& record) override {
    EXPECT_FALSE(done);
    EXPECT_TRUE(live.empty() || live.back().position < record.position);
    live.push_back(copy(record));
    return {};
  }
  Result<void> live_done() override {
    EXPECT_FALSE(done);
    done = true;
    return {};
  }
  Result<void> record(const RecordHead& record) override {
    EXPECT_TRUE(done);
    EXPECT_TRUE(records.empty() || records.back().position < record.position);
    records.push_back(copy(record));
    return {};
  }

  std::string state;
  LogPosition covers;
  std::vector<Seen> live, records;
  bool done = false;

 private:
  static Seen copy(const RecordHead& record) {
    return {record.position, record.kind, std::string(as_text(record.head)), record.body_bytes};
  }
};

inline Options small_options() {
  static FixedClock clock;
  Options options;
  options.segment_bytes = 64 << 10;
  options.spare_segments = 1;
  options.reserve_bytes = 0;
  options.clock = &clock;
  LogId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i + 1);
  options.log_id = id;
  return options;
}

// One life of a log.
struct Life {
  Recorder recorder;
  std::unique_ptr<Journal> journal;
  Error error;

  explicit Life(Directory& directory, const Options& options = small_options()) {
    auto opened = Journal::open(directory, options, recorder);
    if (opened) {
      journal = std::move(*opened);
    } else {
      error = opened.error();
    }
  }
  explicit operator bool() const { return journal != nullptr; }
  Journal* operator->() { return journal.get(); }
  LogPosition put(const std::string& head, const std::string& body, std::uint8_t kind = 1) {
    return journal->append(kind, as_bytes(head), as_bytes(body));
  }
  std::string body(LogPosition position) {
    auto record = journal->read(position);
    return record ? std::string(as_text(record->body)) : "error: " + record.error().message;
  }
};

inline std::string pattern(std::uint64_t n, std::size_t bytes) {
  std::string text(bytes, ' ');
  SeededRandom random(n);
  for (auto& c : text) c = static_cast<char>('a' + random.below(26));
  return text;
}

}  // namespace penstock::journal
