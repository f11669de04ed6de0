// Checkpoints and cleaning: how the log stays small and restarts stay short.
#include <algorithm>
#include <map>

#include "base/canary.h"
#include "broker/broker_impl.h"

namespace penstock::broker {
namespace {

constexpr std::uint64_t kCheckpointRecords = 2'000'000;
constexpr std::uint64_t kCleanAtOnceBytes = 1ull << 20;  // copied in one step
constexpr std::size_t kCleanAtOnceItems = 10'000;        // looked at in one step
constexpr std::uint32_t kRestPlaces = 1'000'000;  // looked at in one step; with more, all is kept
constexpr double kWorthCleaning = 0.25;
constexpr std::uint64_t kTriesPerSegment = 16;  // to write a checkpoint that finds no room

std::string_view kind_of(journal::Finding::Kind kind) {
  switch (kind) {
    case journal::Finding::Kind::repaired:
      return "journal_repaired";
    case journal::Finding::Kind::damaged:
      return "journal_damaged";
    case journal::Finding::Kind::unprotected:
      return "journal_unprotected";
  }
  return {};
}

}  // namespace

void Broker::Impl::tell_findings() {
  for (const auto& finding : journal_->take_findings()) {
    for (const auto& watcher : disk_watchers_) watcher(finding);
    const auto detail =
        finding.file + " at offset " + std::to_string(finding.offset) + ": " + finding.what;
    const Happening happening{kind_of(finding.kind), {}, {}, detail, clock_.now()};
    for (const auto& watcher : watchers_) watcher(happening);
  }
}

void Broker::Impl::maintain() {
  tell_findings();
  if (in_flight_) return;
  if (checkpoint_due()) write_checkpoint();
  clean();
}

// Dead letters and tasks for next week may lie about for long, and must not hold all of what came
// after them: what is kept begins at the first body in memory that a message still has.
void Broker::Impl::rest() {
  engine_.state().tidy();
  const auto& messages = engine_.state().messages;
  if (messages.end() > kRestPlaces) return;
  const auto kept = journal_->in_memory_from();
  auto first = kNowhereInLog;
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot)
    if (messages[slot].state != engine::MessageState::none && messages[slot].position >= kept)
      first = std::min(first, messages[slot].position);
  journal_->trim(first);
}

// On a full disk settles live off the segments that others leave: each is freed before the next is
// begun.
bool Broker::Impl::must_make_room() const {
  return !in_flight_ && journal_->short_of_space() && journal_->frees_a_segment() &&
         journal_->since_checkpoint() >= retry_checkpoint_at_;
}

// Where no segment is empty by itself, the emptiest is copied together with what comes next. A
// checkpoint commits what gathered first, so there are replies to let out.
void Broker::Impl::keep_room() {
  if (in_flight_ || !journal_->short_of_space() || journal_->gathered_bytes() == 0) return;
  if (!journal_->frees_a_segment()) clean();
  if (!must_make_room()) return;
  write_checkpoint();
  release();
}

// A checkpoint's cost grows with what lives, so it comes the less often the more that is.
bool Broker::Impl::checkpoint_due() const {
  const auto& state = engine_.state();
  const std::uint64_t live = state.messages.size() + state.results.size();
  const auto bytes = std::max(options_.checkpoint_bytes, live * 256);
  return must_make_room() || journal_->since_checkpoint() > bytes ||
         storage_->records() - records_at_checkpoint_ > std::max(kCheckpointRecords, live);
}

std::uint64_t Broker::Impl::most_checkpoint_bytes() const {
  return storage_->settings().bytes() + engine_.state().most_entry_bytes();
}

void Broker::Impl::write_checkpoint() {
  Bytes bytes;
  auto& state = engine_.state();
  const auto settings = state.encode_checkpoint(bytes);
  std::map<std::uint64_t, std::vector<std::uint32_t>> live;
  for (std::uint32_t slot = 1; slot < state.messages.end(); ++slot) {
    const auto& message = state.messages[slot];
    if (message.state == engine::MessageState::none) continue;
    if (message.id.value >= engine::kTransientMessage) continue;  // in memory only
    if (CANARY(forget_live_record) && message.state == engine::MessageState::leased) continue;
    live[journal_->segment_of(message.position)].push_back(journal_->offset_of(message.position));
  }
  std::vector<journal::LiveSegment> segments;
  for (auto& [number, offsets] : live) {
    if (!std::ranges::is_sorted(offsets)) std::ranges::sort(offsets);
    segments.push_back({number, std::move(offsets)});
  }
  records_at_checkpoint_ = storage_->records();
  if (auto written = journal_->write_checkpoint(bytes, segments); !written) {
    // Without room for it the log only grows longer; with any other failure nothing can be trusted.
    if (written.error().code == ErrorCode::full || written.error().code == ErrorCode::busy) {
      ++counters_.checkpoints_put_off;
      retry_checkpoint_at_ =
          journal_->since_checkpoint() + options_.journal.segment_bytes / kTriesPerSegment;
      return;
    }
    fatal("write checkpoint", written.error().message, written.error().hint);
  }
  retry_checkpoint_at_ = 0;
  storage_->settings().reset(settings);
}

// On a full disk a copy must not begin a segment: what is left in this one is traded for a whole
// one.
std::optional<std::uint64_t> Broker::Impl::worth_cleaning() const {
  const auto s = journal_->statistics();
  const auto segment_bytes = options_.journal.segment_bytes;
  const bool full = journal_->short_of_space();
  const auto slack = full ? 0 : options_.dead_segments * segment_bytes;
  if (s.disk_bytes < 2 * s.live_bytes + slack) return std::nullopt;
  if (!full) return journal_->cleaning_candidate(kWorthCleaning);
  // Half of it for bodies, half for heads.
  const auto fits =
      static_cast<double>(journal_->left_in_segment() / 2) / static_cast<double>(segment_bytes);
  return journal_->cleaning_candidate(std::min(kWorthCleaning, fits));
}

void Broker::Impl::clean() {
  if (!cleaning_) {
    const auto segment = worth_cleaning();
    if (!segment) return;
    Cleaning cleaning;
    cleaning.segment = *segment;
    auto listed = journal_->for_each_record(*segment, [&](const journal::RecordHead& record) {
      if (record.body_bytes == 0) return;
      cleaning.items.push_back({record.kind, record.position,
                                static_cast<std::uint32_t>(cleaning.heads.size()),
                                static_cast<std::uint32_t>(record.head.size())});
      append(cleaning.heads, record.head);
    });
    if (!listed) {
      ++counters_.damaged_reads;
      return;
    }
    cleaning_ = std::move(cleaning);
  }
  const auto before = journal_->gathered_bytes();
  for (std::size_t n = 0; n < kCleanAtOnceItems; ++n) {
    if (cleaning_->next == cleaning_->items.size()) {
      cleaning_.reset();
      return;
    }
    if (journal_->gathered_bytes() > before + kCleanAtOnceBytes) return;
    const auto& item = cleaning_->items[cleaning_->next++];
    const auto head = ByteView(cleaning_->heads).subspan(item.head_at, item.head_bytes);
    // What cannot be read stays where it is, and is counted; its segment is kept then.
    static_cast<void>(engine_.relocate(item.kind, head, item.position));
  }
}

}  // namespace penstock::broker
