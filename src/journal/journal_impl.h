// The journal's inside, shared by its .cc files.
#pragma once

#include <functional>
#include <map>

#include "base/check.h"
#include "journal/body_reader.h"
#include "journal/checkpoint.h"
#include "journal/gather.h"
#include "journal/guardian.h"
#include "journal/journal.h"
#include "journal/recovery.h"
#include "journal/segment_writer.h"
#include "journal/space.h"
#include "journal/tail_cache.h"

namespace penstock::journal {

class Journal::Impl {
 public:
  Impl(Directory& directory, const Options& options, std::unique_ptr<DirectoryLock> lock,
       const Survey& found, Recovered recovered);
  [[nodiscard]] Result<void> start(const Survey& found);
  // Data and footer of one batch must fit an empty segment, even when all of it is heads.
  [[nodiscard]] static std::uint64_t max_transaction(std::uint64_t segment_bytes);

  [[nodiscard]] Room room_for(std::uint64_t bytes, std::uint32_t records);
  [[nodiscard]] Batch* seal();
  void write(Batch& batch);
  void complete(Batch& batch);
  void commit();
  void close();
  [[nodiscard]] Result<RecordView> read(LogPosition position);
  [[nodiscard]] std::optional<RecordView> read_memory(LogPosition position);
  [[nodiscard]] const TailCache& cache() const { return cache_; }
  void add_live(LogPosition position, std::int64_t bytes);
  [[nodiscard]] Result<void> write_checkpoint(ByteView state, const std::vector<LiveSegment>& live);
  [[nodiscard]] std::uint64_t segment_count() const { return segments_.size(); }
  [[nodiscard]] std::optional<std::uint64_t> cleaning_candidate(double ratio) const;
  [[nodiscard]] Result<void> for_each_record(std::uint64_t number,
                                             const std::function<void(const RecordHead&)>& visit);
  void trim(LogPosition keep_from);
  [[nodiscard]] Statistics statistics() const;
  [[nodiscard]] std::uint64_t since_checkpoint() const;
  // A segment that the next checkpoint gives back.
  [[nodiscard]] bool has_dead_segment() const;

  [[nodiscard]] const Layout& layout() const { return layout_; }
  Gather& gather() { return gather_; }
  Space& space() { return space_; }
  Guardian& guardian() { return guardian_; }
  [[nodiscard]] LogPosition durable() const { return durable_; }
  [[nodiscard]] std::uint64_t max_transaction_bytes() const { return max_transaction_; }
  [[nodiscard]] const OpenReport& report() const { return report_; }

  LogPosition append(std::uint8_t kind, ByteView head, ByteView body) {
    CHECK(!closed_);
    ++statistics_.records;
    const auto position = gather_.append(kind, head, body);
    appended_bytes_ += record_bytes(head.size(), body.size());
    return position;
  }

 private:
  struct Segment {
    std::uint64_t data_end = 0;
    std::uint64_t live_bytes = 0;
  };

  [[nodiscard]] Result<void> write_checkpoint_on_loan(const Checkpoint& checkpoint, ByteView state,
                                                      const std::vector<LiveSegment>& live);
  [[nodiscard]] Result<void> recycle_dead(const std::vector<LiveSegment>& live);
  [[nodiscard]] Result<RecordView> read_from_disk(LogPosition position, std::uint64_t limit);
  using VisitHead = std::function<Result<void>(const RecordHead&)>;
  [[nodiscard]] Result<void> visit_records(std::uint64_t number, std::uint64_t data_end,
                                           const VisitHead& visit);
  // Of a sealed segment. True: something in it was repaired, so what failed is worth another try.
  [[nodiscard]] bool mend(const Error& error, std::uint64_t number, std::uint64_t from,
                          std::uint64_t to);

  Directory& directory_;
  const Options options_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<Clock> own_clock_;
  const Layout layout_;
  const std::uint64_t max_transaction_;
  OpenReport report_;
  const std::uint64_t epoch_;
  const bool created_;
  const ChainLink link_at_open_;
  Space space_;        // any thread
  Guardian guardian_;  // the owner's and the background's
  const std::vector<std::uint64_t> sealed_at_open_;
  SegmentWriter writer_;  // the writer's thread
  Gather gather_;
  TailCache cache_;
  BodyReader reader_;
  std::map<std::uint64_t, Segment> segments_;
  std::uint64_t memo_number_ = 0;  // of the segment retain() and release() met last
  Segment* memo_ = nullptr;
  std::unique_ptr<Batch> in_flight_;
  LogPosition durable_;
  std::uint64_t checkpoint_number_ = 0;
  LogPosition checkpoint_covers_;
  std::uint64_t appended_bytes_ = 0;
  std::uint32_t refusals_ = 0;
  bool closed_ = false;
  Statistics statistics_;
};

}  // namespace penstock::journal
