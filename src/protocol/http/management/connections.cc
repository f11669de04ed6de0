// Connections, channels and consumers: listed, and closed.
#include <fmt/format.h>

#include "base/text.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/handlers.h"

namespace penstock::protocol::http::management {
namespace {

// "127.0.0.1:50000" and "[::1]:50000"; a local socket has no port.
std::pair<std::string_view, std::uint64_t> host_and_port(std::string_view peer) {
  const auto colon = peer.rfind(':');
  if (colon == std::string_view::npos) return {peer, 0};
  const auto port = parse_u64(peer.substr(colon + 1));
  if (!port) return {peer, 0};
  auto host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, *port};
}

void write_peer(JsonText& json, const ConnectionView& connection) {
  const auto [host, port] = host_and_port(connection.peer);
  json.key("peer_host").string(host).key("peer_port").integer(port);
}

void write_connection(JsonText& json, const ConnectionView& connection) {
  json.begin_object().key("name").string(connection.name).key("node").string(kNode);
  json.key("vhost").string(connection.vhost).key("user").string(connection.user);
  json.key("user_who_performed_action").string(connection.user);
  json.key("type").string("network").key("protocol").string(connection.protocol);
  json.key("state").string(connection.state).key("ssl").boolean(connection.encrypted);
  write_peer(json, connection);
  json.key("channels").integer(connection.channels);
  json.key("channel_max").integer(connection.channel_max);
  json.key("frame_max").integer(connection.frame_max);
  json.key("timeout").integer(
      std::chrono::duration_cast<std::chrono::seconds>(connection.heartbeat).count());
  json.key("connected_at").time(connection.connected_at);
  json.key("user_provided_name").string(connection.client_name);
  json.key("client_properties").begin_object();
  json.key("product").string(connection.product).key("version").string(connection.version);
  json.key("platform").string(connection.platform);
  json.key("connection_name").string(connection.client_name).end_object().end_object();
}

void write_channel(JsonText& json, const ChannelView& channel) {
  json.begin_object().key("name").string(channel.name).key("number").integer(channel.number);
  json.key("node").string(kNode).key("vhost").string(channel.connection.vhost);
  json.key("user").string(channel.connection.user).key("state").string(channel.state);
  json.key("confirm").boolean(channel.confirms);
  json.key("transactional").boolean(channel.transactional);
  json.key("prefetch_count").integer(channel.prefetch);
  json.key("global_prefetch_count").integer(channel.prefetch_together);
  json.key("consumer_count").integer(channel.consumers);
  json.key("messages_unacknowledged").integer(channel.unacknowledged);
  json.key("messages_unconfirmed").integer(channel.unconfirmed);
  json.key("messages_uncommitted").integer(channel.uncommitted);
  json.key("acks_uncommitted").integer(channel.uncommitted_acks);
  json.key("connection_details").begin_object();
  json.key("name").string(channel.connection.name);
  write_peer(json, channel.connection);
  json.end_object().end_object();
}

void write_consumer(JsonText& json, const ConsumerView& consumer) {
  const auto& channel = consumer.channel;
  const auto [host, name] = engine::split_name(consumer.queue);
  json.begin_object().key("consumer_tag").string(consumer.tag);
  json.key("queue").begin_object().key("name").string(name).key("vhost").string(host).end_object();
  json.key("ack_required").boolean(consumer.acknowledges);
  json.key("exclusive").boolean(consumer.exclusive).key("active").boolean(true);
  json.key("activity_status").string("up");
  json.key("prefetch_count").integer(consumer.prefetch);
  write_arguments(json, {});
  json.key("channel_details").begin_object().key("name").string(channel.name);
  json.key("number").integer(channel.number).key("node").string(kNode);
  json.key("user").string(channel.connection.user);
  json.key("connection_name").string(channel.connection.name);
  write_peer(json, channel.connection);
  json.end_object().end_object();
}

// One's own connections; who watches the server sees those of all.
class Seen final : public ConnectionVisitor {
 public:
  Seen(Exchange& exchange, ConnectionVisitor& to)
      : user_(exchange.user()), all_(exchange.may_as(engine::Role::monitoring)), to_(to) {}
  void on_connection(const ConnectionView& connection) override {
    if (shows(connection)) to_.on_connection(connection);
  }
  void on_channel(const ChannelView& channel) override {
    if (shows(channel.connection)) to_.on_channel(channel);
  }
  void on_consumer(const ConsumerView& consumer) override {
    if (shows(consumer.channel.connection)) to_.on_consumer(consumer);
  }

 private:
  [[nodiscard]] bool shows(const ConnectionView& connection) const {
    return all_ || connection.user == user_;
  }
  const std::string& user_;
  bool all_;
  ConnectionVisitor& to_;
};

void visit(Exchange& exchange, ConnectionVisitor& visitor) {
  Seen seen(exchange, visitor);
  const auto* connections = exchange.service().settings().connections;
  if (connections != nullptr) connections->visit(seen);
}

// Rows of a kind, of one virtual host and of one connection, or of all.
class Lister : public ConnectionVisitor {
 public:
  Lister(Rows& rows, std::string_view host, std::string_view connection = {})
      : rows_(rows), host_(host), connection_(connection) {}

 protected:
  [[nodiscard]] bool wants(const ConnectionView& connection, std::string_view name) {
    return (host_.empty() || connection.vhost == host_) &&
           (connection_.empty() || connection.name == connection_) && rows_.wants(name);
  }
  [[nodiscard]] JsonText& json() { return rows_.json(); }

 private:
  Rows& rows_;
  std::string_view host_, connection_;
};

class ConnectionLister final : public Lister {
 public:
  using Lister::Lister;
  void on_connection(const ConnectionView& connection) override {
    if (wants(connection, connection.name)) write_connection(json(), connection);
  }
};
class ChannelLister final : public Lister {
 public:
  using Lister::Lister;
  void on_channel(const ChannelView& channel) override {
    if (wants(channel.connection, channel.name)) write_channel(json(), channel);
  }
};
class ConsumerLister final : public Lister {
 public:
  using Lister::Lister;
  void on_consumer(const ConsumerView& consumer) override {
    if (wants(consumer.channel.connection, consumer.tag)) write_consumer(json(), consumer);
  }
};

template <class List>
void list(Exchange& exchange, std::string_view host = {}, std::string_view connection = {}) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  List lister(*rows, host, connection);
  visit(exchange, lister);
  rows->answer();
}

// Writes the one of that name to `out`, if it is there.
class ConnectionFinder final : public ConnectionVisitor {
 public:
  ConnectionFinder(std::string& out, std::string_view name) : out_(out), name_(name) {}
  void on_connection(const ConnectionView& connection) override {
    if (connection.name != name_) return;
    JsonText json(out_);
    write_connection(json, connection);
  }

 private:
  std::string& out_;
  std::string_view name_;
};
class ChannelFinder final : public ConnectionVisitor {
 public:
  ChannelFinder(std::string& out, std::string_view name) : out_(out), name_(name) {}
  void on_channel(const ChannelView& channel) override {
    if (channel.name != name_) return;
    JsonText json(out_);
    write_channel(json, channel);
  }

 private:
  std::string& out_;
  std::string_view name_;
};

// Whose connection it is; nothing when it is not there, or not to be seen.
std::string user_of(Exchange& exchange, std::string_view name) {
  struct Finder final : ConnectionVisitor {
    void on_connection(const ConnectionView& connection) override {
      if (connection.name == wanted) user = connection.user;
    }
    std::string_view wanted;
    std::string user;
  } finder;
  finder.wanted = name;
  visit(exchange, finder);
  return finder.user;
}

Error no_such(std::string_view what, std::string_view name) {
  return Error{ErrorCode::not_found, fmt::format("there is no {} {}", what, quoted(name)), {}};
}

template <class Finder>
void answer_one(Exchange& exchange, std::string_view what) {
  const std::string name(exchange.parameter());
  auto& text = exchange.text();
  Finder finder(text, name);
  visit(exchange, finder);
  if (text.empty()) return exchange.answer_error(no_such(what, name));
  exchange.answer_json_when_durable(200);
}

}  // namespace

void get_connections(Exchange& exchange) {
  list<ConnectionLister>(exchange);
}
void get_connections_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list<ConnectionLister>(exchange, *host);
}
void get_connection(Exchange& exchange) {
  answer_one<ConnectionFinder>(exchange, "connection");
}

void delete_connection(Exchange& exchange) {
  const auto name = exchange.parameter();
  const auto found = user_of(exchange, name);
  // An administrator closes all of them, others their own.
  const bool may_close =
      !found.empty() && (found == exchange.user() || exchange.may_as(engine::Role::administrator));
  if (!may_close) return exchange.answer_error(no_such("connection", name));
  auto* connections = exchange.service().settings().connections;
  const auto given = exchange.fields().value("X-Reason");
  const auto reason = given.empty() ? std::string_view("Closed via management") : given;
  if (connections != nullptr && connections->close_connection(name, reason))
    return exchange.answer_nothing(204);
  exchange.answer_error(no_such("connection", name));
}

void get_channels_of_connection(Exchange& exchange) {
  list<ChannelLister>(exchange, {}, exchange.parameter());
}
void get_channels(Exchange& exchange) {
  list<ChannelLister>(exchange);
}
void get_channel(Exchange& exchange) {
  answer_one<ChannelFinder>(exchange, "channel");
}

void get_consumers(Exchange& exchange) {
  list<ConsumerLister>(exchange);
}
void get_consumers_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list<ConsumerLister>(exchange, *host);
}

}  // namespace penstock::protocol::http::management
