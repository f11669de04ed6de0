// What is told about connections, and closing them from elsewhere.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "protocol/amqp/session.h"

namespace penstock::protocol::amqp {
namespace {

// The same peer may come back, and peers on a Unix socket all look alike.
std::string name_of(const Session& session) {
  return fmt::format("{}#{}", session.identity.peer, session.id().value);
}

std::string_view state_of(const Channel& channel) {
  return channel.state == Channel::State::open ? "running" : "closing";
}

std::size_t open_deliveries(const Channel& channel) {
  return static_cast<std::size_t>(std::ranges::count_if(
      channel.unacked, [](const Unacked& one) { return one.state == Unacked::State::open; }));
}

void visit_channel(ConnectionVisitor& visitor, const ConnectionView& connection,
                   const Channel& channel) {
  const auto name = fmt::format("{} ({})", connection.name, channel.number);
  ChannelView view{.connection = connection,
                   .name = name,
                   .number = channel.number,
                   .state = state_of(channel),
                   .prefetch = channel.prefetch,
                   .prefetch_together = channel.pool_limit,
                   .unacknowledged = open_deliveries(channel),
                   .unconfirmed = static_cast<std::size_t>(channel.published - channel.confirmed),
                   .consumers = channel.consumers.size(),
                   .confirms = channel.confirms,
                   .transactional = channel.transaction.has_value()};
  if (channel.transaction) {
    view.uncommitted = channel.transaction->publishes.size();
    for (const auto& settled : channel.transaction->settles)
      view.uncommitted_acks += settled.tags.size();
  }
  visitor.on_channel(view);
  for (const auto& [tag, consumer] : channel.consumers)
    visitor.on_consumer({.channel = view,
                         .tag = tag,
                         .queue = consumer.queue,
                         .prefetch = consumer.prefetch,
                         .acknowledges = !consumer.no_ack,
                         .exclusive = consumer.exclusive});
}

}  // namespace

void Service::visit(ConnectionVisitor& visitor) const {
  for (const Session* session : sessions_) {
    if (session->phase_ != Session::Phase::open_channels) continue;
    const auto name = name_of(*session);
    const auto& identity = session->identity;
    const ConnectionView view{.name = name,
                              .peer = identity.peer,
                              .user = session->user(),
                              .vhost = session->vhost(),
                              .protocol = "AMQP 0-9-1",
                              .state = session->stalled_ != nullptr ? "blocked" : "running",
                              .product = identity.product,
                              .version = identity.version,
                              .platform = identity.platform,
                              .client_name = identity.name,
                              .channel_max = session->channel_max_,
                              .frame_max = session->frame_max_,
                              .heartbeat = session->heartbeat_,
                              .connected_at = identity.connected_at,
                              .channels = session->channels_.size(),
                              .encrypted = session->host_.encrypted()};
    visitor.on_connection(view);
    for (const auto& [number, channel] : session->channels_) visit_channel(visitor, view, *channel);
  }
}

bool Service::close_connection(std::string_view name, std::string_view reason) {
  const auto found = std::ranges::find_if(
      sessions_, [&](const Session* session) { return name_of(*session) == name; });
  if (found == sessions_.end()) return false;
  (*found)->fail_connection({wire::amqp::ReplyCode::connection_forced, std::string(reason)}, {});
  return true;
}

void Service::close_connections_of(std::string_view vhost, std::string_view reason) {
  for (Session* session : sessions_)
    if (session->vhost_ == vhost && session->phase_ == Session::Phase::open_channels)
      session->fail_connection({wire::amqp::ReplyCode::connection_forced, std::string(reason)}, {});
}

}  // namespace penstock::protocol::amqp
