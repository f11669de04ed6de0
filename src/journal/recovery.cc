#include "journal/recovery.h"

#include <algorithm>
#include <set>

#include "base/canary.h"
#include "base/check.h"
#include "journal/names.h"
#include "journal/parity.h"

namespace penstock::journal {

std::string verify_hint(const Directory& directory) {
  return "run `penstock verify " + directory.path() +
         "` to see what is affected, and with --repair to keep what is whole";
}

Result<Survey> survey(Directory& directory) {
  auto names = directory.list();
  if (!names) return fail(std::move(names).error());
  Survey result;
  result.names = std::move(*names);
  for (const auto& name : result.names) {
    if (const auto number = segment_number(name)) result.segments.push_back(*number);
    if (const auto number = checkpoint_number(name)) result.checkpoints.push_back(*number);
    if (const auto number = parity_number(name)) result.parities.push_back(*number);
  }
  std::ranges::sort(result.parities);
  std::ranges::sort(result.segments);
  std::ranges::sort(result.checkpoints);
  return result;
}

Result<SegmentHeader> read_segment_header(const Directory& directory, const File& file,
                                          std::uint64_t number) {
  const auto place = directory.path() + "/" + segment_name(number);
  Bytes block(kBlock);
  if (auto done = read_padded(file, 0, block); !done) return fail(std::move(done).error());
  auto read = decode_segment_header(block);
  if (read.newer_version != 0)
    return fail(ErrorCode::unsupported,
                place + " has format version " + std::to_string(read.newer_version) +
                    ", this program knows " + std::to_string(kFormatVersion),
                "open it with the newer penstock that wrote it");
  if (!read.header || read.header->number != number)
    return fail(ErrorCode::corrupt, place + ": offset 0: the segment's header is damaged",
                verify_hint(directory));
  return *read.header;
}

Result<std::optional<Trailer>> read_trailer(const Layout& layout, const File& file,
                                            std::uint64_t number) {
  Bytes block(kBlock);
  if (auto done = read_padded(file, layout.segment_bytes() - kBlock, block); !done)
    return fail(std::move(done).error());
  return decode_trailer(layout, number, block);
}

namespace {

using VisitHead = std::function<Result<void>(const RecordHead&)>;

struct OpenSegment {
  std::unique_ptr<File> file;
  SegmentHeader header;
};

// What visiting one segment told.
struct Visited {
  std::uint64_t data_end = kBlock;
  ChainLink link;
  bool sealed = false;
  bool clean = false;
  std::optional<BatchHeader> torn;
};

class Recovery {
 public:
  Recovery(Directory& directory, const Survey& survey, Replay& replay)
      : directory_(directory), survey_(survey), replay_(replay) {}

  Result<Recovered> run();

 private:
  Result<void> choose_checkpoint();
  Result<void> choose_layout();
  Result<void> check_sequence();
  Result<void> check_nothing_follows();
  Result<void> replay_live();
  Result<void> replay_live_segment(std::uint64_t number);
  Result<void> replay_log();
  Result<void> replay_segment(std::uint64_t number, ChainLink& link);
  Result<void> check_tail(const File& file, std::uint64_t number, const Visited& visited);
  Result<void> settle_tail(std::vector<FooterChunk> chunks);

  // Runs `step`, which reads the segment. When it meets damage that the parity can undo, once more.
  template <class Step>
  auto mending(std::uint64_t number, const Step& step) -> decltype(step()) {
    auto done = step();
    if (done) return done;
    // A version that is damaged with more of its header looks like a newer program's segment; that
    // one has no parity that this program reads.
    const auto code = done.error().code;
    const bool damaged =
        code == ErrorCode::corrupt || code == ErrorCode::io || code == ErrorCode::unsupported;
    return damaged && mend(number) ? step() : std::move(done);
  }
  // True: something in the segment was repaired.
  bool mend(std::uint64_t number);

  Result<OpenSegment> open_segment(std::uint64_t number);
  // By its footer, or by a scan when that is not there or damaged. `end`: where its batches must
  // end, when something that is durable said so.
  Result<Visited> visit(std::uint64_t number, const OpenSegment& segment,
                        std::optional<std::uint64_t> end, const VisitHead& visit_head);
  [[nodiscard]] bool exists(std::uint64_t number) const {
    return std::ranges::binary_search(survey_.segments, number);
  }
  [[nodiscard]] std::uint64_t last() const { return survey_.segments.back(); }
  // Where the batches of `number` must end, said by the segment behind it.
  Result<std::optional<std::uint64_t>> end_said_by_next(std::uint64_t number);
  [[nodiscard]] std::unexpected<Error> corrupt(std::uint64_t segment, std::uint64_t offset,
                                               const std::string& what) const;
  void see_epoch(std::uint64_t epoch) { max_epoch_ = std::max(max_epoch_, epoch); }

  // Hands out live records of one segment, in step with the offsets that the checkpoint names.
  struct LiveCursor {
    const std::vector<std::uint32_t>* offsets = nullptr;
    std::size_t next = 0;
    [[nodiscard]] bool take(std::uint32_t offset) {
      if (offsets == nullptr || next == offsets->size() || (*offsets)[next] != offset) return false;
      ++next;
      return true;
    }
    [[nodiscard]] bool finished() const { return offsets == nullptr || next == offsets->size(); }
  };
  [[nodiscard]] LiveCursor live_in(std::uint64_t segment) const;

  Directory& directory_;
  const Survey& survey_;
  Replay& replay_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Layout> layout_;
  std::uint64_t max_epoch_ = 0;
  std::uint64_t first_ = 1;  // the segment where replaying begins
  LogPosition covers_;
  bool live_done_ = false;
  LogPosition replayed_;  // up to here, when a segment is read again
  std::set<std::uint64_t> mended_;
  FooterBuilder tail_footer_{Layout({}, kMinSegmentBytes), 0};
  std::vector<FooterChunk> tail_chunks_;
  Visited tail_;
  std::map<std::uint64_t, std::uint64_t> ends_;
  std::vector<std::uint64_t> sealed_;
  OpenReport report_;
};

std::unexpected<Error> Recovery::corrupt(std::uint64_t segment, std::uint64_t offset,
                                         const std::string& what) const {
  auto text =
      directory_.path() + "/" + segment_name(segment) + ": offset " + std::to_string(offset);
  if (layout_)
    text += " (position " + std::to_string(layout_->position(segment, offset).value) + ")";
  return fail(ErrorCode::corrupt, text + ": " + what, verify_hint(directory_));
}

bool Recovery::mend(std::uint64_t number) {
  if (!mended_.insert(number).second) return false;  // all of it was looked at
  const auto ranges = mend_segment(directory_, layout_ ? &*layout_ : nullptr, number, true);
  if (!ranges) return false;  // the damage is what is told, not that it stayed
  bool any = false;
  for (const auto& range : *ranges) {
    if (range.repaired)
      report_.repaired.push_back({segment_name(number), range.offset, range.bytes});
    any = any || range.repaired;
  }
  return any;
}

// The newest whole one. An older one will do only with every segment behind it, which the checks
// that follow demand of any checkpoint.
Result<void> Recovery::choose_checkpoint() {
  Error first_error;
  for (auto it = survey_.checkpoints.rbegin(); it != survey_.checkpoints.rend(); ++it) {
    auto checkpoint = read_checkpoint_file(directory_, *it);
    if (checkpoint) {
      checkpoint_ = std::move(*checkpoint);
      see_epoch(checkpoint_->epoch);
      return {};
    }
    if (checkpoint.error().code != ErrorCode::corrupt) return fail(std::move(checkpoint).error());
    if (first_error.message.empty()) first_error = std::move(checkpoint).error();
  }
  if (first_error.message.empty()) return {};
  first_error.hint = verify_hint(directory_);
  return fail(std::move(first_error));
}

Result<void> Recovery::choose_layout() {
  if (checkpoint_) {
    layout_.emplace(checkpoint_->log_id, checkpoint_->segment_bytes);
    covers_ = checkpoint_->covers;
    first_ = layout_->segment_of(covers_);
    return {};
  }
  CHECK(!survey_.segments.empty());
  const auto number = survey_.segments.front();
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
  auto header = mending(number, [&] { return read_segment_header(directory_, **file, number); });
  if (!header) return fail(std::move(header).error());
  layout_.emplace(header->log_id, header->segment_bytes);
  covers_ = layout_->position(1, kBlock);
  return {};
}

Result<void> Recovery::check_sequence() {
  const auto missing = [&](std::uint64_t number, const char* why) {
    return fail(ErrorCode::corrupt,
                directory_.path() + "/" + segment_name(number) + " is missing: " + why,
                verify_hint(directory_));
  };
  if (!exists(first_))
    return missing(
        first_, checkpoint_ ? "the checkpoint says the log goes on there" : "the log begins there");
  std::uint64_t expected = first_;
  for (const auto number : survey_.segments) {
    if (number < first_) continue;
    if (number != expected) return missing(expected, "later segments are there");
    ++expected;
  }
  if (auto done = check_nothing_follows(); !done) return done;
  if (!checkpoint_) return {};
  for (const auto& live : checkpoint_->live)
    if (!exists(live.number))
      return missing(live.number, "the checkpoint names live records in it");
  return {};
}

// A segment's parity is made when the next one has a durable batch, so it is never the last's.
Result<void> Recovery::check_nothing_follows() {
  for (const auto number : survey_.parities) {
    if (number < last()) continue;
    const auto parity = Parity::load(directory_, number);
    if (!parity || parity->layout().log_id() != layout_->log_id()) continue;
    return fail(ErrorCode::corrupt,
                directory_.path() + "/" + segment_name(last() + 1) +
                    " is missing: " + parity_name(number) + " was made after it was begun",
                verify_hint(directory_));
  }
  return {};
}

Result<OpenSegment> Recovery::open_segment(std::uint64_t number) {
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
  auto header = mending(number, [&] { return read_segment_header(directory_, **file, number); });
  if (!header) return fail(std::move(header).error());
  if (header->log_id != layout_->log_id() || header->segment_bytes != layout_->segment_bytes())
    return corrupt(number, 0, "the segment belongs to another log");
  see_epoch(header->first_epoch);
  return OpenSegment{std::move(*file), *header};
}

Result<std::optional<std::uint64_t>> Recovery::end_said_by_next(std::uint64_t number) {
  if (!exists(number + 1)) return std::nullopt;
  auto next = open_segment(number + 1);
  if (!next) {
    // A segment that is not needed any more may be damaged; then nobody says.
    if (number + 1 < first_ && next.error().code == ErrorCode::corrupt) return std::nullopt;
    return fail(std::move(next).error());
  }
  const LogPosition end(next->header.previous_end);
  if (layout_->segment_of(end) == number) return layout_->offset_of(end);
  if (mend(number + 1)) return end_said_by_next(number);
  return corrupt(number + 1, 0, "its header names another predecessor");
}

Result<Visited> Recovery::visit(std::uint64_t number, const OpenSegment& segment,
                                std::optional<std::uint64_t> end, const VisitHead& visit_head) {
  auto trailer = read_trailer(*layout_, *segment.file, number);
  if (!trailer) return fail(std::move(trailer).error());
  const auto fits = [&] { return *trailer && (!end || (*trailer)->data_end == *end); };
  if (!fits() && mend(number)) {
    trailer = read_trailer(*layout_, *segment.file, number);
    if (!trailer) return fail(std::move(trailer).error());
  }
  if (fits()) {
    see_epoch((*trailer)->last_epoch);
    end = (*trailer)->data_end;
    auto entries = mending(number, [&] { return load_footer(*layout_, *segment.file, **trailer); });
    if (entries) {
      if (auto done = for_each_entry(*layout_, number, *entries, visit_head); !done)
        return fail(std::move(done).error());
      return Visited{*end, {(*trailer)->last_epoch, (*trailer)->last_crc}, true, false, {}};
    }
    if (entries.error().code != ErrorCode::corrupt) return fail(std::move(entries).error());
  }
  auto walk = walk_segment(
      *layout_, *segment.file, number, {segment.header.first_epoch, segment.header.previous_crc},
      end.value_or(layout_->segment_bytes() - kBlock), [&](const RecordView& record) {
        return visit_head({record.position, record.kind, record.head,
                           static_cast<std::uint32_t>(record.body.size())});
      });
  if (!walk) return fail(std::move(walk).error());
  see_epoch(walk->link.epoch);
  if (walk->torn) see_epoch(walk->torn->epoch);
  if (end && walk->data_end != *end)
    return corrupt(number, walk->data_end,
                   "a batch is damaged that was durable: the segment's batches end at offset " +
                       std::to_string(*end));
  return Visited{walk->data_end, walk->link, end.has_value(), (walk->last_flags & kBatchClean) != 0,
                 walk->torn};
}

Recovery::LiveCursor Recovery::live_in(std::uint64_t segment) const {
  if (!checkpoint_) return {};
  const auto& live = checkpoint_->live;
  const auto found = std::ranges::lower_bound(live, segment, {}, &LiveSegment::number);
  return found != live.end() && found->number == segment ? LiveCursor{&found->offsets, 0}
                                                         : LiveCursor{};
}

// Live records in the segments before the one in which the checkpoint's position lies.
Result<void> Recovery::replay_live() {
  for (const auto number : survey_.segments) {
    if (number >= first_) break;
    ends_[number] = layout_->segment_bytes() - kBlock;
    // Nobody needs it: its damage would do no harm.
    if (live_in(number).offsets == nullptr) continue;
    auto done = mending(number, [&] { return replay_live_segment(number); });
    if (!done) return done;
    sealed_.push_back(number);
  }
  return {};
}

Result<void> Recovery::replay_live_segment(std::uint64_t number) {
  auto segment = open_segment(number);
  if (!segment) return fail(std::move(segment).error());
  auto end = end_said_by_next(number);
  if (!end) return fail(std::move(end).error());
  auto live = live_in(number);
  auto visited = visit(number, *segment, *end, [&](const RecordHead& record) -> Result<void> {
    if (!live.take(layout_->offset_of(record.position)) || record.position <= replayed_) return {};
    replayed_ = record.position;
    return replay_.live_record(record);
  });
  if (!visited) return fail(std::move(visited).error());
  if (!live.finished())
    return corrupt(number, (*live.offsets)[live.next],
                   "the record that the checkpoint names is not there");
  ends_[number] = visited->data_end;
  return {};
}

Result<void> Recovery::replay_segment(std::uint64_t number, ChainLink& link) {
  auto segment = open_segment(number);
  if (!segment) return fail(std::move(segment).error());
  if (number != first_ && segment->header.previous_crc != link.crc)
    return corrupt(number, 0, "the segment does not follow the one before it");
  auto end = end_said_by_next(number);
  if (!end) return fail(std::move(end).error());
  auto live = live_in(number);
  tail_footer_.reset(*layout_, number);
  tail_chunks_.clear();
  auto visited = visit(number, *segment, *end, [&](const RecordHead& record) -> Result<void> {
    const auto offset = layout_->offset_of(record.position);
    if (number == last())
      tail_footer_.add(offset, record.kind, record.head, record.body_bytes, tail_chunks_);
    const bool covered = record.position < covers_;
    if (covered && !live.take(offset)) return {};
    if (record.position <= replayed_) return {};
    if (!covered && !live.finished()) return {};  // reported below
    replayed_ = record.position;
    if (covered) return replay_.live_record(record);
    if (!live_done_) {
      live_done_ = true;
      if (auto done = replay_.live_done(); !done) return done;
    }
    ++report_.records;
    return replay_.record(record);
  });
  if (!visited) return fail(std::move(visited).error());
  if (!live.finished())
    return corrupt(number, (*live.offsets)[live.next],
                   "the record that the checkpoint names is not there");
  ends_[number] = visited->data_end;
  if (number == last()) {
    if (auto done = check_tail(*segment->file, number, *visited); !done) return done;
    tail_ = *visited;
  } else {
    sealed_.push_back(number);
  }
  link = visited->link;
  return {};
}

// A bad batch is a torn tail only if nothing says that anything behind its beginning was durable.
Result<void> Recovery::check_tail(const File& file, std::uint64_t number, const Visited& visited) {
  const auto end = layout_->position(number, visited.data_end);
  if (covers_ > end)
    return corrupt(number, visited.data_end,
                   "a batch is damaged that was durable: a checkpoint covers it");
  if (visited.sealed) return {};
  if (visited.torn && visited.torn->epoch >= visited.link.epoch &&
      visited.torn->previous_crc != visited.link.crc)
    return corrupt(number, visited.data_end, "the batch does not follow the one before it");
  auto later =
      find_batch_header(*layout_, file, number, visited.data_end + kBlock, visited.link.epoch);
  if (!later) return fail(std::move(later).error());
  if (*later)
    return corrupt(number, visited.data_end,
                   "a batch is damaged that was durable: a later one begins at position " +
                       std::to_string((*later)->position));
  if (visited.torn) report_.torn_bytes = visited.torn->total_bytes;
  return {};
}

Result<void> Recovery::replay_log() {
  ChainLink link;
  for (auto number = first_; number <= last(); ++number)
    if (auto done = mending(number, [&] { return replay_segment(number, link); }); !done)
      return done;
  return live_done_ ? Result<void>{} : replay_.live_done();
}

// What was read may not have been synced when the last life ended: from now on it counts as
// durable.
Result<void> Recovery::settle_tail(std::vector<FooterChunk> chunks) {
  if (CANARY(skip_recovery_sync)) return {};
  for (auto number = last() > first_ ? last() - 1 : last(); number <= last(); ++number) {
    auto file = directory_.open(segment_name(number));
    if (!file) return fail(std::move(file).error());
    if (number == last() && !tail_.sealed)
      for (const auto& chunk : chunks)
        if (auto done = (*file)->write_at(chunk_offset(*layout_, chunk.index), chunk.bytes); !done)
          return done;
    if (auto done = (*file)->sync(); !done) return done;
  }
  return directory_.sync();
}

Result<Recovered> Recovery::run() {
  if (auto done = choose_checkpoint(); !done) return fail(std::move(done).error());
  if (survey_.segments.empty())
    return fail(ErrorCode::corrupt, directory_.path() + ": a checkpoint is there but no segment",
                verify_hint(directory_));
  if (auto done = choose_layout(); !done) return fail(std::move(done).error());
  if (auto done = check_sequence(); !done) return fail(std::move(done).error());
  if (checkpoint_) {
    if (auto done = replay_.checkpoint(checkpoint_->state, covers_); !done)
      return fail(std::move(done).error());
    checkpoint_->state = {};
  }
  if (auto done = replay_live(); !done) return fail(std::move(done).error());
  if (auto done = replay_log(); !done) return fail(std::move(done).error());
  if (auto done = settle_tail(std::move(tail_chunks_)); !done) return fail(std::move(done).error());
  report_.clean = tail_.clean;
  report_.segments = survey_.segments.size();
  return Recovered{*layout_,
                   max_epoch_ + 1,
                   tail_.link,
                   layout_->position(last(), tail_.data_end),
                   {last(), tail_.data_end, tail_.sealed},
                   std::move(tail_footer_),
                   checkpoint_ ? checkpoint_->number : 0,
                   covers_,
                   std::move(ends_),
                   std::move(sealed_),
                   report_};
}

}  // namespace

Result<Recovered> recover(Directory& directory, const Survey& survey, Replay& replay) {
  return Recovery(directory, survey, replay).run();
}

}  // namespace penstock::journal
