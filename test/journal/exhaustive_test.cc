// Every kind of damage at every place: verify finds it, names it, and keeps all that is good.
//
// Every byte of a segment of 64 KiB is flipped, and every length is cut to, in the usual run;
// repaired is a share of that. With PENSTOCK_EXHAUSTIVE set (make verify-exhaustive) the segment
// has 1 MiB, and a larger share is repaired.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "journal/footer.h"
#include "journal/journal.h"
#include "journal/parity.h"
#include "journal/verify.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

const bool kAll = std::getenv("PENSTOCK_EXHAUSTIVE") != nullptr;
const std::uint64_t kSize = kAll ? 1 << 20 : 64 << 10;
constexpr std::uint64_t kSector = 512;
// Under a sanitizer, which takes ten times as long, a share of the places.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kStep = 13;
#else
constexpr std::uint64_t kStep = 1;
#endif
constexpr std::uint64_t kHeaderBytes = 68;  // of a segment; each is damaged in every run

Options options() {
  auto result = small_options();
  result.segment_bytes = kSize;
  result.tail_cache_bytes = 0;
  return result;
}

struct Written {
  std::string head, body;
};

// The records as this test knows them, which never asks the journal where it put what.
struct Log {
  std::map<LogPosition, Written> records;
  std::map<std::string, Bytes> image;
  std::uint64_t clean_mark = 0;           // offset of the last batch in segment 2
  std::vector<std::uint64_t> batch_ends;  // in segment 2

  // Of the records, those of which a byte differs between what was written and `now`.
  [[nodiscard]] std::set<LogPosition> hit(const std::string& name, const Bytes& now) const {
    std::set<LogPosition> result;
    const auto& was = image.at(name);
    for (const auto& [position, record] : records) {
      if (segment_name(position.value / kSize) != name) continue;
      const auto from = position.value % kSize;
      const auto bytes = kRecordHeaderBytes + record.head.size() + record.body.size();
      for (auto at = from; at < from + bytes; ++at)
        if (at >= now.size() ? was[at] != std::byte{0} : was[at] != now[at])
          result.insert(position);
    }
    return result;
  }
  // When the last segment was cut: nothing proves that a batch was durable whose end is gone, and
  // a batch survives whole or not at all.
  [[nodiscard]] std::set<LogPosition> behind_whole_batches(const Bytes& now) const {
    const auto& was = image.at(segment_name(2));
    std::uint64_t end = kBlock;
    for (const auto next : batch_ends) {
      bool whole = true;
      for (auto at = now.size(); at < next; ++at) whole = whole && was[at] == std::byte{0};
      if (!whole) break;
      end = next;
    }
    std::set<LogPosition> result;
    for (const auto& [position, record] : records)
      if (position.value >= 2 * kSize + end) result.insert(position);
    return result;
  }
};

// Segment 1 full and sealed, segment 2 begun, and a clean end. With parity when asked for.
Log write_log(MemoryDirectory& disk, bool parity) {
  Log log;
  Life life(disk, options());
  for (std::size_t n = 0;
       life->segment_of(life->durable()) < 2 || life->offset_of(life->durable()) < kSize / 4; ++n) {
    Written record{"head " + std::to_string(n), pattern(n, n % 7 == 0 ? 0 : n * 131 % 3001)};
    const auto position = life.put(record.head, record.body);
    log.records[position] = std::move(record);
    if (n % 3 != 0) continue;
    life->commit();
    if (life->segment_of(life->durable()) == 2)
      log.batch_ends.push_back(life->offset_of(life->durable()));
  }
  life->commit();
  log.batch_ends.push_back(life->offset_of(life->durable()));
  log.clean_mark = life->offset_of(life->durable());
  while (parity && life->tend() <= small_options().clock->now()) continue;
  life->close();
  log.image = disk.snapshot();
  return log;
}

// Whether anybody wrote the byte and would miss it.
bool matters(const Log& log, std::uint64_t number, std::uint64_t at) {
  const auto& segment = log.image.at(segment_name(number));
  const auto trailer_at = kSize - kBlock;
  if (at < kBlock) return at < kHeaderBytes;
  if (number == 2) return at < log.clean_mark;
  if (at >= trailer_at) return at - trailer_at < 64;
  const Layout layout(*options().log_id, kSize);
  const auto trailer = decode_trailer(layout, number, ByteView(segment).subspan(trailer_at));
  if (at < trailer->data_end) return true;
  const auto footer_at = chunk_offset(layout, trailer->chunk_count - 1);
  if (at < footer_at) return false;
  const auto chunk = footer_at + (at - footer_at) / layout.chunk_bytes() * layout.chunk_bytes();
  std::uint32_t used;
  std::memcpy(&used, segment.data() + chunk + 8, sizeof used);
  return at - chunk < kChunkHeaderBytes + used;
}

class JournalExhaustive : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { log_ = write_log(disk_, GetParam()); }
  [[nodiscard]] bool parity() const { return GetParam(); }

  // What verify says of the damage, which it may not repair.
  VerifyReport look() {
    auto report = verify(disk_, false);
    EXPECT_TRUE(report) << report.error().message;
    return report ? std::move(*report) : VerifyReport{};
  }
  void expect_named(const VerifyReport& report, const std::string& name, std::uint64_t at) {
    ASSERT_FALSE(report.healthy());
    const auto& first = report.problems[0];
    EXPECT_EQ(first.file, name);
    EXPECT_LE(first.offset, at);
    EXPECT_FALSE(first.what.empty());
    EXPECT_FALSE(first.affected.empty());
  }
  // Repairs; then the log opens with exactly the records that were not hit.
  void expect_kept(const std::set<LogPosition>& lost) {
    const auto repaired = verify(disk_, true);
    ASSERT_TRUE(repaired) << repaired.error().message;
    for (const auto& problem : repaired->problems)
      ASSERT_TRUE(problem.repaired) << problem.file << ": " << problem.what;
    const auto again = look();
    ASSERT_TRUE(again.healthy()) << again.problems[0].file << ": " << again.problems[0].what;
    expect_records(lost);
  }
  void expect_records(const std::set<LogPosition>& lost) {
    Life life(disk_, options());
    ASSERT_TRUE(life) << life.error.message;
    std::size_t found = 0;
    for (const auto& seen : life.recorder.records) {
      const auto record = log_.records.find(seen.position);
      ASSERT_TRUE(record != log_.records.end()) << "nobody wrote " << seen.position.value;
      ASSERT_FALSE(lost.contains(seen.position)) << seen.position.value;
      ASSERT_EQ(seen.head, record->second.head);
      ASSERT_EQ(life.body(seen.position), record->second.body);
      ++found;
    }
    ASSERT_EQ(found + lost.size(), log_.records.size());
  }
  // One block of a stripe is damaged, or none that the parity has.
  [[nodiscard]] bool comes_back(const std::string& name, const Bytes& now) const {
    if (!parity() || name != segment_name(1)) return false;
    const auto& was = log_.image.at(name);
    std::set<std::uint64_t> stripes;
    for (std::uint64_t block = 0; block < kSize / kBlock; ++block) {
      Bytes bytes(kBlock);
      if (block * kBlock < now.size())
        std::memcpy(bytes.data(), now.data() + block * kBlock,
                    std::min<std::size_t>(kBlock, now.size() - block * kBlock));
      if (std::ranges::equal(bytes, ByteView(was).subspan(block * kBlock, kBlock))) continue;
      if (!stripes.insert(block % (kSize / kBlock / kParityRows)).second) return false;
    }
    return true;
  }
  // Damages one file, expects it to be found, repaired, and nothing else to be lost.
  void damage(const std::string& name, Bytes now) {
    disk_.restore(log_.image);
    const bool back = comes_back(name, now);
    auto lost = back ? std::set<LogPosition>{} : log_.hit(name, now);
    if (name == segment_name(2) && now.size() < kSize) lost = log_.behind_whole_batches(now);
    disk_.set_contents(name, std::move(now));
    expect_kept(lost);
    if (back) {
      EXPECT_TRUE(disk_.contents(name) == log_.image.at(name));
    }
  }

  MemoryDirectory disk_;
  Log log_;
};

TEST_P(JournalExhaustive, every_byte_that_is_flipped_is_found_and_named_or_does_not_matter) {
  for (const std::uint64_t number : {1, 2}) {
    const auto name = segment_name(number);
    disk_.restore(log_.image);
    auto file = disk_.open(name);
    ASSERT_TRUE(file);
    const auto& was = log_.image.at(name);
    for (std::uint64_t at = 0; at < kSize; at += at < kHeaderBytes ? 1 : kStep) {
      const std::byte flipped[] = {was[at] ^ static_cast<std::byte>(1u << at % 8)};
      ASSERT_TRUE((*file)->write_at(at, flipped));
      const auto report = look();
      if (matters(log_, number, at) || (parity() && number == 1)) {
        expect_named(report, name, at);
      } else {
        ASSERT_TRUE(report.healthy()) << at;
      }
      ASSERT_TRUE((*file)->write_at(at, {&was[at], 1}));
      ASSERT_FALSE(HasFailure()) << name << " at " << at;
    }
  }
}

TEST_P(JournalExhaustive, a_byte_that_does_not_matter_does_no_harm) {
  for (const std::uint64_t number : {1, 2}) {
    for (std::uint64_t at = 0; at < kSize; at += kAll ? 61 : 509) {
      if (matters(log_, number, at)) continue;
      disk_.restore(log_.image);
      auto now = log_.image.at(segment_name(number));
      now[at] ^= std::byte{0x80};
      disk_.set_contents(segment_name(number), std::move(now));
      expect_records({});
      ASSERT_FALSE(HasFailure()) << number << " at " << at;
    }
  }
}

TEST_P(JournalExhaustive, repair_after_a_flipped_byte_loses_the_record_it_hit_and_no_other) {
  for (const std::uint64_t number : {1, 2}) {
    const auto name = segment_name(number);
    for (std::uint64_t at = 0; at < kSize; at += at < kHeaderBytes ? 1 : kAll ? 7 : 211) {
      if (!matters(log_, number, at)) continue;
      auto now = log_.image.at(name);
      now[at] ^= static_cast<std::byte>(1u << at % 8);
      damage(name, std::move(now));
      ASSERT_FALSE(HasFatalFailure()) << name << " at " << at;
    }
  }
}

TEST_P(JournalExhaustive, every_sector_zeroed_random_stale_or_swapped_is_found_and_repaired) {
  SeededRandom random(11);
  for (const std::uint64_t number : {1, 2}) {
    const auto name = segment_name(number);
    const auto& was = log_.image.at(name);
    // What the file held in a former life, under another number.
    const auto& stale = log_.image.at(segment_name(3 - number));
    for (std::uint64_t from = 0; from < kSize; from += kSector) {
      const auto other = random.below(kSize / kSector) * kSector;
      for (const int how : {0, 1, 2, 3}) {
        auto now = was;
        for (auto at = from; at < from + kSector; ++at) {
          if (how == 0) now[at] = std::byte{0};
          if (how == 1) now[at] = static_cast<std::byte>(random.next());
          if (how == 2) now[at] = stale[at];
          if (how == 3) std::swap(now[at], now[other + at - from]);
        }
        bool found = false;
        for (std::uint64_t at = 0; at < kSize && !found; ++at)
          found = now[at] != was[at] && (matters(log_, number, at) || (parity() && number == 1));
        if (!found) continue;
        disk_.restore(log_.image);
        disk_.set_contents(name, now);
        ASSERT_FALSE(look().healthy()) << name << " at " << from << " how " << how;
        damage(name, std::move(now));
        ASSERT_FALSE(HasFatalFailure()) << name << " at " << from << " how " << how;
      }
    }
  }
}

TEST_P(JournalExhaustive, a_file_cut_at_any_byte_is_found_and_keeps_what_is_before_the_cut) {
  for (const std::uint64_t number : {1, 2}) {
    const auto name = segment_name(number);
    for (std::uint64_t size = 0; size < kSize; size += kStep) {
      disk_.restore(log_.image);
      auto now = log_.image.at(name);
      now.resize(size);
      disk_.set_contents(name, now);
      const auto report = look();
      ASSERT_FALSE(report.healthy()) << name << " cut at " << size;
      EXPECT_EQ(report.problems[0].file, name);
      if (size % 307 != 0) continue;
      damage(name, std::move(now));
      ASSERT_FALSE(HasFatalFailure()) << name << " cut at " << size;
    }
  }
}

TEST_P(JournalExhaustive, a_missing_file_is_found_and_named) {
  for (const std::uint64_t number : {1, 2}) {
    const auto name = segment_name(number);
    disk_.restore(log_.image);
    ASSERT_TRUE(disk_.remove(name));
    ASSERT_TRUE(disk_.sync());
    const auto report = look();
    // Without parity nothing tells that a segment came after one that was just sealed.
    if (number == 2 && !parity()) {
      EXPECT_TRUE(report.healthy());
      continue;
    }
    ASSERT_FALSE(report.healthy());
    EXPECT_EQ(report.problems[0].file, name);
    std::set<LogPosition> lost;
    for (const auto& [position, record] : log_.records)
      if (position.value / kSize == number) lost.insert(position);
    expect_kept(lost);
  }
}

TEST_P(JournalExhaustive, a_file_under_another_number_is_found_and_takes_nothing_along) {
  for (const std::uint64_t from : {1, 2}) {
    for (const std::uint64_t to : {1ull, 2ull, 3ull, 4ull, 1'000'000ull, ~0ull >> 4}) {
      if (from == to) continue;
      disk_.restore(log_.image);
      disk_.set_contents(segment_name(to), log_.image.at(segment_name(from)));
      const auto report = look();
      ASSERT_FALSE(report.healthy()) << from << " as " << to;
      EXPECT_EQ(report.problems[0].file, segment_name(to));
      std::set<LogPosition> lost;
      for (const auto& [position, record] : log_.records)
        if (position.value / kSize == to) lost.insert(position);
      expect_kept(lost);
      ASSERT_FALSE(HasFatalFailure()) << from << " as " << to;
    }
  }
}

TEST_P(JournalExhaustive, damage_of_the_parity_itself_is_found_whichever_byte_it_is) {
  if (!parity()) return;
  const auto name = parity_name(1);
  const auto& was = log_.image.at(name);
  auto file = disk_.open(name);
  for (std::uint64_t at = 0; at < was.size(); at += kAll ? 1 : 11) {
    const std::byte flipped[] = {was[at] ^ std::byte{4}};
    ASSERT_TRUE((*file)->write_at(at, flipped));
    const auto report = look();
    ASSERT_EQ(report.problems.size(), 1u) << at;
    EXPECT_EQ(report.problems[0].file, name);
    EXPECT_TRUE(report.problems[0].repairable);
    ASSERT_TRUE((*file)->write_at(at, {&was[at], 1}));
  }
  for (const std::uint64_t size : {std::size_t{0}, std::size_t{100}, was.size() - 1}) {
    disk_.restore(log_.image);
    auto now = was;
    now.resize(size);
    disk_.set_contents(name, std::move(now));
    ASSERT_FALSE(look().healthy()) << size;
    expect_kept({});
    EXPECT_FALSE(disk_.exists(name)) << "the next start makes it anew";
  }
}

TEST_P(JournalExhaustive, one_damaged_block_of_every_stripe_is_repaired_without_loss) {
  if (!parity()) return;
  const auto stripes = kSize / kBlock / kParityRows;
  SeededRandom random(3);
  for (int round = 0; round < (kAll ? 2000 : 50); ++round) {
    auto now = log_.image.at(segment_name(1));
    for (std::uint64_t stripe = 0; stripe < stripes; ++stripe) {
      const auto block = random.below(kParityRows) * stripes + stripe;
      for (std::uint64_t at = 0; at < kBlock; ++at)
        now[block * kBlock + at] = static_cast<std::byte>(random.next());
    }
    disk_.restore(log_.image);
    disk_.set_contents(segment_name(1), now);
    const auto report = look();
    EXPECT_EQ(report.repairable_blocks, stripes);
    for (const auto& problem : report.problems) EXPECT_TRUE(problem.repairable) << problem.what;
    damage(segment_name(1), std::move(now));
    ASSERT_FALSE(HasFatalFailure()) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Parity, JournalExhaustive, testing::Bool(),
                         [](const auto& with) { return with.param ? "with" : "without"; });

}  // namespace
}  // namespace penstock::journal
