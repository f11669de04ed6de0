// Acks, nacks and rejects.
#include <fmt/format.h>

#include "protocol/amqp/session.h"

namespace penstock::protocol::amqp {

using wire::amqp::ReplyCode;

MaybeFault Session::settle(Channel& channel, std::uint64_t tag, bool multiple,
                           engine::Outcome outcome) {
  const bool all = multiple && tag == 0;
  if (all) tag = channel.delivered;
  const bool known = multiple ? tag <= channel.delivered && tag >= channel.first_unacked()
                              : channel.find_unacked(tag) != nullptr;
  if (!known) {
    if (all) return std::nullopt;
    return Fault{ReplyCode::precondition_failed, fmt::format("unknown delivery tag {}", tag)};
  }
  queue_settle(channel, multiple ? channel.first_unacked() : tag, tag, outcome);
  return std::nullopt;
}

void Session::queue_settle(Channel& channel, std::uint64_t first, std::uint64_t last,
                           engine::Outcome outcome) {
  if (channel.transaction) return hold_settle(channel, first, last, outcome);
  if (!settling_.empty() && settling_outcome_ != outcome) flush_settles();
  settling_outcome_ = outcome;
  for (auto tag = first; tag <= last; ++tag)
    if (Unacked* entry = channel.find_unacked(tag)) {
      if (entry->lease.id) settling_.push_back(entry->lease);  // a stream's has none
      end_unacked(channel, *entry, outcome);
    }
  forget_settled(channel);
}

void Session::end_unacked(Channel& channel, Unacked& entry, engine::Outcome outcome) {
  entry.state = Unacked::State::settled;
  ++(outcome == engine::Outcome::ack       ? counters().acks
     : outcome == engine::Outcome::requeue ? counters().requeues
                                           : counters().rejects);
  if (entry.consumer == 0) return;
  broker().add_credit(session_, tag_of(Kind::consumer, channel, entry.consumer), 1, 0);
  broker().add_pool_credit(session_, channel.instance, 1);
}

void Session::forget_settled(Channel& channel) {
  while (!channel.unacked.empty() && channel.unacked.front().state == Unacked::State::settled)
    channel.unacked.pop_front();
}

void Session::flush_settles() {
  if (settling_.empty()) return;
  engine::Settle settle;
  settle.leases = settling_;
  settle.outcome = settling_outcome_;
  broker().settle(session_, static_cast<std::uint64_t>(Kind::settle) << 61, settle);
  settling_.clear();
}

MaybeFault Session::recover(Channel& channel, bool answer) {
  if (!channel.unacked.empty())
    queue_settle(channel, channel.first_unacked(), channel.delivered, engine::Outcome::requeue);
  if (!answer) return std::nullopt;
  broker().barrier(session_, ask_done(channel, false, wire::amqp::BasicRecoverOk{}));
  return std::nullopt;
}

void Session::requeue_all(Channel& channel) {
  // What a transaction settled and did not commit is not settled.
  std::vector<engine::LeaseToken> leases;
  for (const auto& entry : channel.unacked)
    if (entry.state != Unacked::State::settled && entry.lease.id) leases.push_back(entry.lease);
  channel.unacked.clear();
  flush_settles();
  requeue(leases);
}

void Session::requeue(std::span<const engine::LeaseToken> leases) {
  if (leases.empty()) return;
  engine::Settle settle;
  settle.leases = leases;
  settle.outcome = engine::Outcome::requeue;
  broker().settle(session_, static_cast<std::uint64_t>(Kind::settle) << 61, settle);
}

}  // namespace penstock::protocol::amqp
