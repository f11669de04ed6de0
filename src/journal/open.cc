// Opening a journal, and its public face.
#include <algorithm>
#include <bit>

#include "journal/journal_impl.h"
#include "journal/names.h"
#include "os/real_clock.h"

namespace penstock::journal {
namespace {

Result<void> check_options(const Options& options) {
  if (options.segment_bytes < kMinSegmentBytes || options.segment_bytes > kMaxSegmentBytes ||
      !std::has_single_bit(options.segment_bytes))
    return fail(ErrorCode::invalid, "segment_bytes must be a power of two from 64 KiB to 1 GiB");
  return {};
}

Recovered new_log(const Options& options) {
  LogId id;
  if (options.log_id) {
    id = *options.log_id;
  } else {
    secure_random(id.data(), id.size());
  }
  const Layout layout(id, options.segment_bytes);
  const auto begin = layout.position(1, kBlock);
  OpenReport report;
  report.created = true;
  report.segments = 1;
  return Recovered{layout,        1,  {},    begin, {}, FooterBuilder(layout, 1), 0, begin,
                   {{1, kBlock}}, {}, report};
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(Directory& directory, const Options& options,
                                               Replay& replay) {
  if (auto ok = check_options(options); !ok) return fail(std::move(ok).error());
  auto lock = directory.lock();
  if (!lock) return fail(std::move(lock).error().at("open journal"));
  auto found = survey(directory);
  if (!found) return fail(std::move(found).error().at("open journal"));
  std::optional<Recovered> recovered;
  if (found->segments.empty() && found->checkpoints.empty()) {
    recovered = new_log(options);
    if (auto done = replay.live_done(); !done) return fail(std::move(done).error());
  } else {
    auto result = recover(directory, *found, replay);
    if (!result) return fail(std::move(result).error().at("open journal"));
    recovered = std::move(*result);
  }
  for (const auto* name : {kCheckpointTemporary, kRepairTemporary}) {
    if (std::ranges::find(found->names, name) == found->names.end()) continue;
    if (auto done = directory.remove(name); !done) return fail(std::move(done).error());
  }
  const auto newest = recovered->checkpoint_number;
  for (const auto number : found->checkpoints) {
    if (number == newest) continue;
    // A newer one that is damaged goes as well: numbers must not come twice.
    if (auto done = directory.remove(checkpoint_name(number)); !done)
      return fail(std::move(done).error());
  }
  auto impl =
      std::make_unique<Impl>(directory, options, std::move(*lock), *found, std::move(*recovered));
  if (auto done = impl->start(*found); !done)
    return fail(std::move(done).error().at("open journal"));
  return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::~Journal() = default;

LogPosition Journal::append(std::uint8_t kind, ByteView head, ByteView body) {
  return impl_->append(kind, head, body);
}
Journal::Room Journal::room_for(std::uint64_t bytes, std::uint32_t records) {
  return impl_->room_for(bytes, records);
}
std::uint64_t Journal::max_transaction_bytes(const Options& options) {
  return Impl::max_transaction(options.segment_bytes);
}
std::uint64_t Journal::max_transaction_bytes() const {
  return impl_->max_transaction_bytes();
}
LogPosition Journal::appended() const {
  return impl_->gather().end();
}
LogPosition Journal::durable() const {
  return impl_->durable();
}
std::uint64_t Journal::gathered_bytes() const {
  return impl_->gather().gathered_bytes();
}
Batch* Journal::seal() {
  return impl_->seal();
}
void Journal::write(Batch& batch) {
  impl_->write(batch);
}
void Journal::complete(Batch& batch) {
  impl_->complete(batch);
}
void Journal::commit() {
  impl_->commit();
}
std::optional<RecordView> Journal::read_memory(LogPosition position) {
  return impl_->read_memory(position);
}
void Journal::fetch_place(LogPosition position) const {
  impl_->cache().fetch_place(position);
}
void Journal::fetch(LogPosition position) const {
  impl_->cache().fetch(position);
}
Result<RecordView> Journal::read(LogPosition position) {
  return impl_->read(position);
}
void Journal::retain(LogPosition position, std::uint64_t bytes) {
  impl_->add_live(position, static_cast<std::int64_t>(bytes));
}
void Journal::release(LogPosition position, std::uint64_t bytes) {
  impl_->add_live(position, -static_cast<std::int64_t>(bytes));
}
Result<void> Journal::write_checkpoint(ByteView state, const std::vector<LiveSegment>& live) {
  return impl_->write_checkpoint(state, live);
}
void Journal::expect_checkpoint(std::uint64_t bytes) {
  impl_->space().expect_checkpoint(checkpoint_file_bytes(bytes, impl_->segment_count()));
}
std::uint64_t Journal::since_checkpoint() const {
  return impl_->since_checkpoint();
}
bool Journal::short_of_space() const {
  return !impl_->space().room();
}
bool Journal::frees_a_segment() const {
  return impl_->since_checkpoint() > 0 && impl_->has_dead_segment();
}
std::uint64_t Journal::left_in_segment() const {
  return impl_->gather().left_in_segment();
}
std::optional<std::uint64_t> Journal::cleaning_candidate(double ratio) const {
  return impl_->cleaning_candidate(ratio);
}
Result<void> Journal::for_each_record(std::uint64_t segment,
                                      const std::function<void(const RecordHead&)>& visit) {
  return impl_->for_each_record(segment, visit);
}
Result<bool> Journal::prepare() {
  return impl_->space().prepare();
}
Time Journal::tend() {
  return impl_->guardian().tend();
}
std::vector<Finding> Journal::take_findings() {
  return impl_->guardian().take_findings();
}
LogPosition Journal::in_memory_from() const {
  return impl_->cache().begin();
}
void Journal::trim(LogPosition keep_from) {
  impl_->trim(keep_from);
}
void Journal::close() {
  impl_->close();
}
const OpenReport& Journal::report() const {
  return impl_->report();
}
std::uint64_t Journal::segment_of(LogPosition position) const {
  return impl_->layout().segment_of(position);
}
std::uint32_t Journal::offset_of(LogPosition position) const {
  return impl_->layout().offset_of(position);
}
Journal::Statistics Journal::statistics() const {
  return impl_->statistics();
}

}  // namespace penstock::journal
