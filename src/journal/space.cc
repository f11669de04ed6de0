#include "journal/space.h"

#include <algorithm>

#include "base/canary.h"
#include "journal/names.h"

namespace penstock::journal {
namespace {

// Spares that publishes leave alone while the disk has no room for more: one for what was let in
// before the disk was seen to be full. With the reserve the other makes two segments for settles:
// while one fills, a checkpoint frees the one before.
constexpr std::uint32_t kSparesKept = 2;
constexpr std::uint64_t kExcess = 4;

}  // namespace

Space::Space(Directory& directory, std::uint64_t segment_bytes, std::uint32_t spares,
             std::uint64_t reserve_bytes)
    : directory_(directory),
      segment_bytes_(segment_bytes),
      spares_wanted_(reserve_bytes > 0 ? std::max(spares, kSparesKept) : spares),
      reserve_bytes_(CANARY(drop_reservation) ? 0 : reserve_bytes),
      checkpoint_wanted_(reserve_bytes_) {}

Result<std::uint64_t> Space::adopt_reserve(const char* name, std::uint64_t bytes) {
  auto file = directory_.open(name);
  if (!file) return fail(std::move(file).error());
  const auto size = (*file)->size();
  if (!size) return fail(size.error());
  if (reserve_bytes_ > 0 && *size >= bytes) return *size;
  if (auto done = directory_.remove(name); !done) return fail(std::move(done).error());
  return std::uint64_t{0};
}

Result<void> Space::adopt(const std::vector<std::string>& names) {
  for (const auto& name : names) {
    if (name == kReserveSegment) {
      const auto have = adopt_reserve(kReserveSegment, segment_bytes_);
      if (!have) return fail(have.error());
      have_segment_ = *have > 0;
    } else if (name == kReserveCheckpoint) {
      const auto have = adopt_reserve(kReserveCheckpoint, reserve_bytes_);
      if (!have) return fail(have.error());
      checkpoint_have_ = *have;
    } else if (const auto number = spare_number(name)) {
      next_name_ = std::max(next_name_, *number + 1);
      auto file = directory_.open(name);
      if (!file) return fail(std::move(file).error());
      const auto size = (*file)->size();
      if (!size) return fail(size.error());
      if (*size == segment_bytes_ && spares_.size() <= spares_wanted_) {
        spares_.push_back(name);
      } else if (auto removed = directory_.remove(name); !removed) {
        return removed;
      }
    }
  }
  refresh();
  return {};
}

std::string Space::fresh_name() {
  const std::scoped_lock guard(mutex_);
  return spare_name(next_name_++);
}

std::uint64_t Space::spare_count() const {
  const std::scoped_lock guard(mutex_);
  return spares_.size();
}

void Space::count_into(Journal::Statistics& statistics) const {
  const std::scoped_lock guard(mutex_);
  statistics.spare_segments = spares_.size();
  statistics.reserve_bytes = checkpoint_have_ + (have_segment_ ? segment_bytes_ : 0);
}

void Space::expect_checkpoint(std::uint64_t bytes) {
  if (reserve_bytes_ == 0) return;
  const auto steps = std::max<std::uint64_t>((bytes + reserve_bytes_ - 1) / reserve_bytes_, 1);
  bool more = false;
  {
    const std::scoped_lock guard(mutex_);
    more = steps * reserve_bytes_ > checkpoint_wanted_;
    checkpoint_wanted_ = steps * reserve_bytes_;
  }
  if (more) refresh();
}

Result<std::string> Space::take_segment() {
  {
    const std::scoped_lock guard(mutex_);
    if (!spares_.empty()) {
      auto name = std::move(spares_.back());
      spares_.pop_back();
      return name;
    }
  }
  auto name = fresh_name();
  auto made = make_file(name, segment_bytes_, false);
  if (made) return name;
  if (made.error().code != ErrorCode::full) return fail(std::move(made).error());
  {
    const std::scoped_lock guard(mutex_);
    if (!have_segment_) return fail(std::move(made).error());
    have_segment_ = false;
  }
  if (auto done = directory_.rename(kReserveSegment, name); !done)
    return fail(std::move(done).error());
  return name;
}

Result<void> Space::recycle(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::vector<std::string> kept;
  bool reserve = false;
  const auto have = spare_count();
  for (const auto& name : names) {
    Result<void> done;
    if (reserve_bytes_ > 0 && !reserve && !has_reserve()) {
      done = directory_.rename(name, kReserveSegment);
      reserve = true;
    } else if (have + kept.size() < spares_wanted_) {
      kept.push_back(fresh_name());
      done = directory_.rename(name, kept.back());
    } else {
      done = directory_.remove(name);
      denied_.store(false, std::memory_order_relaxed);
    }
    if (!done) return done;
  }
  // Before a file gets a new content its old name must be gone for good.
  if (auto done = directory_.sync(); !done) return done;
  {
    const std::scoped_lock guard(mutex_);
    spares_.insert(spares_.end(), kept.begin(), kept.end());
    have_segment_ = have_segment_ || reserve;
  }
  refresh();
  return {};
}

Result<bool> Space::lend(bool segments) {
  std::string name;
  {
    const std::scoped_lock guard(mutex_);
    lent_ = true;
    if (checkpoint_have_ > 0) {
      checkpoint_have_ = 0;
      name = kReserveCheckpoint;
    } else if (segments && !spares_.empty()) {
      name = std::move(spares_.back());
      spares_.pop_back();
    } else {
      return false;
    }
  }
  if (auto done = directory_.remove(name); !done) return fail(std::move(done).error());
  return true;
}

void Space::reclaim() {
  {
    const std::scoped_lock guard(mutex_);
    lent_ = false;
  }
  refresh();
}

bool Space::has_reserve() const {
  const std::scoped_lock guard(mutex_);
  return have_segment_;
}

// The checkpoint's comes first: with it a segment that holds nothing any more can become the other.
Space::Missing Space::missing() const {
  const std::scoped_lock guard(mutex_);
  if (lent_) return Missing::none;
  if (checkpoint_have_ < checkpoint_wanted_ || is_excessive()) return Missing::reserve_checkpoint;
  if (reserve_bytes_ > 0 && !have_segment_) return Missing::reserve_segment;
  if (spares_.size() < spares_wanted_) return Missing::spare;
  return Missing::none;
}

bool Space::is_excessive() const {
  return checkpoint_have_ / kExcess > checkpoint_wanted_;
}

Result<bool> Space::prepare() {
  const auto what = missing();
  const auto made = what == Missing::none ? Result<void>{} : make(what);
  refresh();
  if (!made && made.error().code == ErrorCode::full) return false;
  if (!made) return fail(Error(made.error()).at("prepare a spare segment"));
  return what != Missing::none && missing() != Missing::none;
}

Result<void> Space::make(Missing what) {
  const bool checkpoint = what == Missing::reserve_checkpoint;
  auto bytes = segment_bytes_;
  if (checkpoint) {
    auto have = let_go_of_excess();
    if (!have) return fail(std::move(have).error());
    {
      const std::scoped_lock guard(mutex_);
      bytes = checkpoint_wanted_;
    }
    if (*have > 0) return grow_reserve(*have, bytes);
  }
  const auto name = fresh_name();
  if (auto done = make_file(name, bytes, what == Missing::spare); !done) return done;
  if (what != Missing::spare) {
    const auto* to = checkpoint ? kReserveCheckpoint : kReserveSegment;
    if (auto done = directory_.rename(name, to); !done) return done;
  }
  if (auto done = directory_.sync(); !done) return done;
  const std::scoped_lock guard(mutex_);
  if (what == Missing::spare) spares_.push_back(name);
  if (what == Missing::reserve_segment) have_segment_ = true;
  if (checkpoint) checkpoint_have_ = bytes;
  return {};
}

Result<std::uint64_t> Space::let_go_of_excess() {
  {
    const std::scoped_lock guard(mutex_);
    if (!is_excessive()) return checkpoint_have_;
    checkpoint_have_ = 0;
  }
  if (auto done = directory_.remove(kReserveCheckpoint); !done)
    return fail(std::move(done).error());
  return std::uint64_t{0};
}

Result<void> Space::grow_reserve(std::uint64_t from, std::uint64_t to) {
  auto file = directory_.open(kReserveCheckpoint);
  if (!file) {
    // Lent in the meantime; then it is made anew.
    if (file.error().code == ErrorCode::not_found) return {};
    return fail(std::move(file).error());
  }
  auto grown = (*file)->allocate(to);
  if (grown) grown = (*file)->sync();
  note_denial(grown);
  if (!grown) return grown;
  const std::scoped_lock guard(mutex_);
  if (checkpoint_have_ == from) checkpoint_have_ = to;
  return {};
}

void Space::note_denial(const Result<void>& filled) {
  const bool full = !filled && filled.error().code == ErrorCode::full;
  if (filled || full) denied_.store(full, std::memory_order_relaxed);
}

Result<void> Space::make_file(const std::string& name, std::uint64_t bytes, bool written) {
  auto file = directory_.create(name);
  if (!file) return fail(std::move(file).error());
  const auto fill = [&]() -> Result<void> {
    if (!written) {
      if (auto done = (*file)->allocate(bytes); !done) return done;
      return (*file)->sync();
    }
    // Written in order and never allocated ahead, so that its size tells one that was cut short.
    const Bytes zeros(std::min<std::uint64_t>(bytes, 256 << 10));
    for (std::uint64_t at = 0; at < bytes; at += zeros.size())
      if (auto done = (*file)->write_at(at, zeros); !done) return done;
    return (*file)->sync();
  };
  auto filled = fill();
  note_denial(filled);
  // The first error is what counts; a file that is cut short is removed at the next start too.
  if (!filled) static_cast<void>(directory_.remove(name));
  return filled;
}

std::uint64_t Space::wanted_bytes() const {
  const std::scoped_lock guard(mutex_);
  std::uint64_t wanted = 0;
  if (reserve_bytes_ > 0 && !have_segment_) wanted += segment_bytes_;
  if (checkpoint_have_ < checkpoint_wanted_) wanted += checkpoint_wanted_ - checkpoint_have_;
  if (spares_.size() < kSparesKept) wanted += (kSparesKept - spares_.size()) * segment_bytes_;
  return wanted;
}

bool Space::can_spare(std::uint64_t bytes) const {
  const auto free = directory_.free_bytes();
  return free && *free >= wanted_bytes() + segment_bytes_ + bytes;
}

void Space::refresh() {
  if (reserve_bytes_ == 0) return;
  const auto wanted = wanted_bytes();
  const auto free = wanted == 0 ? Result<std::uint64_t>(0) : directory_.free_bytes();
  // When the file system does not answer, writing will tell.
  const bool denied = wanted > 0 && denied_.load(std::memory_order_relaxed);
  if (free) room_.store(!denied && *free >= wanted, std::memory_order_relaxed);
}

}  // namespace penstock::journal
