#include "fuzz/support/log.h"

#include <algorithm>
#include <map>
#include <memory>

#include "base/check.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/names.h"
#include "journal/verify.h"
#include "os/memory_directory.h"

namespace penstock::fuzz {
namespace {

using namespace journal;

constexpr std::uint64_t kLongestRepaired = 64 << 20;

class FixedClock : public Clock {
 public:
  Time now() override { return time_from_micros(1'700'000'000'000'000); }
};

struct Seen {
  LogPosition position;
  std::uint32_t head_bytes;
  std::uint32_t body_bytes;
  bool operator==(const Seen&) const = default;
};

class Recorder : public Replay {
 public:
  Result<void> checkpoint(ByteView, LogPosition) override { return {}; }
  Result<void> live_record(const RecordHead&) override { return {}; }
  Result<void> live_done() override { return {}; }
  Result<void> record(const RecordHead& record) override {
    CHECK(seen.empty() || seen.back().position < record.position);
    CHECK(record.head.size() <= kSegmentBytes && record.body_bytes <= kSegmentBytes);
    seen.push_back(
        {record.position, static_cast<std::uint32_t>(record.head.size()), record.body_bytes});
    return {};
  }
  std::vector<Seen> seen;
};

Options options() {
  static FixedClock clock;
  Options result;
  result.segment_bytes = kSegmentBytes;
  result.tail_cache_bytes = 64u << 10;
  result.spare_segments = 0;
  result.reserve_bytes = 0;
  result.clock = &clock;
  result.log_id.emplace();
  return result;
}

void reseal_batch(const Layout& layout, LogPosition position, std::span<std::byte> batch) {
  const auto word = [&](std::size_t at) {
    std::uint32_t value;
    std::memcpy(&value, batch.data() + at, sizeof value);
    return value;
  };
  for (std::uint64_t at = kBatchHeaderBytes; at + kRecordHeaderBytes <= batch.size();) {
    const auto header = decode_record_header(batch.data() + at);
    const auto exact = std::uint64_t{kRecordHeaderBytes} + header.head_bytes + header.body_bytes;
    if (exact == kRecordHeaderBytes || exact > batch.size() - at) break;
    const auto crc = record_crc(layout, LogPosition(position.value + at), batch.subspan(at, exact));
    std::memcpy(batch.data() + at, &crc, sizeof crc);
    at += header.total_bytes();
  }
  // As seal_batch() lays it out; position and identity come from the place.
  BatchHeader header{.position = position.value};
  std::memcpy(&header.durable, batch.data() + 32, 8);
  std::memcpy(&header.epoch, batch.data() + 40, 8);
  header.total_bytes = static_cast<std::uint32_t>(batch.size());
  header.payload_bytes = word(52);
  header.record_count = word(56);
  header.previous_crc = word(60);
  header.flags = word(64);
  header.replaced_crc = word(68);
  seal_batch(layout, header, batch);
}

// What opening it says: an error, or the records.
struct Opened {
  std::string error;
  std::vector<Seen> seen;
  bool operator==(const Opened&) const = default;
};

Opened open(MemoryDirectory& directory) {
  Opened result;
  Recorder recorder;
  auto log = Journal::open(directory, options(), recorder);
  if (!log) {
    result.error = log.error().message;
    check_line(result.error);
    return result;
  }
  result.seen = std::move(recorder.seen);
  for (const auto& seen : result.seen) {
    // Never a wrong payload: what is read back is what recovery told of.
    const auto record = (*log)->read(seen.position);
    if (!record) {
      check_line(record.error().message);
      continue;
    }
    CHECK(record->head.size() == seen.head_bytes && record->body.size() == seen.body_bytes);
  }
  return result;
}

std::uint32_t word_at(const Bytes& segment, std::uint64_t at) {
  std::uint32_t value;
  std::memcpy(&value, segment.data() + at, sizeof value);
  return value;
}

}  // namespace

void reseal(Bytes& segment) {
  // The segment's header: magic, checksum, then 56 bytes that it covers.
  const auto header_crc = crc32c(ByteView(segment).subspan(12, 56), 0);
  std::memcpy(segment.data() + 8, &header_crc, sizeof header_crc);
  const auto header = decode_segment_header(ByteView(segment).first(kBlock)).header;
  if (!header || header->segment_bytes != segment.size()) return;
  const Layout layout(header->log_id, header->segment_bytes);
  std::uint32_t previous = header->previous_crc;
  for (std::uint64_t at = kBlock; at + kBlock <= segment.size();) {
    const std::uint64_t total = word_at(segment, at + 48);
    if (total == 0 || total % kBlock != 0 || total > segment.size() - at) return;
    // Mostly the chain holds; a batch that names another predecessor is worth a try as well.
    if (word_at(segment, at + 60) % 8 != 7)
      std::memcpy(segment.data() + at + 60, &previous, sizeof previous);
    const auto batch = std::span(segment).subspan(at, total);
    reseal_batch(layout, layout.position(header->number, at), batch);
    previous = word_at(segment, at + 8);
    at += total;
  }
}

void check_log(ByteView bytes, bool resealed) {
  Bytes segment(kSegmentBytes);
  std::ranges::copy(bytes.first(std::min(bytes.size(), segment.size())), segment.begin());
  if (resealed) reseal(segment);
  const auto header = decode_segment_header(ByteView(segment).first(kBlock)).header;
  const std::uint64_t number = header ? std::clamp<std::uint64_t>(header->number, 1, 9) : 1;
  MemoryDirectory directory;
  directory.set_contents(segment_name(number), segment);
  const auto disk = directory.snapshot();

  const Meter meter;
  const auto first = open(directory);
  // Whatever lengths and counts are in it: a segment or two, their heads, the caches that were
  // asked for.
  meter.check_memory(segment.size(), 16, 4u << 20);
  if (first.error.empty()) {
    // Recovering what was recovered changes nothing.
    const auto second = open(directory);
    CHECK(second == first);
  }
  directory.restore(disk);
  const auto verified = verify(directory, false);
  if (verified) {
    for (const auto& problem : verified->problems) check_line(problem.what);
    if (verified->healthy() && !first.error.empty())
      fatal("verify found nothing, and the log does not open", first.error);
  } else {
    check_line(verified.error().message);
  }
  // A repair writes a segment as long as its header says, in pieces; the disk is memory here.
  if (header && header->segment_bytes > kLongestRepaired) return;
  // Repair leaves a log that opens, or says that it could not.
  const auto repaired = verify(directory, true);
  if (!repaired) return;
  const bool all = std::ranges::all_of(repaired->problems, &VerifyProblem::repaired);
  if (!all) return;
  const auto after = open(directory);
  if (!after.error.empty()) fatal("what was repaired does not open", after.error);
}

}  // namespace penstock::fuzz
