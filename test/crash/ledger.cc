#include "test/crash/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

namespace penstock::crash {
namespace {

constexpr std::size_t kKeptViolations = 25;

std::string_view name_of(Outcome outcome) {
  constexpr std::string_view kNames[] = {"not answered", "accepted", "refused", "of unknown fate"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace

std::string body_of(std::uint64_t number) {
  // Small ones, and now and then one that spans many blocks of the disk.
  const std::size_t length = number % 97 == 0 ? 40'000 : 20 + number * 7919 % 1000;
  std::string body = fmt::format("{}:", number);
  std::uint64_t noise = number * 0x9E3779B97F4A7C15u;
  while (body.size() < length) {
    noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17;
    body += fmt::format("{:x}", noise);
  }
  return body;
}

std::uint64_t Ledger::moment() {
  const std::lock_guard lock(mutex_);
  return ++moment_;
}

std::uint64_t Ledger::open(std::uint64_t count, bool task, bool keyed, SteadyTime not_before) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t first = entries_.size() + 1;
  Entry entry;
  entry.first = first;
  entry.count = count;
  entry.not_before = not_before;
  entry.task = task;
  entry.keyed = keyed;
  entries_.insert(entries_.end(), count, entry);
  return first;
}

void Ledger::published(std::uint64_t first, Outcome outcome,
                       const std::vector<std::uint64_t>& ids) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t count = entry(first).count;
  const Outcome before = entry(first).outcome;
  if (before != Outcome::open) ++repeated_;
  // A repeat that fails takes back nothing of what is known already; but a key that was taken is
  // answered with its first message, so a refused one was not.
  if (before == Outcome::yes && outcome != Outcome::yes) return;
  if (before == Outcome::unknown && outcome == Outcome::no && entry(first).deliveries > 0)
    add_violation(described(first) + ": its key was taken, and refused later");
  for (std::uint64_t at = 0; at < count; ++at) entry(first + at).outcome = outcome;
  if (outcome != Outcome::yes) return;
  if (ids.empty()) return;  // the protocol tells none
  if (ids.size() != count) {
    add_violation(
        fmt::format("{}: {} ids answer {} messages", described(first), ids.size(), count));
    return;
  }
  for (std::uint64_t at = 0; at < count; ++at) check_id(first + at, ids[at], "published");
}

std::uint64_t Ledger::delivered(std::string_view body, std::uint64_t id, std::uint64_t asked_at) {
  const std::lock_guard lock(mutex_);
  std::uint64_t number = 0;
  std::from_chars(body.data(), body.data() + body.size(), number);
  if (number == 0 || number > entries_.size() || body != body_of(number)) {
    add_violation(fmt::format("delivered and never sent: id {}, {} bytes, \"{}\"", id, body.size(),
                              body.substr(0, 60)));
    return 0;
  }
  Entry& entry = this->entry(number);
  ++entry.deliveries;
  check_id(number, id, "delivered");
  if (entry.outcome == Outcome::no)
    add_violation(described(number) + ": delivered although refused");
  if (entry.confirmed_at != 0 && asked_at > entry.confirmed_at)
    add_violation(described(number) + ": came back after its settle was confirmed");
  if (std::chrono::steady_clock::now() < entry.not_before)
    add_violation(described(number) + ": delivered before its time");
  return number;
}

void Ledger::settle_asked(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  entry(number).settle_asked = true;
}

void Ledger::settle_confirmed(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  if (entry(number).confirmed_at == 0) entry(number).confirmed_at = ++moment_;
  changed_.notify_all();
}

void Ledger::check_id(std::uint64_t number, std::uint64_t id, std::string_view where) {
  if (id == 0) return;
  Entry& entry = this->entry(number);
  if (entry.id == 0) entry.id = id;
  if (entry.id != id)
    add_violation(
        fmt::format("{}: a duplicate, {} with the other id {}", described(number), where, id));
}

void Ledger::violation(std::string what) {
  const std::lock_guard lock(mutex_);
  add_violation(std::move(what));
}

void Ledger::add_violation(std::string what) {
  ++violation_count_;
  if (violations_.size() < kKeptViolations) violations_.push_back(std::move(what));
  changed_.notify_all();
}

std::vector<std::string> Ledger::violations() const {
  const std::lock_guard lock(mutex_);
  auto all = violations_;
  if (violation_count_ > all.size())
    all.push_back(fmt::format("and {} more", violation_count_ - all.size()));
  return all;
}

bool Ledger::wait_for_violation(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [&] { return violation_count_ > 0; });
}

void Ledger::wait_for_progress(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time);
}

void Ledger::judge() {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t number = 1; number <= entries_.size(); ++number) {
    const Entry& entry = this->entry(number);
    if (entry.outcome == Outcome::yes && entry.deliveries == 0) {
      add_violation(described(number) + ": LOST, accepted and never delivered");
    } else if (entry.deliveries > 0 && !entry.settle_asked) {
      add_violation(described(number) + ": LOST, gone although nobody settled it");
    } else if (entry.keyed && entry.outcome == Outcome::unknown) {
      add_violation(described(number) + ": has a key and was not repeated until it was answered");
    }
    const Entry& first = this->entry(entry.first);
    if ((entry.deliveries == 0) != (first.deliveries == 0))
      add_violation(fmt::format("{}: a part of a batch only; {} was {}", described(number),
                                described(entry.first),
                                first.deliveries == 0 ? "never delivered" : "delivered"));
  }
}

Totals Ledger::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals;
  totals.repeated = repeated_;
  for (std::uint64_t at = 0; at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    totals.accepted += entry.outcome == Outcome::yes;
    totals.unknown += entry.outcome == Outcome::unknown;
    totals.refused += entry.outcome == Outcome::no;
    totals.delivered += entry.deliveries > 0;
    totals.redelivered += entry.deliveries > 1;
    totals.settled += entry.confirmed_at != 0;
    totals.settle_unknown += entry.settle_asked && entry.confirmed_at == 0;
    totals.batches += entry.first == at + 1 && entry.count > 1;
  }
  return totals;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> Ledger::finished_tasks(
    std::size_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t at = 0; at < entries_.size(); ++at)
    if (entries_[at].task && entries_[at].confirmed_at != 0) numbers.push_back(at + 1);
  std::ranges::sort(numbers, std::ranges::greater(),
                    [&](std::uint64_t number) { return entries_[number - 1].confirmed_at; });
  numbers.resize(std::min(numbers.size(), most));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> finished;
  for (const auto number : numbers) finished.emplace_back(entries_[number - 1].id, number);
  return finished;
}

std::string Ledger::described(std::uint64_t number) {
  const Entry& entry = this->entry(number);
  return fmt::format(
      "{} {} (id {}, {} of a batch of {}{}, publish {}, delivered {} times, settle {})",
      entry.task ? "task" : "message", number, entry.id, number - entry.first + 1, entry.count,
      entry.keyed ? ", keyed" : "", name_of(entry.outcome), entry.deliveries,
      entry.confirmed_at != 0 ? "confirmed"
      : entry.settle_asked    ? "asked for"
                              : "not asked for");
}

}  // namespace penstock::crash
