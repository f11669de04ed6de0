#include "test/crash/clients.h"

#include <fmt/format.h>

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;

}  // namespace

std::string result_of(std::uint64_t number) {
  return fmt::format(R"({{"number":{}}})", number);
}

void Producer::run() {
  while (stage_.publishing) {
    const bool batch = below(3) == 0;
    const auto count = batch ? 1 + below(front_->largest_batch(task_)) : 1;
    const bool keyed = below(2) == 0;
    Offer offer;
    offer.task = task_;
    offer.priority = static_cast<int>(below(10));
    if (below(4) == 0) offer.delay = milliseconds(1 + below(150));
    const auto first =
        stage_.ledger.open(count, task_, keyed, std::chrono::steady_clock::now() + offer.delay);
    for (std::uint64_t at = 0; at < count; ++at) offer.bodies.push_back(body_of(first + at));
    if (keyed) offer.key = fmt::format("key-{}", first);
    // A repeat long after the answer is as harmless as one after a broken connection.
    if (publish(first, offer) == Outcome::yes && keyed && below(20) == 0)
      (void)publish(first, offer);
  }
}

Outcome Producer::publish(std::uint64_t first, const Offer& offer) {
  while (!stage_.over) {
    auto answer = front_->publish(offer);
    if (!answer.trouble.empty()) stage_.ledger.violation(std::move(answer.trouble));
    stage_.ledger.published(first, answer.outcome, answer.ids);
    // Refused: the queue is full, and whoever settles makes room.
    if (answer.outcome == Outcome::no) stage_.ledger.wait_for_progress(milliseconds(5));
    if (answer.outcome != Outcome::unknown) return answer.outcome;
    front_->recover();
    if (offer.key.empty()) break;
  }
  return Outcome::unknown;
}

void Consumer::run() {
  while (!stage_.over) {
    const auto asked_at = stage_.ledger.moment();
    auto haul = front_->take(task_, static_cast<std::uint32_t>(1 + below(20)), milliseconds(20));
    if (!haul.trouble.empty()) stage_.ledger.violation(std::move(haul.trouble));
    std::vector<Held> held;
    for (auto& one : haul.taken)
      if (const auto number = stage_.ledger.delivered(one.body, one.id, asked_at); number != 0)
        held.push_back({number, std::move(one.lease)});
    if (haul.outcome == Outcome::unknown) front_->recover();
    if (!held.empty()) settle(std::move(held));
  }
}

void Consumer::settle(std::vector<Held> held) {
  std::vector<Held> good;
  for (auto& one : held) {
    const auto fate = stage_.draining ? 99 : below(100);
    if (fate < 4) continue;  // forgotten: its lease runs out
    if (fate < 14)
      retry(one);
    else
      good.push_back(std::move(one));
  }
  if (task_) {
    for (const auto& one : good) finish(one);
    return;
  }
  const auto most = front_->largest_ack();
  for (std::size_t at = 0; at < good.size(); at += most)
    ack({good.begin() + static_cast<std::ptrdiff_t>(at),
         good.begin() + static_cast<std::ptrdiff_t>(std::min(at + most, good.size()))});
}

void Consumer::ack(const std::vector<Held>& held) {
  std::vector<std::string_view> leases;
  for (const auto& one : held) {
    stage_.ledger.settle_asked(one.number);
    leases.push_back(one.lease);
  }
  if (judge(front_->ack(leases)))
    for (const auto& one : held) stage_.ledger.settle_confirmed(one.number);
}

void Consumer::finish(const Held& one) {
  stage_.ledger.settle_asked(one.number);
  if (judge(front_->done(one.lease, result_of(one.number))))
    stage_.ledger.settle_confirmed(one.number);
}

void Consumer::retry(const Held& one) {
  (void)judge(front_->retry(task_, one.lease, milliseconds(below(20))));
}

bool Consumer::judge(Answer answer) {
  if (!answer.trouble.empty()) stage_.ledger.violation(std::move(answer.trouble));
  return answer.outcome == Outcome::yes;
}

}  // namespace penstock::crash
