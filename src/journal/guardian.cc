#include "journal/guardian.h"

#include <algorithm>

#include "base/check.h"
#include "journal/names.h"

namespace penstock::journal {
namespace {

constexpr std::size_t kMaxFindings = 256;
constexpr Duration kRetry = std::chrono::minutes(1);
constexpr Duration kLongestInterval = std::chrono::years(100);
// Of a scrub that has time: 10 MiB/s.
constexpr Duration kPace = std::chrono::milliseconds(100);

}  // namespace

Guardian::Guardian(Directory& directory, const Layout& layout, const Space& space, Clock& clock,
                   const Options& options)
    : directory_(directory),
      layout_(layout),
      geometry_(layout.segment_bytes()),
      space_(space),
      clock_(clock),
      parity_(options.parity),
      interval_(std::min(options.scrub_interval, kLongestInterval)) {
  // Not at once, when there is enough to do, but before a process that is started daily ends.
  if (interval_ > Duration::zero()) scrub_at_ = clock_.now() + interval_ / 24;
}

// ---- the owner's thread

Result<void> Guardian::adopt(const std::vector<std::uint64_t>& sealed,
                             const std::vector<std::string>& names) {
  const std::scoped_lock guard(mutex_);
  for (const auto number : sealed) entries_[number] = {};
  for (const auto& name : names) {
    const auto number = parity_number(name);
    const auto entry = number ? entries_.find(*number) : entries_.end();
    if (entry != entries_.end()) {
      entry->second = {State::unknown, true, {}};
    } else if (number || name == kParityTemporary) {
      if (auto done = directory_.remove(name); !done) return done;
    }
  }
  return {};
}

void Guardian::add(std::uint64_t number) {
  const std::scoped_lock guard(mutex_);
  entries_[number] = {};
}

Result<void> Guardian::retire(const std::vector<std::uint64_t>& numbers) {
  std::vector<std::uint64_t> with_file;
  {
    const std::scoped_lock guard(mutex_);
    for (const auto number : numbers) {
      const auto entry = entries_.find(number);
      if (entry == entries_.end()) continue;
      if (entry->second.has_file) with_file.push_back(number);
      entries_.erase(entry);
    }
  }
  for (const auto number : with_file) {
    auto done = directory_.remove(parity_name(number));
    if (!done && done.error().code != ErrorCode::not_found) return done;
  }
  return {};
}

bool Guardian::mend(std::uint64_t number, std::uint64_t from, std::uint64_t to) {
  if (!present(number)) return false;
  auto segment = directory_.open(segment_name(number));
  if (!segment) return false;
  const auto parity = load_parity(number, **segment);
  if (!parity) return false;
  bool repaired = false;
  for (auto at = from; at < to; at += kExamineBytes) {
    const auto examined = examine(*parity, **segment, at, std::min(to, at + kExamineBytes));
    repaired = settle(*parity, **segment, examined) || repaired;
  }
  return repaired;
}

std::vector<Finding> Guardian::take_findings() {
  const std::scoped_lock guard(mutex_);
  std::vector<Finding> taken(std::make_move_iterator(findings_.begin()),
                             std::make_move_iterator(findings_.end()));
  findings_.clear();
  return taken;
}

void Guardian::count_into(Journal::Statistics& statistics) const {
  const std::scoped_lock guard(mutex_);
  for (const auto& [number, entry] : entries_) {
    if (entry.has_file) ++statistics.parity_files;
    statistics.damaged_blocks += static_cast<std::uint64_t>(std::ranges::count(entry.lost, true));
  }
  statistics.parity_bytes = statistics.parity_files * geometry_.file_bytes();
  statistics.parity_put_off = put_off_;
  statistics.scrubbed_blocks = scrubbed_;
  statistics.repaired_blocks += repaired_;
  statistics.scrubs = scrubs_;
  statistics.last_scrub_micros = static_cast<std::uint64_t>(micros(last_scrub_));
}

// ---- both threads

bool Guardian::present(std::uint64_t number) const {
  const std::scoped_lock guard(mutex_);
  return entries_.contains(number);
}

std::optional<Parity> Guardian::load_parity(std::uint64_t number, const File& segment) const {
  auto parity = Parity::load(directory_, number);
  if (!parity || !parity->belongs_to(layout_, segment)) return std::nullopt;
  return std::move(*parity);
}

void Guardian::tell(Finding finding) {
  if (findings_.size() < kMaxFindings) findings_.push_back(std::move(finding));
}

bool Guardian::settle(const Parity& parity, File& segment, const Examined& examined) {
  const std::scoped_lock guard(mutex_);
  const auto found = entries_.find(parity.number());
  if (found == entries_.end()) return false;  // recycled: none of this is about it any more
  if (examined.damaged.empty()) return false;
  auto& lost = found->second.lost;
  lost.resize(geometry_.blocks());
  const auto written = write_back(parity, segment, examined);
  Examined fresh;  // what was not known to be lost
  bool repaired = false;
  for (const auto& block : examined.damaged) {
    const auto at = block.offset / kBlock;
    const bool back = !block.bytes.empty() && written;
    if (back) ++repaired_;
    repaired = repaired || back;
    if (back || !lost[at]) fresh.damaged.push_back({block.offset, back ? block.bytes : Bytes{}});
    lost[at] = !back;
  }
  std::vector<DamagedRange> ranges;
  add_ranges(fresh, ranges);
  const auto name = segment_name(parity.number());
  for (const auto& range : ranges) {
    std::string what = "brought back from the parity";
    if (!range.repaired)
      what = written ? "more is damaged than the parity can bring back" : written.error().message;
    tell({range.repaired ? Finding::Kind::repaired : Finding::Kind::damaged, name, range.offset,
          range.bytes, std::move(what)});
  }
  return repaired;
}

// ---- the background's thread

std::optional<std::uint64_t> Guardian::next_in(State state) const {
  const std::scoped_lock guard(mutex_);
  for (const auto& [number, entry] : entries_)
    if (entry.state == state) return number;
  return std::nullopt;
}

void Guardian::set_state(std::uint64_t number, State state) {
  const std::scoped_lock guard(mutex_);
  if (const auto entry = entries_.find(number); entry != entries_.end())
    entry->second.state = state;
}

void Guardian::demote(std::uint64_t number) {
  const std::scoped_lock guard(mutex_);
  const auto entry = entries_.find(number);
  if (entry != entries_.end() && entry->second.state == State::covered)
    entry->second.state = State::bare;
}

void Guardian::lose(std::uint64_t number, std::uint64_t offset, const std::string& what) {
  const std::scoped_lock guard(mutex_);
  const auto entry = entries_.find(number);
  if (entry == entries_.end()) return;  // recycled while it was read
  entry->second.state = State::hopeless;
  auto& lost = entry->second.lost;
  lost.resize(geometry_.blocks());
  const auto block = std::min(offset / kBlock, geometry_.blocks() - 1);
  if (lost[block]) return;
  lost[block] = true;
  tell({Finding::Kind::damaged, segment_name(number), offset, kBlock, what});
}

Time Guardian::tend() {
  const Time now = clock_.now();
  if (maker_) {
    make_step(now);
    return now;
  }
  if (const auto number = next_in(State::unknown)) {
    look_at(*number);
    return now;
  }
  const auto bare = parity_ ? next_in(State::bare) : std::nullopt;
  if (bare && now >= retry_at_) {
    if (space_.can_spare(geometry_.file_bytes())) {
      maker_.emplace(directory_, layout_, *bare, ParityMaker::Purpose::make);
      return now;
    }
    put_off(now, parity_name(*bare), {ErrorCode::full, "no room", {}});
  }
  if (now >= scrub_at_) scrub_step(now);
  return bare ? std::min(scrub_at_, retry_at_) : scrub_at_;
}

// A parity file of a former life: usable, worn, or not this segment's.
void Guardian::look_at(std::uint64_t number) {
  auto segment = directory_.open(segment_name(number));
  auto parity = segment ? load_parity(number, **segment) : std::nullopt;
  if (parity && !parity->worn()) return set_state(number, State::covered);
  // Before it is made anew it gives what it still can.
  if (parity) static_cast<void>(mend(number, 0, layout_.segment_bytes()));
  set_state(number, State::bare);
}

void Guardian::put_off(Time now, const std::string& file, const Error& error) {
  retry_at_ = now + kRetry;
  const std::scoped_lock guard(mutex_);
  ++put_off_;
  if (error.code != ErrorCode::full) tell({Finding::Kind::unprotected, file, 0, 0, error.message});
}

void Guardian::make_step(Time now) {
  auto done = maker_->step();
  if (done && !*done) {
    if (!present(maker_->number())) maker_.reset();
    return;
  }
  if (done) {
    install();
  } else if (maker_->reading()) {
    lose(maker_->number(), maker_->read_up_to(), done.error().message);
  } else {
    put_off(now, parity_name(maker_->number()), done.error());
  }
  maker_.reset();
}

void Guardian::install() {
  const auto number = maker_->number();
  Result<void> done;
  {
    const std::scoped_lock guard(mutex_);
    const auto entry = entries_.find(number);
    if (entry != entries_.end()) {
      done = directory_.rename(kParityTemporary, parity_name(number));
      if (done) entry->second.state = State::covered;
      if (done) entry->second.has_file = true;
    } else {
      done = directory_.remove(kParityTemporary);
    }
  }
  if (done) {
    // The error of a sync is told once, to whoever asks first: it may be the owner's renames.
    if (auto synced = directory_.sync(); !synced)
      fatal("journal " + directory_.path(), synced.error().message, synced.error().hint);
    return;
  }
  put_off(clock_.now(), parity_name(number), done.error());
  static_cast<void>(directory_.remove(kParityTemporary));  // mostly it is not there
}

// ---- the scrub

void Guardian::begin_pass(Time now) {
  pass_.emplace(now);
  const std::scoped_lock guard(mutex_);
  const auto each = std::max<std::uint64_t>(1, layout_.segment_bytes() / kExamineBytes) + 1;
  const auto steps = static_cast<std::int64_t>(1 + entries_.size() * each);
  pass_->pace = std::min(kPace, interval_ / 2 / steps);
}

void Guardian::scrub_step(Time now) {
  if (!pass_) begin_pass(now);
  const bool busy = pass_->parity || pass_->reader;
  if (!busy && !next_segment()) {
    scrub_at_ = std::max(now, pass_->began + interval_);
    pass_.reset();
    const std::scoped_lock guard(mutex_);
    ++scrubs_;
    last_scrub_ = now;
    return;
  }
  scrub_at_ = now + pass_->pace;
  if (pass_->reader) return read_over();
  if (!pass_->parity) return;
  if (pass_->at < layout_.segment_bytes()) return scrub_segment();
  scrub_parity();
}

// False: there is none left in this pass.
bool Guardian::next_segment() {
  auto& pass = *pass_;
  pass.segment.reset();
  pass.at = 0;
  pass.parity_whole = true;
  {
    const std::scoped_lock guard(mutex_);
    const auto next = entries_.upper_bound(pass.number);
    if (next == entries_.end()) return false;
    pass.number = next->first;
  }
  auto segment = directory_.open(segment_name(pass.number));
  if (!segment) {
    lose(pass.number, 0, segment.error().message);
    return true;
  }
  pass.segment = std::move(*segment);
  pass.parity = load_parity(pass.number, *pass.segment);
  if (pass.parity) return true;
  // To be made anew, which reads all of it; without parity it is only read.
  demote(pass.number);
  if (!parity_) pass.reader.emplace(directory_, layout_, pass.number, ParityMaker::Purpose::check);
  return true;
}

void Guardian::scrub_segment() {
  auto& pass = *pass_;
  if (!present(pass.number)) return pass.parity.reset();
  const auto bytes = std::min(kExamineBytes, layout_.segment_bytes() - pass.at);
  pass.segment->drop_cached(pass.at, bytes);
  const auto examined = examine(*pass.parity, *pass.segment, pass.at, pass.at + bytes);
  static_cast<void>(settle(*pass.parity, *pass.segment, examined));
  pass.at += bytes;
  const std::scoped_lock guard(mutex_);
  scrubbed_ += examined.blocks;
}

// By now the segment is as whole as it will get, so a damaged parity file may be made anew.
void Guardian::scrub_parity() {
  auto& pass = *pass_;
  auto stripe = (pass.at - layout_.segment_bytes()) / kBlock;
  const auto end = std::min(geometry_.stripes(), stripe + kExamineBytes / kBlock);
  if (stripe == 0) pass.parity->drop_cached();
  for (; stripe < end; ++stripe)
    if (!pass.parity->parity_of(stripe)) pass.parity_whole = false;
  pass.at = layout_.segment_bytes() + stripe * kBlock;
  if (stripe < geometry_.stripes()) return;
  if (!pass.parity_whole || pass.parity->worn()) demote(pass.number);
  pass.parity.reset();
  pass.segment.reset();
}

void Guardian::read_over() {
  auto& pass = *pass_;
  auto done = pass.reader->step();
  {
    const std::scoped_lock guard(mutex_);
    scrubbed_ += std::min(kExamineBytes, layout_.segment_bytes()) / kBlock;
  }
  if (done && !*done) return;
  if (!done) lose(pass.number, pass.reader->read_up_to(), done.error().message);
  pass.reader.reset();
}

}  // namespace penstock::journal
