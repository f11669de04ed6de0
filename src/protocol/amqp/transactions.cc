// tx: what is published and settled on a channel is held until it is committed, and then done in
// one commit of the journal, or not at all.
#include <fmt/format.h>

#include "protocol/amqp/session.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::ReplyCode;

constexpr std::uint64_t kPublishOverhead = 256;

}  // namespace

MaybeFault Session::hold_publish(Channel& channel, const engine::RoutedPublish& publish) {
  auto& transaction = *channel.transaction;
  const auto bytes =
      publish.message.body.size() + publish.message.headers.size() + kPublishOverhead;
  if (transaction.bytes + bytes > settings().max_transaction_bytes)
    return Fault{ReplyCode::resource_error,
                 fmt::format("a transaction holds at most {} bytes: commit more often",
                             settings().max_transaction_bytes)};
  const auto queues = broker().count_routes(session_, publish);
  if (!queues) return fault_of(queues.error());
  if (auto fault = hold(bytes)) return fault;
  if (*queues == 0 && channel.incoming.mandatory)
    return_message(channel, publish.message.body, transaction.returns);
  auto& held = transaction.publishes.emplace_back();
  held.exchange = publish.exchange;
  for (const auto key : publish.keys) held.keys.emplace_back(key);
  held.headers.assign(publish.message.headers.begin(), publish.message.headers.end());
  held.body.assign(publish.message.body.begin(), publish.message.body.end());
  held.key = publish.message.key;
  held.message = publish.message;
  transaction.bytes += bytes;
  return std::nullopt;
}

MaybeFault Session::commit(Channel& channel) {
  auto& transaction = *channel.transaction;
  std::vector<std::vector<std::string_view>> keys;
  std::vector<engine::RoutedPublish> publishes;
  keys.reserve(transaction.publishes.size());
  for (const auto& held : transaction.publishes) {
    auto& views = keys.emplace_back(held.keys.begin(), held.keys.end());
    auto& publish = publishes.emplace_back();
    publish.exchange = held.exchange;
    publish.keys = views;
    publish.message = held.message;
    publish.message.headers = held.headers;
    publish.message.body = held.body;
    publish.message.key = held.key;
  }
  std::vector<std::vector<engine::LeaseToken>> leases;
  std::vector<engine::LeaseToken> all;
  std::vector<engine::Settle> settles;
  leases.reserve(transaction.settles.size());
  for (const auto& settled : transaction.settles) {
    auto& of_this = leases.emplace_back();
    for (const auto delivery : settled.tags) {
      Unacked& entry = *channel.at(delivery);
      if (entry.lease.id) of_this.push_back(entry.lease);
      end_unacked(channel, entry, settled.outcome);
    }
    auto& settle = settles.emplace_back();
    settle.leases = of_this;
    settle.outcome = settled.outcome;
    all.insert(all.end(), of_this.begin(), of_this.end());
  }
  forget_settled(channel);
  const auto number = channel.number;
  const auto tag =
      ask(channel,
          [this, number, all = std::move(all), returns = std::move(transaction.returns)](
              const broker::Reply& reply, std::string& out) -> MaybeFault {
            if (auto fault = fault_of(reply)) {
              requeue(all);  // nothing of it was done, and the channel is closed
              return fault;
            }
            out.append(returns);
            wire::amqp::encode_method(out, number, wire::amqp::TxCommitOk{});
            return std::nullopt;
          });
  broker().transact(session_, tag, publishes, settles);
  transaction.settles.clear();
  drop_publishes(channel);
  return std::nullopt;
}

void Session::drop_publishes(Channel& channel) {
  auto& transaction = *channel.transaction;
  held_bytes_ -= transaction.bytes;
  transaction.publishes.clear();
  transaction.returns.clear();
  transaction.bytes = 0;
}

void Session::hold_settle(Channel& channel, std::uint64_t first, std::uint64_t last,
                          engine::Outcome outcome) {
  auto& settles = channel.transaction->settles;
  if (settles.empty() || settles.back().outcome != outcome) settles.push_back({outcome, {}});
  for (auto tag = first; tag <= last; ++tag)
    if (Unacked* entry = channel.find_unacked(tag)) {
      entry->state = Unacked::State::held;
      settles.back().tags.push_back(tag);
    }
}

// What was published is forgotten; what was settled waits to be settled again.
void Session::rollback(Channel& channel) {
  if (!channel.transaction) return;
  drop_publishes(channel);
  for (const auto& settled : channel.transaction->settles)
    for (const auto tag : settled.tags)
      if (Unacked* entry = channel.at(tag)) entry->state = Unacked::State::open;
  channel.transaction->settles.clear();
}

}  // namespace penstock::protocol::amqp
