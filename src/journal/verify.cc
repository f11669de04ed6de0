#include "journal/verify.h"

#include <algorithm>
#include <map>

#include "journal/audit.h"
#include "journal/checkpoint.h"
#include "journal/names.h"
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
  Result<void> check_segments();
  Result<void> check_segment(std::uint64_t number);
  Result<void> check_live();
  Result<void> repair_segment(std::uint64_t number, const File* file, const Audit& audit,
                              std::size_t first_problem);
  Result<void> quarantine_copy(const std::string& name, const File& file);
  void report_audit(std::uint64_t number, bool there, const Audit& audit);
  void add(const std::string& file, std::uint64_t offset, LogPosition position, std::string what,
           std::string affected) {
    report_.problems.push_back({file, offset, position, std::move(what), std::move(affected)});
  }
  [[nodiscard]] bool exists(std::uint64_t number) const {
    return std::ranges::binary_search(survey_.segments, number);
  }
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

Result<std::optional<SegmentHeader>> Verify::header_of(std::uint64_t number) {
  if (!exists(number)) return std::nullopt;
  auto file = directory_.open(segment_name(number));
  if (!file) return fail(std::move(file).error());
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
    add(name, 0, at(0), "the segment's header is damaged", "nothing else, by itself");
  for (const auto& hole : audit.holes) {
    if (!there) break;
    add(name, hole.from, at(hole.from), hole.why,
        "positions " + std::to_string(at(hole.from).value) + " to " +
            std::to_string(at(hole.to).value) + "; " + std::to_string(hole.saved) +
            " records in there are whole");
  }
  // A repaired or damaged segment gets a new footer anyway.
  if (there && audit.footer_damaged && audit.holes.empty())
    add(name, layout_->segment_bytes() - kBlock, at(layout_->segment_bytes() - kBlock),
        "the footer is damaged or missing", "nothing: it is made from the batches");
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
    return {};  // not needed, and so not read: what it holds may be anything
  }
  std::unique_ptr<File> file;
  if (exists(number)) {
    auto opened = directory_.open(segment_name(number));
    if (!opened) return fail(std::move(opened).error());
    file = std::move(*opened);
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
  report_audit(number, file != nullptr, *audit);
  report_.batches += audit->batches;
  report_.records += audit->records;
  for (const auto& hole : audit->holes) report_.records_saved += hole.saved;
  if (number == survey_.segments.back()) report_.torn_bytes = audit->torn_bytes;
  if (live != nullptr) {
    LiveSegment kept{number, {}};
    std::ranges::set_intersection(live->offsets, audit->offsets, std::back_inserter(kept.offsets));
    report_.live_lost += live->offsets.size() - kept.offsets.size();
    if (!kept.offsets.empty()) live_kept_.push_back(std::move(kept));
  }
  link_ = audit->link;
  previous_end_ = layout_->position(number, audit->data_end);
  if (!repair_ || (file != nullptr && audit->healthy())) return {};
  return repair_segment(number, file.get(), *audit, first_problem);
}

Result<void> Verify::check_segments() {
  std::vector<std::uint64_t> numbers = survey_.segments;
  if (checkpoint_)
    for (const auto& live : checkpoint_->live) numbers.push_back(live.number);
  const auto last = survey_.segments.empty() ? first_ : std::max(first_, survey_.segments.back());
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
  return directory_.remove(checkpoint_name(checkpoint_->number));
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
  for (const auto step : {&Verify::check_checkpoints, &Verify::choose_layout,
                          &Verify::check_segments, &Verify::check_live})
    if (auto done = (this->*step)(); !done) return fail(std::move(done).error().at("verify"));
  return std::move(report_);
}

}  // namespace

Result<VerifyReport> verify(Directory& directory, bool repair) {
  return Verify(directory, repair).run();
}

}  // namespace penstock::journal
