#include "journal/verify.h"

#include <algorithm>
#include <functional>
#include <map>

#include "journal/audit.h"
#include "journal/checkpoint.h"
#include "journal/mended_file.h"
#include "journal/names.h"
#include "journal/parity.h"
#include "journal/recovery.h"

namespace penstock::journal {
namespace {

class Verify {
 public:
  Verify(Directory& directory, bool repair) : directory_(directory), repair_(repair) {}
  Result<VerifyReport> run();

 private:
  Result<void> check_checkpoints();
  Result<void> choose_layout();
  // Puts files aside that have the name of a segment and are none.
  Result<void> check_strays();
  [[nodiscard]] Result<std::string> stray(std::uint64_t number);
  Result<void> check_parities();
  Result<void> check_parity(std::uint64_t number);
  Result<void> mend(const Parity& parity, File& segment);
  Result<void> put_parity_aside(std::uint64_t number);
  void report_mended(std::uint64_t number);
  Result<bool> check_size(std::uint64_t number);
  Result<void> check_segments();
  Result<void> check_segment(std::uint64_t number);
  Result<void> check_live();
  Result<void> repair_segment(std::uint64_t number, const File* file, const Audit& audit,
                              std::size_t first_problem);
  Result<void> quarantine_copy(const std::string& name, const File& file);
  void report_audit(std::uint64_t number, bool there, const Audit& audit);
  VerifyProblem& add(const std::string& file, std::uint64_t offset, LogPosition position,
                     std::string what, std::string affected) {
    report_.problems.push_back({file, offset, position, std::move(what), std::move(affected)});
    return report_.problems.back();
  }
  [[nodiscard]] bool exists(std::uint64_t number) const {
    return std::ranges::binary_search(survey_.segments, number);
  }
  [[nodiscard]] bool needed(std::uint64_t number) const {
    return number >= first_ || live_in(number) != nullptr;
  }
  // The segment as its parity says it was; null when it is not there.
  Result<std::unique_ptr<File>> open_mended(std::uint64_t number);
  // The header of a segment, if it is there and whole.
  Result<std::optional<SegmentHeader>> header_of(std::uint64_t number);
  [[nodiscard]] const LiveSegment* live_in(std::uint64_t number) const;

  Directory& directory_;
  const bool repair_;
  Survey survey_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Layout> layout_;
  std::uint64_t first_ = 1;  // the segment where replaying begins
  std::optional<ChainLink> link_;
  LogPosition previous_end_;
  std::vector<LiveSegment> live_kept_;
  std::map<std::uint64_t, MendedBlocks> mended_;
  std::map<std::uint64_t, std::vector<DamagedRange>> ranges_;
  std::uint64_t proven_ = 0;  // the last segment of which a parity file says that it was there
  VerifyReport report_;
};

Result<void> Verify::check_checkpoints() {
  for (auto it = survey_.checkpoints.rbegin(); it != survey_.checkpoints.rend(); ++it) {
    ++report_.checkpoints;
    auto read = read_checkpoint_file(directory_, *it);
    if (read) {
      report_.bytes_read += read->state.size();
      if (!checkpoint_) checkpoint_ = std::move(*read);
      continue;
    }
    if (read.error().code != ErrorCode::corrupt) return fail(std::move(read).error());
    add(checkpoint_name(*it), 0, {}, read.error().message,
        "the owner's state; it can be had again only from an older checkpoint or a log that is "
        "whole "
        "from its first segment");
  }
  // A damaged one is put aside when the log can be opened without it.
  const bool complete = checkpoint_ || exists(1);
  if (!repair_ || !complete) return {};
  for (auto& problem : report_.problems) {
    const auto done = directory_.rename(problem.file, problem.file + ".damaged");
    if (!done) return done;
    problem.repaired = true;
  }
  return {};
}

Result<std::unique_ptr<File>> Verify::open_mended(std::uint64_t number) {
  if (!exists(number)) return nullptr;
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
  return std::make_unique<MendedFile>(std::move(*file), mended_[number]);
}

Result<std::optional<SegmentHeader>> Verify::header_of(std::uint64_t number) {
  auto file = open_mended(number);
  if (!file) return fail(std::move(file).error());
  if (!*file) return std::nullopt;
  auto header = read_segment_header(directory_, **file, number);
  if (!header && header.error().code == ErrorCode::corrupt) return std::nullopt;
  if (!header) return fail(std::move(header).error());
  if (layout_ && header->log_id != layout_->log_id()) return std::nullopt;
  return *header;
}

Result<void> Verify::choose_layout() {
  if (checkpoint_) {
    layout_.emplace(checkpoint_->log_id, checkpoint_->segment_bytes);
    first_ = layout_->segment_of(checkpoint_->covers);
    return {};
  }
  for (const auto number : survey_.segments) {
    auto header = header_of(number);
    if (!header) return fail(std::move(header).error());
    if (!*header) continue;
    layout_.emplace((*header)->log_id, (*header)->segment_bytes);
    return {};
  }
  for (const auto number : survey_.parities) {
    const auto parity = Parity::load(directory_, number);
    if (!parity) continue;
    layout_ = parity->layout();
    return {};
  }
  return fail(ErrorCode::corrupt, directory_.path() + ": no segment has a header that holds",
              "restore the directory from a backup");
}

const LiveSegment* Verify::live_in(std::uint64_t number) const {
  if (!checkpoint_) return nullptr;
  const auto found = std::ranges::lower_bound(checkpoint_->live, number, {}, &LiveSegment::number);
  return found != checkpoint_->live.end() && found->number == number ? &*found : nullptr;
}

void Verify::report_audit(std::uint64_t number, bool there, const Audit& audit) {
  const auto name = segment_name(number);
  const auto at = [&](std::uint64_t offset) { return layout_->position(number, offset); };
  if (!there) add(name, 0, at(0), "the segment is missing", "every record in it");
  if (there && audit.header_damaged)
    add(name, 0, at(0), "the segment's header is damaged",
        audit.records > 0 ? "nothing else, by itself" : "every record that was in it, if any was");
  for (const auto& hole : audit.holes) {
    if (!there) break;
    add(name, hole.from, at(hole.from), hole.why,
        "positions " + std::to_string(at(hole.from).value) + " to " +
            std::to_string(at(hole.to).value) + "; " + std::to_string(hole.saved) +
            " records in there are whole");
  }
  // A repaired or damaged segment gets a new footer anyway.
  const auto footer = audit.chunks.empty() ? layout_->segment_bytes() - kBlock
                                           : chunk_offset(*layout_, audit.chunks.size() - 1);
  if (there && audit.footer_damaged && audit.holes.empty())
    add(name, footer, at(footer), "the footer from here on is damaged or missing",
        "nothing: it is made from the batches");
}

Result<void> Verify::quarantine_copy(const std::string& name, const File& file) {
  auto copy = directory_.create(name + ".damaged");
  if (!copy && copy.error().code == ErrorCode::conflict) return {};  // from an earlier repair
  if (!copy) return fail(std::move(copy).error());
  Bytes piece(1 << 20);
  for (std::uint64_t at = 0;; at += piece.size()) {
    auto count = file.read_at(at, piece);
    if (!count) return fail(std::move(count).error());
    if (auto done = (*copy)->write_at(at, ByteView(piece).first(*count)); !done) return done;
    if (*count < piece.size()) return (*copy)->sync();
  }
}

Result<void> Verify::repair_segment(std::uint64_t number, const File* file, const Audit& audit,
                                    std::size_t first_problem) {
  const auto name = segment_name(number);
  if (file != nullptr)
    if (auto done = quarantine_copy(name, *file); !done) return done;
  auto repaired = directory_.create(kRepairTemporary);
  if (!repaired) return fail(std::move(repaired).error());
  if (auto done = write_repaired(*layout_, file, audit, **repaired); !done) return done;
  // It is of the damaged segment: it must not make that of the repaired one.
  if (auto done = put_parity_aside(number); !done) return done;
  if (auto done = directory_.rename(kRepairTemporary, name); !done) return done;
  if (auto done = directory_.sync(); !done) return done;
  for (auto i = first_problem; i < report_.problems.size(); ++i)
    report_.problems[i].repaired = true;
  return {};
}

Result<void> Verify::check_segment(std::uint64_t number) {
  const auto* live = live_in(number);
  if (number < first_ && live == nullptr) {
    link_.reset();
    previous_end_ = {};
    return {};  // not needed, and so not read: what it holds may be anything
  }
  auto opened = open_mended(number);
  if (!opened) return fail(std::move(opened).error());
  const auto file = std::move(*opened);
  if (file != nullptr) {
    ++report_.segments;
    report_.bytes_read += layout_->segment_bytes();
  }
  auto next = header_of(number + 1);
  if (!next) return fail(std::move(next).error());
  AuditContext context{.number = number,
                       .link = link_,
                       .previous_end = previous_end_.value,
                       .next = std::move(*next)};
  if (checkpoint_ && number == first_)
    context.durable_end = layout_->offset_of(checkpoint_->covers);
  auto audit = audit_segment(*layout_, file.get(), context);
  if (!audit) return fail(std::move(audit).error().at(segment_name(number)));
  const auto first_problem = report_.problems.size();
  report_mended(number);
  auto whole_size = check_size(number);
  if (!whole_size) return fail(std::move(whole_size).error());
  report_audit(number, file != nullptr, *audit);
  report_.batches += audit->batches;
  report_.records += audit->records;
  for (const auto& hole : audit->holes) report_.records_saved += hole.saved;
  if (!survey_.segments.empty() && number == survey_.segments.back())
    report_.torn_bytes = audit->torn_bytes;
  if (live != nullptr) {
    LiveSegment kept{number, {}};
    std::ranges::set_intersection(live->offsets, audit->offsets, std::back_inserter(kept.offsets));
    report_.live_lost += live->offsets.size() - kept.offsets.size();
    if (!kept.offsets.empty()) live_kept_.push_back(std::move(kept));
  }
  link_ = audit->link;
  previous_end_ = layout_->position(number, audit->data_end);
  const bool lost = std::ranges::any_of(ranges_[number], std::not_fn(&DamagedRange::repaired));
  if (!repair_ || (file != nullptr && audit->healthy() && *whole_size && !lost)) return {};
  return repair_segment(number, file.get(), *audit, first_problem);
}

// ---- what the parity says

Result<void> Verify::check_parities() {
  for (const auto number : survey_.parities) {
    const auto first_problem = report_.problems.size();
    if (auto done = check_parity(number); !done) return done;
    if (!repair_ || report_.problems.size() == first_problem) continue;
    // It is derived: the next start makes it anew.
    if (auto done = put_parity_aside(number); !done) return done;
    for (auto i = first_problem; i < report_.problems.size(); ++i)
      report_.problems[i].repaired = true;
  }
  return {};
}

Result<void> Verify::check_parity(std::uint64_t number) {
  const auto name = parity_name(number);
  const auto bad = [&](std::uint64_t offset, const char* what) {
    add(name, offset, {}, what, "nothing, by itself: it is made anew at the next start")
        .repairable = true;
  };
  ++report_.parity_files;
  auto parity = Parity::load(directory_, number);
  if (!parity && parity.error().code != ErrorCode::corrupt) return fail(std::move(parity).error());
  if (!parity) return bad(0, "the parity's header or table is damaged"), Result<void>{};
  const auto geometry = parity->geometry();
  report_.bytes_read += geometry.file_bytes();
  if (parity->layout().log_id() != layout_->log_id())
    return bad(0, "the parity is of another log"), Result<void>{};
  proven_ = std::max(proven_, number + 1);
  if (!needed(number) || !exists(number)) return {};
  auto segment = directory_.open(segment_name(number));
  if (!segment) return fail(std::move(segment).error());
  if (!parity->belongs_to(*layout_, **segment))
    return bad(0, "the parity is of another life of the segment"), Result<void>{};
  if (auto done = mend(*parity, **segment); !done) return done;
  if (parity->worn()) bad(0, "one copy of the parity's header or table is damaged");
  for (std::uint64_t stripe = 0; stripe < geometry.stripes(); ++stripe)
    if (!parity->parity_of(stripe))
      bad(geometry.parity_at() + stripe * kBlock, "a block of the parity is damaged");
  return {};
}

Result<void> Verify::mend(const Parity& parity, File& segment) {
  auto& blocks = mended_[parity.number()];
  auto& ranges = ranges_[parity.number()];
  for (std::uint64_t at = 0; at < layout_->segment_bytes(); at += kExamineBytes) {
    auto examined = examine(parity, segment, at, at + kExamineBytes);
    if (repair_)
      if (auto done = write_back(parity, segment, examined); !done) return done;
    add_ranges(examined, ranges);
    for (auto& block : examined.damaged)
      if (!block.bytes.empty()) blocks.emplace(block.offset, std::move(block.bytes));
  }
  return {};
}

void Verify::report_mended(std::uint64_t number) {
  for (const auto& range : ranges_[number]) {
    auto& problem = add(segment_name(number), range.offset, layout_->position(number, range.offset),
                        std::to_string(range.bytes) + " bytes are damaged",
                        range.repaired ? "nothing: the parity brings them back"
                                       : "more than the parity brings back; what that means is "
                                         "told below, or nothing where the segment is unused");
    problem.repairable = range.repaired;
    problem.repaired = range.repaired && repair_;
    if (range.repaired) report_.repairable_blocks += range.bytes / kBlock;
  }
}

Result<void> Verify::put_parity_aside(std::uint64_t number) {
  const auto name = parity_name(number);
  auto done = directory_.rename(name, name + ".damaged");
  if (!done && done.error().code == ErrorCode::not_found) return {};
  return done ? directory_.sync() : done;
}

// False: the file has not the size of a segment. What is missing reads as zeros.
Result<bool> Verify::check_size(std::uint64_t number) {
  if (!exists(number)) return true;
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
  const auto size = (*file)->size();
  if (!size) return fail(size.error());
  if (*size == layout_->segment_bytes()) return true;
  const auto offset = std::min(*size, layout_->segment_bytes());
  add(segment_name(number), offset, layout_->position(number, offset),
      "the file has " + std::to_string(*size) + " bytes and not " +
          std::to_string(layout_->segment_bytes()),
      *size < layout_->segment_bytes() ? "what was behind its end; what that means is told below"
                                       : "nothing");
  return false;
}

// ---- files that have the name of a segment

// What is wrong with the last of the segments, when it is none; empty when it may be one.
Result<std::string> Verify::stray(std::uint64_t number) {
  auto file = open_mended(number);
  if (!file) return fail(std::move(file).error());
  Bytes block(kBlock);
  if (auto done = read_padded(**file, 0, block); !done) return fail(std::move(done).error());
  const auto header = decode_segment_header(block).header;
  if (header && header->number == number) return {};
  if (!exists(number - 1)) return "the header is not a segment's, and none is before it";
  if (!header) return {};
  auto before = open_mended(number - 1);
  if (!before) return fail(std::move(before).error());
  const auto trailer = read_trailer(*layout_, **before, number - 1);
  if (!trailer) return fail(trailer.error());
  // A segment is begun when the one before it is sealed.
  if (*trailer) return {};
  return "the file is a copy of segment " + std::to_string(header->number);
}

Result<void> Verify::check_strays() {
  while (!survey_.segments.empty() && survey_.segments.back() > std::max(first_, proven_)) {
    const auto number = survey_.segments.back();
    auto what = stray(number);
    if (!what) return fail(std::move(what).error());
    if (what->empty()) return {};
    const auto name = segment_name(number);
    auto& problem = add(name, 0, layout_->position(number, 0), std::move(*what),
                        "nothing: it is no segment of the log");
    survey_.segments.pop_back();
    if (!repair_) continue;
    if (auto done = directory_.rename(name, name + ".damaged"); !done) return done;
    if (auto done = directory_.sync(); !done) return done;
    problem.repaired = true;
  }
  return {};
}

Result<void> Verify::check_segments() {
  std::vector<std::uint64_t> numbers = survey_.segments;
  if (checkpoint_)
    for (const auto& live : checkpoint_->live) numbers.push_back(live.number);
  const auto there = survey_.segments.empty() ? first_ : survey_.segments.back();
  const auto last = std::max({first_, there, proven_});
  for (auto number = first_; number <= last; ++number) numbers.push_back(number);
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  std::uint64_t before = 0;
  for (const auto number : numbers) {
    if (number != before + 1) {
      link_.reset();
      previous_end_ = {};
    }
    if (auto done = check_segment(number); !done) return done;
    before = number;
  }
  return {};
}

// The checkpoint may not name what is gone, or the log would be refused for ever.
Result<void> Verify::check_live() {
  if (report_.live_lost == 0) return {};
  add(checkpoint_name(checkpoint_->number), 0, {},
      "it names " + std::to_string(report_.live_lost) + " records that are gone",
      "those records are lost");
  if (!repair_) return {};
  auto next = *checkpoint_;
  next.number = survey_.checkpoints.back() + 1;
  if (auto done = write_checkpoint_file(directory_, next, next.state, live_kept_); !done)
    return done;
  report_.problems.back().repaired = true;
  // Whoever puts back the files that were put aside wants all that they held named again.
  const auto name = checkpoint_name(checkpoint_->number);
  if (auto done = directory_.rename(name, name + ".damaged"); !done) return done;
  return directory_.sync();
}

Result<VerifyReport> Verify::run() {
  auto lock = directory_.lock();
  if (!lock) return fail(std::move(lock).error());
  auto found = survey(directory_);
  if (!found) return fail(std::move(found).error());
  survey_ = std::move(*found);
  if (survey_.segments.empty() && survey_.checkpoints.empty()) return std::move(report_);
  if (repair_ && std::ranges::find(survey_.names, kRepairTemporary) != survey_.names.end())
    if (auto done = directory_.remove(kRepairTemporary); !done)
      return fail(std::move(done).error());
  for (const auto step :
       {&Verify::check_checkpoints, &Verify::choose_layout, &Verify::check_parities,
        &Verify::check_strays, &Verify::check_segments, &Verify::check_live})
    if (auto done = (this->*step)(); !done) return fail(std::move(done).error().at("verify"));
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify(Directory& directory, bool repair) {
  return Verify(directory, repair).run();
}

}  // namespace penstock::journal
