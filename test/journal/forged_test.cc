// Logs in which a structure says what it should not, under checksums that hold: another program's
// work, or a hand's. They are refused or read as they were; verify tells of each and repairs it; no
// parity is made of them.
#include <algorithm>
#include <cstring>
#include <functional>

#include "journal/footer.h"
#include "journal/parity_maker.h"
#include "journal/verify.h"
#include "test/journal/parity_fixture.h"

namespace penstock::journal {
namespace {

const Layout kLayout(*small_options().log_id, kSegment);

// Segment 2 of three, in memory, to be written anew.
struct Forger {
  Bytes bytes;

  [[nodiscard]] Trailer trailer() const {
    return *decode_trailer(kLayout, 2, ByteView(bytes).subspan(kSegment - kBlock));
  }
  void put_trailer(const Trailer& trailer) {
    std::ranges::copy(encode(kLayout, trailer), bytes.end() - kBlock);
  }
  void change_trailer(void (*change)(Trailer&)) {
    auto now = trailer();
    change(now);
    put_trailer(now);
  }
  void change_header(void (*change)(SegmentHeader&)) {
    auto header = *decode_segment_header(bytes).header;
    change(header);
    std::ranges::copy(encode(header), bytes.begin());
  }
  // Of the batch that is the nth.
  void change_batch(int nth,
                    const std::function<void(BatchHeader&, std::span<std::byte>)>& change) {
    auto at = std::uint64_t{kBlock};
    for (;; --nth) {
      const auto position = kLayout.position(2, at);
      auto header = decode_batch_header(kLayout, position, ByteView(bytes).subspan(at));
      ASSERT_TRUE(header);
      if (nth > 0) {
        at += header->total_bytes;
        continue;
      }
      const auto batch = std::span(bytes).subspan(at, header->total_bytes);
      change(*header, batch.subspan(kBatchHeaderBytes));
      seal_batch(kLayout, *header, batch);
      return;
    }
  }
  // A footer of these entries instead of the right one, whole in itself.
  void put_footer(void (*entries)(FooterBuilder&, std::vector<FooterChunk>&)) {
    FooterBuilder builder(kLayout, 2);
    std::vector<FooterChunk> chunks;
    entries(builder, chunks);
    auto now = trailer();
    builder.finish(now, chunks);
    for (const auto& chunk : chunks)
      std::ranges::copy(chunk.bytes, bytes.begin() + static_cast<std::ptrdiff_t>(
                                                         chunk_offset(kLayout, chunk.index)));
    put_trailer(now);
  }
};

// What finds it besides verify.
enum class Found : std::uint8_t {
  anywhere,          // recovery or the parity's check of the segment, and the parity brings it back
  as_a_life,         // the trailer is another, and so the parity that is there of another life
  by_its_neighbour,  // the segment before it; the parity does not look at that one
  by_reading,  // only reading the batches: start and parity's check trust what is whole in itself
};

struct Forgery {
  const char* name;
  void (*forge)(Forger&);
  Found found = Found::anywhere;
};

const Forgery kForgeries[] = {
    {"header_of_another_log",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { h.log_id[3] ^= std::byte{1}; }); }},
    {"header_of_larger_segments",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { h.segment_bytes *= 2; }); }},
    {"header_of_another_number",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { h.number = 7; }); }},
    {"header_after_another_batch",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { ++h.previous_crc; }); }},
    {"header_of_a_later_epoch",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { h.first_epoch = 99; }); }},
    {"header_after_another_end",
     [](Forger& f) { f.change_header([](SegmentHeader& h) { h.previous_end -= kBlock; }); },
     Found::by_its_neighbour},
    {"trailer_with_less_data",
     [](Forger& f) { f.change_trailer([](Trailer& t) { t.data_end -= kBlock; }); },
     Found::as_a_life},
    {"trailer_with_no_data",
     [](Forger& f) { f.change_trailer([](Trailer& t) { t.data_end = kBlock; }); },
     Found::as_a_life},
    {"trailer_after_another_batch",
     [](Forger& f) { f.change_trailer([](Trailer& t) { ++t.last_crc; }); }, Found::as_a_life},
    {"trailer_of_another_epoch",
     [](Forger& f) { f.change_trailer([](Trailer& t) { ++t.last_epoch; }); }, Found::as_a_life},
    {"trailer_of_another_footer",
     [](Forger& f) { f.change_trailer([](Trailer& t) { ++t.chunks_crc; }); }, Found::as_a_life},
    {"trailer_of_a_shorter_footer",
     [](Forger& f) { f.change_trailer([](Trailer& t) { --t.footer_bytes; }); }, Found::as_a_life},
    {"trailer_with_chunks_over_the_data",
     [](Forger& f) { f.change_trailer([](Trailer& t) { t.chunk_count = 12; }); }, Found::as_a_life},
    {"trailer_that_counts_other_records",
     [](Forger& f) { f.change_trailer([](Trailer& t) { ++t.record_count; }); }, Found::by_reading},
    {"batch_after_another",
     [](Forger& f) {
       f.change_batch(1, [](BatchHeader& b, std::span<std::byte>) { ++b.previous_crc; });
     }},
    {"batch_of_an_earlier_epoch",
     [](Forger& f) {
       f.change_batch(1, [](BatchHeader& b, std::span<std::byte>) { b.epoch = 0; });
     }},
    {"batch_that_counts_other_records",
     [](Forger& f) {
       f.change_batch(1, [](BatchHeader& b, std::span<std::byte>) { ++b.record_count; });
     }},
    {"batch_that_ends_within_a_record",
     [](Forger& f) {
       f.change_batch(1, [](BatchHeader& b, std::span<std::byte>) { b.payload_bytes -= 16; });
     }},
    {"batch_with_a_record_that_does_not_hold",
     [](Forger& f) {
       f.change_batch(1, [](BatchHeader&, std::span<std::byte> records) {
         records[kRecordHeaderBytes + 1] ^= std::byte{4};
       });
     }},
    {"footer_of_records_behind_the_segment",
     [](Forger& f) {
       f.put_footer(
           [](FooterBuilder& b, auto& full) { b.add(kSegment + 8, 1, as_bytes("h"), 5, full); });
     },
     Found::by_reading},
    {"footer_of_bodies_longer_than_the_segment",
     [](Forger& f) {
       f.put_footer([](FooterBuilder& b, auto& full) {
         b.add(kBlock + 80, 1, as_bytes("h"), 2 * kSegment, full);
       });
     },
     Found::by_reading},
    {"footer_that_leaves_records_out",
     [](Forger& f) { f.put_footer([](FooterBuilder&, auto&) {}); }, Found::by_reading},
};

class JournalForged : public JournalParity, public testing::WithParamInterface<Forgery> {
 protected:
  // `parity`: whether the segments have theirs, which brings back what was forged.
  void forge(bool parity) {
    open();
    fill(2);
    if (parity) tend();
    life_.reset();
    image_ = disk_.snapshot();
    Forger forger{disk_.contents(segment_name(2))};
    GetParam().forge(forger);
    if (HasFatalFailure()) return;
    ASSERT_FALSE(forger.bytes == image_.at(segment_name(2)));
    disk_.set_contents(segment_name(2), std::move(forger.bytes));
  }
  // What is replayed; nothing when opening is refused, for which there is but one reason.
  std::optional<std::vector<Seen>> replayed() {
    open(false);
    if (!*life_) {
      EXPECT_EQ(life_->error.code, ErrorCode::corrupt) << life_->error.message;
      return std::nullopt;
    }
    return life_->recorder.records;
  }
  // Every record at its place, or not at all.
  void expect_no_other(const std::vector<Seen>& records) {
    for (const auto& seen : records) {
      const auto known = std::ranges::find(records_, seen.position, &Record::position);
      ASSERT_TRUE(known != records_.end()) << seen.position.value;
      EXPECT_EQ(seen.body_bytes, known->body.size());
    }
  }
};

TEST_P(JournalForged, is_refused_or_read_as_it_was) {
  forge(false);
  if (const auto records = replayed()) {
    if (GetParam().found != Found::by_reading) {
      EXPECT_EQ(records->size(), records_.size());
    }
    expect_no_other(*records);
  }
}

TEST_P(JournalForged, is_brought_back_by_the_parity) {
  forge(true);
  const auto report = verify(disk_, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  if (GetParam().found == Found::as_a_life || GetParam().found == Found::by_reading) return;
  expect_as_it_was();
  const auto records = replayed();
  ASSERT_TRUE(records);
  EXPECT_EQ(records->size(), records_.size());
}

TEST_P(JournalForged, is_told_by_verify_and_repaired_so_that_the_log_opens) {
  forge(false);
  const auto report = verify(disk_, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  for (const auto& problem : report->problems)
    EXPECT_TRUE(problem.repaired) << problem.file << ": " << problem.what;
  const auto again = verify(disk_, false);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->healthy()) << again->problems[0].file << ": " << again->problems[0].what;
  const auto records = replayed();
  ASSERT_TRUE(records) << life_->error.message;
  // What was forged is in segment 2 only.
  const auto elsewhere = std::ranges::count_if(
      records_, [](const Record& record) { return record.position.value / kSegment != 2; });
  EXPECT_GE(static_cast<std::ptrdiff_t>(records->size()), elsewhere);
  expect_no_other(*records);
}

TEST_P(JournalForged, gets_no_parity) {
  forge(false);
  ParityMaker maker(disk_, kLayout, 2, ParityMaker::Purpose::make);
  Result<bool> done = false;
  while (done && !*done) done = maker.step();
  if (GetParam().found > Found::as_a_life) return;
  EXPECT_FALSE(done);
  EXPECT_FALSE(disk_.exists(kParityTemporary));
}

INSTANTIATE_TEST_SUITE_P(Of, JournalForged, testing::ValuesIn(kForgeries),
                         [](const auto& forgery) { return std::string(forgery.param.name); });

}  // namespace
}  // namespace penstock::journal
