// The settler and the keeper: what ended is settled, what runs keeps its lease.
#include <algorithm>

#include "flow/backoff.h"
#include "task/failure.h"
#include "task/worker_pool.h"
#include "task/workflow.h"

namespace penstock::detail {
namespace {

// A service time too short for the clock is this: known, and very short.
constexpr double kServiceMicrosMin = 0.2;
// The mean forgets: as if the last 20 tasks told more than all before.
constexpr double kServiceMemory = 20;
// All tries together last about as long as a lease does.
constexpr flow::Backoff kSettleBackoff{.kind = flow::Backoff::Kind::exponential,
                                       .base = std::chrono::milliseconds(50),
                                       .cap = std::chrono::seconds(5),
                                       .jitter = false};
constexpr std::uint32_t kTriesMax = 12;
constexpr std::uint32_t kTriesWhileStopping = 4;
// A slow round trip counts at once; faster ones after it count for a sixteenth each.
constexpr double kRoundTripMemory = 16;
constexpr double kShortRoundTripUs = 2000;

}  // namespace

// ---- settling

void WorkerPool::settle_all() {
  while (true) {
    const std::uint32_t seen = finished_;
    const bool last_round = settler_ends_;
    {
      const std::lock_guard turn(settling_mutex_);
      if (settle_ended()) continue;
    }
    if (last_round) return;
    finished_.wait(seen);
  }
}

// Whether there was anything.
bool WorkerPool::settle_ended() {
  const std::vector<Finished> finished = collect();
  if (!finished.empty()) settle(finished);
  return !finished.empty();
}

// By a worker whose task has ended. To wake the settler takes as long as much of what it does; so
// the only task that is held here is settled by its worker, if that will not take long and another
// waits for what may come meanwhile.
void WorkerPool::settle_soon() {
  finished_.fetch_add(1);
  if (held_ == 1 && round_trip_us_ < kShortRoundTripUs && another_is_idle()) {
    const std::unique_lock turn(settling_mutex_, std::try_to_lock);
    if (turn && settle_ended()) return;
  }
  finished_.notify_one();
}

bool WorkerPool::another_is_idle() const {
  const std::lock_guard lock(mutex_);
  return idle_ > 0 && !stopping_;
}

std::vector<WorkerPool::Finished> WorkerPool::collect() {
  std::vector<Finished> all;
  Duration busy{0};
  std::uint64_t ran = 0;
  const auto take_over = [&](std::vector<Finished>& some) {
    if (all.empty())
      all.swap(some);
    else
      all.insert(all.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
    some.clear();
  };
  for (const auto& worker : workers()) {
    const std::lock_guard lock(worker->mutex);
    busy += std::exchange(worker->busy, Duration(0));
    ran += std::exchange(worker->ran, 0);
    take_over(worker->finished);
  }
  measure(busy, ran);
  const std::lock_guard lock(given_back_mutex_);
  take_over(given_back_);
  return all;
}

void WorkerPool::measure(Duration busy, std::uint64_t ran) {
  if (ran == 0) return;
  const auto count = static_cast<double>(ran);
  const double mean = std::max(static_cast<double>(busy.count()) / count, kServiceMicrosMin);
  const double before = mean_service_us_;
  const double weight = before == 0 ? 1 : count / (count + kServiceMemory);
  mean_service_us_ = before + (mean - before) * weight;
}

void WorkerPool::count(const Finished& finished) {
  if (finished.lost)
    ++lost_;
  else if (finished.outcome == engine::Outcome::decline)
    ++declined_;
  else if (finished.outcome == engine::Outcome::ack)
    ++done_;
  else if (finished.outcome == engine::Outcome::give_back)
    ++returned_;
  else
    ++failed_;
}

void WorkerPool::settle(const std::vector<Finished>& finished) {
  tell_last_words(finished);
  std::vector<Settlement> settlements;
  settlements.reserve(finished.size());
  for (const auto& one : finished) {
    count(one);
    if (one.lost) continue;
    if (one.outcome == engine::Outcome::ack && one.replacement != nullptr) {
      lost_ += settle_replaced(one);
      continue;
    }
    Settlement settlement{.lease = one.lease, .outcome = one.outcome, .delay = one.delay};
    settlement.cause = one.cause;
    (one.outcome == engine::Outcome::ack ? settlement.result : settlement.error) = one.text;
    settlements.push_back(settlement);
  }
  if (!settlements.empty()) lost_ += settle_surely(settlements);
  held_ -= std::ranges::count(finished, false, &Finished::runs_on);
  const std::lock_guard lock(mutex_);
  fetch_more_.notify_one();
}

// With the settle its lease is gone, and with that the right to speak for it.
void WorkerPool::tell_last_words(const std::vector<Finished>& finished) {
  if (std::ranges::none_of(finished, [](const Finished& one) { return one.words.spoke; })) return;
  std::unique_lock lock(telling_mutex_);  // what the keeper tells now was said before
  for (const auto& one : finished) {
    log_dropped_ += one.words.dropped;
    for (const auto& line : one.words.lines) unheard(one.lease).lines.add(line);
  }
  for (std::uint32_t tries = 1;; ++tries) {
    const auto told = tell_unheard(finished);
    if (told) return;
    note_error("log: " + told.error().message);
    lock.unlock();  // the keeper has others to look after
    const bool again = may_try_again(told.error(), tries);
    lock.lock();
    if (!again) break;
  }
  for (const auto& one : finished)
    if (const auto said = unheard_.find(one.lease.id.value); said != unheard_.end()) {
      drop_unheard(said->second);
      unheard_.erase(said);
    }
}

Result<void> WorkerPool::tell_unheard(const std::vector<Finished>& finished) {
  std::vector<Extension> extensions;
  for (const auto& one : finished)
    if (const auto said = unheard_.find(one.lease.id.value); said != unheard_.end())
      extensions.push_back({.lease = said->second.lease, .log = &said->second.lines.lines()});
  if (extensions.empty()) return {};
  // Two attempts of one task may have ended by now.
  const auto message = [](const Extension& extension) { return extension.lease.id.value; };
  std::ranges::sort(extensions, {}, message);
  const auto again = std::ranges::unique(extensions, {}, message);
  extensions.erase(again.begin(), again.end());
  auto told = consumer_->extend(extensions);
  forget_heard(extensions);
  return told;
}

WorkerPool::Unheard& WorkerPool::unheard(const engine::LeaseToken& lease) {
  Unheard& said = unheard_[lease.id.value];
  if (said.lease.delivery != lease.delivery) drop_unheard(said);  // of an attempt before
  said.lease = lease;
  return said;
}

void WorkerPool::drop_unheard(Unheard& said) {
  log_dropped_ += said.lines.take().size() + said.lines.take_dropped();
}

void WorkerPool::forget_heard(std::span<const Extension> extensions) {
  for (const auto& extension : extensions) {
    if (extension.log == nullptr || !extension.heard) continue;
    const auto said = unheard_.find(extension.lease.id.value);
    if (said == unheard_.end()) continue;
    if (!extension.lost) (void)said->second.lines.take();
    drop_unheard(said->second);
    unheard_.erase(said);
  }
}

std::uint64_t WorkerPool::settle_replaced(const Finished& finished) {
  Settlement settlement{.lease = finished.lease};
  settlement.replacement = &finished.replacement->input();
  const auto late = consumer_->settle(std::span(&settlement, 1));
  if (late) return *late + fail_refused(std::span(&settlement, 1));
  if (late.error().code == ErrorCode::closed || late.error().code == ErrorCode::timeout)
    return settle_surely(std::span(&settlement, 1));
  const auto error = "penstock::Refused: the workflow in its place: " + late.error().message;
  settlement.replacement = nullptr;
  settlement.outcome = engine::Outcome::nack;
  settlement.error = error;
  return settle_surely(std::span(&settlement, 1));
}

// What is done must be told, or it is done again: a connection that is away is waited for. Settling
// twice does no harm; what the first try settled counts as late then.
std::uint64_t WorkerPool::settle_surely(std::span<Settlement> settlements) {
  for (std::uint32_t tries = 1;; ++tries) {
    const Time before = now();
    const auto late = consumer_->settle(settlements);
    if (late) {
      const auto took = static_cast<double>((now() - before).count());
      const double known = round_trip_us_;
      round_trip_us_ = std::max(took, known + (took - known) / kRoundTripMemory);
      return *late + fail_refused(settlements);
    }
    note_error("settle: " + late.error().message);
    if (!may_try_again(late.error(), tries)) return settlements.size();
  }
}

std::uint64_t WorkerPool::fail_refused(std::span<const Settlement> settlements) {
  std::deque<std::string> errors;  // none of them moves
  std::vector<Settlement> failures;
  std::uint64_t untold = 0;
  for (const auto& settlement : settlements) {
    if (!settlement.refused) continue;
    note_error("settle: " + settlement.refused->message);
    if (settlement.outcome != engine::Outcome::ack) {
      ++untold;
      continue;
    }
    --done_, ++failed_;
    failures.push_back({.lease = settlement.lease, .outcome = engine::Outcome::reject});
    failures.back().cause = engine::Cause::raised;
    failures.back().error = errors.emplace_back(refusal_of_result(*settlement.refused));
  }
  return failures.empty() ? untold : untold + settle_surely(failures);
}

bool WorkerPool::may_try_again(const Error& error, std::uint32_t tries) {
  if (error.code != ErrorCode::closed && error.code != ErrorCode::timeout) return false;
  std::unique_lock lock(mutex_);
  if (core_->closed() || tries >= (stopping_ ? kTriesWhileStopping : kTriesMax)) return false;
  settle_again_.wait_for(lock, flow::delay_after(kSettleBackoff, tries, 0));
  return true;
}

// ---- keeping leases

void WorkerPool::look_by(Time when) {
  if (micros(when) >= keeper_wakes_us_) return;
  const std::lock_guard lock(keeper_mutex_);
  if (micros(when) >= keeper_wakes_us_) return;
  keeper_wakes_us_ = micros(when);
  keeper_looks_.notify_one();
}

void WorkerPool::keep() {
  while (true) {
    // From here on, whoever needs a look earlier than all that is seen below says so.
    keeper_wakes_us_ = micros(Time::max());
    Time due = Time::max();
    keep_once(now(), &due);
    look_by(due);
    std::unique_lock lock(keeper_mutex_);
    while (!keeper_ends_) {
      const Time wake = time_from_micros(keeper_wakes_us_);
      const Time current = now();
      if (current >= wake) break;
      if (wake == Time::max())
        keeper_looks_.wait(lock);
      else
        keeper_looks_.wait_for(lock, wake - current);
    }
    if (keeper_ends_) return;
  }
}

void WorkerPool::keep_once(Time now, Time* due) {
  give_back_old(now, due);
  const std::lock_guard telling(telling_mutex_);
  std::vector<std::pair<Attempt*, Attempt::Word>> words;
  for (const auto& worker : workers())
    if (auto word = worker->attempt.word(now, due))
      words.emplace_back(&worker->attempt, std::move(*word));
  std::vector<Extension> extensions;
  std::vector<std::pair<Attempt*, std::uint64_t>> owners;  // and which of its attempts
  for (auto& [attempt, word] : words) {
    if (word.given_up) give_up(word);
    if (word.progress) {
      extensions.push_back({.lease = word.token, .progress = &*word.progress});
      owners.emplace_back(attempt, word.serial);
    }
    for (const auto& line : word.log) {
      Unheard& said = unheard(word.token);
      said.lines.add(line);
      said.attempt = attempt;
      said.serial = word.serial;
    }
    if (word.extends) {
      extensions.push_back({.lease = word.token, .duration = word.lease});
      owners.emplace_back(attempt, word.serial);
    }
  }
  for (auto& [message, said] : unheard_) {
    extensions.push_back({.lease = said.lease, .log = &said.lines.lines()});
    owners.emplace_back(said.attempt, said.serial);
  }
  if (extensions.empty()) return;
  const auto told = consumer_->extend(extensions);
  if (!told) note_error("extend: " + told.error().message);
  for (std::size_t i = 0; i < extensions.size(); ++i)
    if (const auto& [attempt, serial] = owners[i]; attempt != nullptr && extensions[i].heard)
      attempt->answered(serial, extensions[i]);
  forget_heard(extensions);
}

// Its thread runs on, and is not heard any more.
void WorkerPool::give_up(const Attempt::Word& word) {
  {
    const std::lock_guard lock(given_back_mutex_);
    given_back_.push_back({.lease = word.token,
                           .outcome = engine::Outcome::nack,
                           .runs_on = true,
                           .cause = engine::Cause::timed_out,
                           .text = std::string(word.failure())});
  }
  finished_.fetch_add(1);
  finished_.notify_one();
}

Result<void> WorkerPool::extend_now(Extension& extension) {
  return consumer_->extend(std::span(&extension, 1));
}

void WorkerPool::give_back_old(Time now, Time* due) {
  const std::lock_guard lock(mutex_);
  for (const auto& batch : batches_) {
    if (batch->spent()) continue;
    if (batch->give_back_at <= now)
      give_back_rest(*batch);
    else
      *due = std::min(*due, batch->give_back_at);
  }
}

void WorkerPool::give_back_rest(Batch& batch) {
  std::vector<Finished> rest;
  while (const broker::Delivery* delivery = batch.claim())
    rest.push_back({.lease = delivery->lease, .outcome = engine::Outcome::give_back});
  if (rest.empty()) return;
  waiting_ -= static_cast<std::int64_t>(rest.size());
  {
    const std::lock_guard lock(given_back_mutex_);
    given_back_.insert(given_back_.end(), std::move_iterator(rest.begin()),
                       std::move_iterator(rest.end()));
  }
  finished_.fetch_add(1);
  finished_.notify_one();
}

}  // namespace penstock::detail
