// What the journal does, in the order of a record's life.
#include <algorithm>

#include "base/check.h"
#include "journal/journal_impl.h"
#include "journal/names.h"
#include "os/real_clock.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kMaxTransactionBytes = 64ull << 20;
constexpr std::uint32_t kRefusalsPerRefresh = 64;

}  // namespace

std::uint64_t Journal::Impl::max_transaction(std::uint64_t segment_bytes) {
  const auto chunk = Layout({}, segment_bytes).chunk_bytes();
  const auto half = (segment_bytes - 4 * kBlock - chunk) / 2;
  return std::min(half - segment_bytes / 512, kMaxTransactionBytes);
}

Journal::Impl::Impl(Directory& directory, const Options& options,
                    std::unique_ptr<DirectoryLock> lock, const Survey& found, Recovered recovered)
    : directory_(directory),
      options_(options),
      lock_(std::move(lock)),
      own_clock_(options.clock == nullptr ? make_real_clock() : nullptr),
      layout_(recovered.layout),
      max_transaction_(max_transaction(layout_.segment_bytes())),
      report_(recovered.report),
      epoch_(recovered.epoch),
      created_(found.segments.empty()),
      link_at_open_(recovered.link),
      space_(directory, layout_.segment_bytes(), options.spare_segments, options.reserve_bytes),
      guardian_(directory, layout_, space_, options.clock == nullptr ? *own_clock_ : *options.clock,
                options),
      sealed_at_open_(std::move(recovered.sealed)),
      writer_(directory, space_, options.clock == nullptr ? *own_clock_ : *options.clock, layout_,
              recovered.epoch),
      gather_(layout_, recovered.start, std::move(recovered.footer),
              [this](std::uint64_t segment, std::uint64_t data_end) {
                segments_[segment].data_end = data_end;
              }),
      cache_(options.tail_cache_bytes),
      reader_(directory, layout_),
      durable_(recovered.end),
      checkpoint_number_(recovered.checkpoint_number) {
  for (const auto& [number, data_end] : recovered.segments) segments_[number].data_end = data_end;
  checkpoint_covers_ = created_ ? durable_ : recovered.covers;
  for (const auto& range : report_.repaired) statistics_.repaired_blocks += range.bytes / kBlock;
}

Result<void> Journal::Impl::start(const Survey& found) {
  if (auto done = space_.adopt(found.names); !done) return done;
  if (auto done = guardian_.adopt(sealed_at_open_, found.names); !done) return done;
  if (created_) return writer_.open_segment(1);
  return writer_.resume(layout_.segment_of(durable_), link_at_open_, durable_);
}

Journal::Room Journal::Impl::room_for(std::uint64_t bytes, std::uint32_t records) {
  const auto cost = bytes + std::uint64_t{records} * kRecordOverheadBytes;
  if (cost > max_transaction_) return Room::too_large;
  if (!space_.room()) {
    // Nothing may be written while all is refused, so now and then the refusals look again.
    if (++refusals_ % kRefusalsPerRefresh == 0) space_.refresh();
    if (!space_.room()) return Room::disk_full;
  }
  const auto gathered = gather_.gathered_bytes();
  if (gathered > 0 && gathered + cost > max_transaction_) return Room::batch_full;
  gather_.make_room(bytes, records);
  return Room::yes;
}

Batch* Journal::Impl::seal() {
  if (in_flight_) return nullptr;
  in_flight_ = gather_.take();
  return in_flight_.get();
}

void Journal::Impl::write(Batch& batch) {
  if (auto done = writer_.write(batch); !done)
    fatal("journal " + directory_.path() + "/" + segment_name(layout_.segment_of(batch.base)),
          done.error().message, done.error().hint);
}

void Journal::Impl::complete(Batch& batch) {
  CHECK(in_flight_.get() == &batch);
  durable_ = batch.end();
  segments_[layout_.segment_of(batch.base)].data_end =
      layout_.offset_of(batch.base) + batch.buffer.size();
  ++statistics_.batches;
  statistics_.written_bytes += batch.written_bytes;
  statistics_.sync_micros_last = batch.sync_micros;
  statistics_.sync_micros_total += batch.sync_micros;
  statistics_.sync_micros_max = std::max(statistics_.sync_micros_max, batch.sync_micros);
  // Not earlier: a parity file proves that there is a segment behind its own.
  if (batch.opens > 1) guardian_.add(batch.opens - 1);
  batch.chunks.clear();
  batch.seals.reset();
  if (auto unused = cache_.add(std::move(in_flight_))) gather_.recycle(std::move(unused));
}

void Journal::Impl::commit() {
  CHECK(!in_flight_);
  while (Batch* batch = seal()) {
    write(*batch);
    complete(*batch);
  }
}

void Journal::Impl::close() {
  if (closed_) return;
  commit();
  in_flight_ = gather_.take_clean_mark();
  write(*in_flight_);
  complete(*in_flight_);
  closed_ = true;
}

std::optional<RecordView> Journal::Impl::read_memory(LogPosition position) {
  const auto bytes = cache_.find(position);
  if (bytes.empty()) return std::nullopt;
  const auto record = decode_record(layout_, position, bytes);
  if (record) ++statistics_.cache_reads;
  return record;
}

Result<RecordView> Journal::Impl::read(LogPosition position) {
  const auto nothing = [&] {
    return "no record at position " + std::to_string(position.value) + " of " + directory_.path();
  };
  const auto checked = [&](const std::optional<RecordView>& record) -> Result<RecordView> {
    ++statistics_.cache_reads;
    if (record) return *record;
    return fail(ErrorCode::corrupt, nothing() + ", or memory is damaged");
  };
  const Batch* batch = gather_.find(position);
  if (batch == nullptr && in_flight_ && in_flight_->holds(position)) batch = in_flight_.get();
  if (batch != nullptr) return checked(batch->record(position));  // it has never left our memory
  if (const auto bytes = cache_.find(position); !bytes.empty())
    return checked(decode_record(layout_, position, bytes));
  const auto found = segments_.find(layout_.segment_of(position));
  if (found == segments_.end() || position >= durable_)
    return fail(ErrorCode::not_found, nothing());
  // A segment that gets no more batches knows its end before the last of them is written; what is
  // read ahead must not reach into those.
  const bool filling = layout_.segment_of(durable_) == found->first;
  const auto end = found->second.data_end;
  return read_from_disk(position,
                        filling ? std::min<std::uint64_t>(end, layout_.offset_of(durable_)) : end);
}

Result<RecordView> Journal::Impl::read_from_disk(LogPosition position, std::uint64_t limit) {
  auto record = reader_.read(position, limit);
  const auto number = layout_.segment_of(position);
  const std::uint64_t offset = layout_.offset_of(position);
  if (record || offset + kRecordHeaderBytes > limit) return record;
  // First the header: until it holds nobody knows how far the record goes.
  bool mended = mend(record.error(), number, offset, offset + kRecordHeaderBytes);
  std::array<std::byte, kRecordHeaderBytes> bytes;
  auto file = directory_.open(segment_name(number));
  if (file && read_padded(**file, offset, bytes)) {
    const auto end = offset + decode_record_header(bytes.data()).total_bytes();
    mended = mend(record.error(), number, offset, std::min(end, limit)) || mended;
  }
  if (!mended) return record;
  reader_.forget(number);
  return reader_.read(position, limit);
}

bool Journal::Impl::mend(const Error& error, std::uint64_t number, std::uint64_t from,
                         std::uint64_t to) {
  if (error.code != ErrorCode::corrupt && error.code != ErrorCode::io) return false;
  return guardian_.mend(number, from, to);
}

void Journal::Impl::add_live(LogPosition position, std::int64_t bytes) {
  const auto number = layout_.segment_of(position);
  if (memo_ == nullptr || memo_number_ != number) {
    memo_ = &segments_[number];  // a map's nodes stay where they are
    memo_number_ = number;
  }
  CHECK(bytes >= 0 || memo_->live_bytes >= static_cast<std::uint64_t>(-bytes));
  memo_->live_bytes += static_cast<std::uint64_t>(bytes);
  statistics_.live_bytes += static_cast<std::uint64_t>(bytes);
}

std::uint64_t Journal::Impl::since_checkpoint() const {
  return gather_.end().value - checkpoint_covers_.value;
}

Result<void> Journal::Impl::write_checkpoint(ByteView state, const std::vector<LiveSegment>& live) {
  if (in_flight_) return fail(ErrorCode::busy, "a batch is being written");
  commit();
  Checkpoint checkpoint;
  checkpoint.number = checkpoint_number_ + 1;
  checkpoint.epoch = epoch_;
  checkpoint.covers = durable_;
  checkpoint.log_id = layout_.log_id();
  checkpoint.segment_bytes = layout_.segment_bytes();
  auto written = write_checkpoint_file(directory_, checkpoint, state, live);
  if (!written && written.error().code == ErrorCode::full) {
    written = write_checkpoint_on_loan(checkpoint, state, live);
    space_.reclaim();
  }
  if (!written) return written;
  const auto previous = std::exchange(checkpoint_number_, checkpoint.number);
  checkpoint_covers_ = checkpoint.covers;
  ++statistics_.checkpoints;
  if (previous != 0) {
    if (auto done = directory_.remove(checkpoint_name(previous)); !done) return done;
  }
  return recycle_dead(live);
}

// Segments are lent only when others come back for it.
Result<void> Journal::Impl::write_checkpoint_on_loan(const Checkpoint& checkpoint, ByteView state,
                                                     const std::vector<LiveSegment>& live) {
  const bool segments = has_dead_segment();
  for (;;) {
    auto lent = space_.lend(segments);
    if (!lent) return fail(std::move(lent).error());
    auto written = write_checkpoint_file(directory_, checkpoint, state, live);
    if (written || written.error().code != ErrorCode::full || !*lent) return written;
  }
}

bool Journal::Impl::has_dead_segment() const {
  const auto current = layout_.segment_of(durable_);
  for (const auto& [number, segment] : segments_) {
    if (number >= current) return false;
    if (segment.live_bytes == 0) return true;
  }
  return false;
}

Result<void> Journal::Impl::recycle_dead(const std::vector<LiveSegment>& live) {
  const auto current = layout_.segment_of(durable_);
  std::vector<std::string> names;
  std::vector<std::uint64_t> numbers;
  for (auto it = segments_.begin(); it != segments_.end() && it->first < current;) {
    const auto& [number, segment] = *it;
    if (segment.live_bytes > 0 ||
        std::ranges::binary_search(live, number, {}, &LiveSegment::number)) {
      ++it;
      continue;
    }
    reader_.forget(number);
    names.push_back(segment_name(number));
    numbers.push_back(number);
    if (memo_number_ == number) memo_ = nullptr;
    it = segments_.erase(it);
  }
  if (auto done = guardian_.retire(numbers); !done) return done;
  return space_.recycle(names);
}

std::optional<std::uint64_t> Journal::Impl::cleaning_candidate(double ratio) const {
  const auto current = layout_.segment_of(durable_);
  std::optional<std::uint64_t> best;
  auto least = static_cast<std::uint64_t>(ratio * static_cast<double>(layout_.segment_bytes()));
  for (const auto& [number, segment] : segments_) {
    if (number >= current) break;
    if (segment.live_bytes == 0 || segment.live_bytes >= least) continue;
    least = segment.live_bytes;
    best = number;
  }
  return best;
}

Result<void> Journal::Impl::for_each_record(std::uint64_t number,
                                            const std::function<void(const RecordHead&)>& visit) {
  const auto found = segments_.find(number);
  if (found == segments_.end() || number > layout_.segment_of(durable_))
    return fail(ErrorCode::not_found, "no segment " + std::to_string(number));
  const auto data_end = found->second.data_end;
  LogPosition visited;
  const auto once = [&](const RecordHead& record) -> Result<void> {
    if (record.position <= visited) return {};
    visited = record.position;
    return visit(record), Result<void>{};
  };
  auto done = visit_records(number, data_end, once);
  if (done || !mend(done.error(), number, 0, layout_.segment_bytes())) return done;
  return visit_records(number, data_end, once);
}

Result<void> Journal::Impl::visit_records(std::uint64_t number, std::uint64_t data_end,
                                          const VisitHead& visit) {
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
  auto trailer = read_trailer(layout_, **file, number);
  if (!trailer) return fail(std::move(trailer).error());
  if (!*trailer &&
      guardian_.mend(number, layout_.segment_bytes() - kBlock, layout_.segment_bytes()))
    trailer = read_trailer(layout_, **file, number);
  if (trailer && *trailer) {
    auto entries = load_footer(layout_, **file, **trailer);
    if (!entries && mend(entries.error(), number, data_end, layout_.segment_bytes()))
      entries = load_footer(layout_, **file, **trailer);
    if (entries) return for_each_entry(layout_, number, *entries, visit);
    if (entries.error().code != ErrorCode::corrupt) return fail(std::move(entries).error());
  }
  auto header = read_segment_header(directory_, **file, number);
  if (!header) return fail(std::move(header).error());
  auto walk = walk_segment(layout_, **file, number, {header->first_epoch, header->previous_crc},
                           data_end, [&](const RecordView& record) {
                             return visit({record.position, record.kind, record.head,
                                           static_cast<std::uint32_t>(record.body.size())});
                           });
  if (!walk) return fail(std::move(walk).error());
  if (walk->data_end < data_end)
    return fail(ErrorCode::corrupt,
                segment_name(number) + ": offset " + std::to_string(walk->data_end) +
                    ": the batch is damaged",
                verify_hint(directory_));
  return {};
}

void Journal::Impl::trim(LogPosition keep_from) {
  cache_.drop_before(keep_from);
  gather_.trim();
  reader_.trim();
}

Journal::Statistics Journal::Impl::statistics() const {
  auto result = statistics_;
  result.segments = segments_.size();
  space_.count_into(result);
  result.disk_bytes = (result.segments + result.spare_segments) * layout_.segment_bytes();
  result.appended_bytes = appended_bytes_;
  result.disk_reads = reader_.disk_reads();
  result.cache_bytes = cache_.bytes();
  guardian_.count_into(result);
  return result;
}

}  // namespace penstock::journal
