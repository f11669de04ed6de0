// Channels: their beginning and their end.
#include <fmt/format.h>

#include "protocol/amqp/session.h"

namespace penstock::protocol::amqp {

using wire::amqp::ReplyCode;

MaybeFault Session::open_channel(std::uint16_t number) {
  if (phase_ != Phase::open_channels)
    return Fault{ReplyCode::command_invalid, "channel.open before connection.open"};
  if (number == 0 || number > channel_max_)
    return Fault{number == 0 ? ReplyCode::command_invalid : ReplyCode::not_allowed,
                 fmt::format("number of channels opened ({}) has reached the negotiated "
                             "channel_max ({})",
                             number, channel_max_)};
  if (find_channel(number) != nullptr)
    return Fault{ReplyCode::channel_error, "second 'channel.open' seen"};
  auto channel = std::make_unique<Channel>();
  channel->number = number;
  channel->instance = ++last_instance_;
  channels_[number] = std::move(channel);
  ++counters().channels;
  broker().add_pool_credit(session_, last_instance_, kUnlimitedCredit);
  wire::amqp::encode_method(output_.bytes(), number, wire::amqp::ChannelOpenOk{});
  return std::nullopt;
}

// The answer comes behind all that is still owed: confirms, and settles that it brings back.
void Session::close_channel(Channel& channel) {
  const auto number = channel.number;
  const auto tag = ask(channel, [number](const broker::Reply&, std::string& out) -> MaybeFault {
    wire::amqp::encode_method(out, number, wire::amqp::ChannelCloseOk{});
    return std::nullopt;
  });
  channel.state = Channel::State::ending;
  end_publish(channel);
  end_consumers(channel);
  requeue_all(channel);
  broker().barrier(session_, tag);
}

void Session::channel_closed(std::uint16_t number) {
  const auto found = channels_.find(number);
  if (found == channels_.end()) return;
  if (stalled_ == found->second.get()) stalled_ = nullptr;
  rollback(*found->second);
  calls_ -= found->second->calls.size();
  channels_.erase(found);
  --counters().channels;
}

}  // namespace penstock::protocol::amqp
