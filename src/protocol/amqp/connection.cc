// The connection itself: handshake, heartbeats, its end.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "protocol/amqp/session.h"
#include "wire/amqp/table_writer.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::ReplyCode;
using wire::amqp::TableView;
using wire::amqp::TableWriter;

struct NameAndPassword {
  std::string_view user, password;
};

constexpr std::string_view kCompatibleVersion = "3.10.8";
constexpr std::string_view kMechanisms = "PLAIN AMQPLAIN";
constexpr std::string_view kCapabilities[] = {
    "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
    "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
    "authentication_failure_close", "per_consumer_qos",           "direct_reply_to",
};

// PLAIN: authorization id, user and password, each behind a zero (RFC 4616).
std::optional<NameAndPassword> read_plain(std::string_view response) {
  const auto first = response.find('\0');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = response.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return NameAndPassword{response.substr(first + 1, second - first - 1),
                         response.substr(second + 1)};
}

// AMQPLAIN: a field table's inside with LOGIN and PASSWORD.
std::optional<NameAndPassword> read_amqplain(std::string_view response) {
  const auto table = TableView::parse(as_bytes(response));
  if (!table) return std::nullopt;
  const auto user = table->find("LOGIN");
  const auto password = table->find("PASSWORD");
  if (!user || !password) return std::nullopt;
  const auto user_text = wire::amqp::text_in(*user);
  const auto password_text = wire::amqp::text_in(*password);
  if (!user_text || !password_text) return std::nullopt;
  return NameAndPassword{*user_text, *password_text};
}

std::string text_property(const TableView& table, std::string_view name) {
  constexpr std::size_t kLongest = 255;
  const auto value = table.find(name);
  const auto text = value ? wire::amqp::text_in(*value) : std::nullopt;
  return text ? std::string(text->substr(0, kLongest)) : std::string();
}

bool has_capability(const TableView& properties, std::string_view name) {
  const auto capabilities = properties.find("capabilities");
  const auto* table = capabilities ? std::get_if<TableView>(&*capabilities) : nullptr;
  const auto value = table == nullptr ? std::nullopt : table->find(name);
  const auto* has = value ? std::get_if<bool>(&*value) : nullptr;
  return has != nullptr && *has;
}

}  // namespace

void Session::send_start() {
  std::string bytes;
  TableWriter properties(bytes);
  {
    auto capabilities = properties.table("capabilities");
    for (const auto name : kCapabilities) capabilities.add(name, true);
  }
  // Clients decide by these what prefetch means, and more (kombu: anything but a RabbitMQ of 3.3 or
  // later is asked in another way). What we do is what that one does.
  const auto platform = "Penstock " + settings().version;
  properties.add("product", std::string_view("RabbitMQ"));
  properties.add("version", kCompatibleVersion);
  properties.add("platform", std::string_view(platform));
  properties.add("cluster_name", std::string_view("penstock"));
  wire::amqp::ConnectionStart start;
  start.server_properties = properties.view();
  start.mechanisms = kMechanisms;
  start.locales = std::string_view("en_US");
  wire::amqp::encode_method(output_.bytes(), 0, start);
  phase_ = Phase::start_ok;
}

MaybeFault Session::start(const wire::amqp::ConnectionStartOk& method) {
  if (phase_ != Phase::start_ok) return Fault{ReplyCode::command_invalid, "out of its turn"};
  const auto& properties = method.client_properties;
  identity.product = text_property(properties, "product");
  identity.version = text_property(properties, "version");
  identity.platform = text_property(properties, "platform");
  identity.name = text_property(properties, "connection_name");
  client_wants_blocked_ = has_capability(properties, "connection.blocked");
  client_knows_refusals_ = has_capability(properties, "authentication_failure_close");
  const auto login = method.mechanism == "PLAIN"      ? read_plain(method.response)
                     : method.mechanism == "AMQPLAIN" ? read_amqplain(method.response)
                                                      : std::nullopt;
  if (method.mechanism != "PLAIN" && method.mechanism != "AMQPLAIN")
    return Fault{ReplyCode::command_invalid, fmt::format("the mechanism {} is not one of {}",
                                                         quoted(method.mechanism), kMechanisms)};
  if (!login)
    return Fault{ReplyCode::syntax_error,
                 fmt::format("a response that is none of {}", method.mechanism)};
  mechanism_ = method.mechanism;
  return log_in(login->user, login->password);
}

// Without users: who comes from this machine may do everything, as guest.
MaybeFault Session::log_in(std::string_view user, std::string_view password) {
  user_ = user;
  if (!broker().has_users()) {
    const bool guest = host_.peer_is_loopback() && user == "guest" && password == "guest";
    return on_proof(guest ? Proof::right : Proof::wrong);
  }
  if (settings().passwords == nullptr) return on_proof(Proof::wrong);
  const auto peer = host_.peer();
  const auto known = settings().passwords->check(
      {user, password, host_.peer_is_loopback(), peer}, login_, [this](Proof proof) {
        login_.reset();
        if (auto fault = on_proof(proof))
          fail_connection(*fault, wire::amqp::kMethodId<wire::amqp::ConnectionStartOk>);
        host_.wake();
      });
  return known ? on_proof(*known) : std::nullopt;
}

MaybeFault Session::on_proof(Proof proof) {
  if (phase_ != Phase::start_ok) return std::nullopt;  // it ended meanwhile
  const bool right = proof == Proof::right;
  if (!right || (broker().has_users() && !broker().log_in(session_, user_))) {
    ++counters().refused_logins;
    if (proof == Proof::busy)
      return Fault{ReplyCode::resource_error, "too many passwords wait to be checked"};
    return Fault{ReplyCode::access_refused,
                 fmt::format("Login was refused using authentication mechanism {}. For details "
                             "see the broker logfile.",
                             mechanism_)};
  }
  wire::amqp::ConnectionTune tune;
  tune.channel_max = settings().channel_max;
  tune.frame_max = settings().frame_max;
  tune.heartbeat = settings().heartbeat_seconds;
  wire::amqp::encode_method(output_.bytes(), 0, tune);
  phase_ = Phase::tune_ok;
  return std::nullopt;
}

// The user is gone, or may less than before.
void Session::on_ended(std::string_view reason) {
  fail_connection({ReplyCode::connection_forced, std::string(reason)}, {});
}

MaybeFault Session::tune(const wire::amqp::ConnectionTuneOk& method) {
  if (phase_ != Phase::tune_ok) return Fault{ReplyCode::command_invalid, "out of its turn"};
  const auto negotiated = [](auto ours, auto theirs) { return theirs == 0 ? ours : theirs; };
  if (method.frame_max != 0 && method.frame_max < wire::amqp::kFrameBytesMin)
    return Fault{ReplyCode::not_allowed, fmt::format("negotiated frame_max = {} is lower than the "
                                                     "minimum allowed value ({})",
                                                     method.frame_max, wire::amqp::kFrameBytesMin)};
  if (method.frame_max > settings().frame_max)
    return Fault{
        ReplyCode::not_allowed,
        fmt::format("negotiated frame_max = {} is higher than the maximum allowed value ({})",
                    method.frame_max, settings().frame_max)};
  if (method.channel_max > settings().channel_max)
    return Fault{ReplyCode::not_allowed,
                 fmt::format("negotiated channel_max = {} is higher than the maximum allowed value "
                             "({})",
                             method.channel_max, settings().channel_max)};
  frame_max_ = negotiated(settings().frame_max, method.frame_max);
  channel_max_ = negotiated(settings().channel_max, method.channel_max);
  heartbeat_ = std::chrono::seconds(method.heartbeat);
  phase_ = Phase::open;
  return std::nullopt;
}

MaybeFault Session::open(const wire::amqp::ConnectionOpen& method) {
  if (phase_ != Phase::open) return Fault{ReplyCode::command_invalid, "out of its turn"};
  if (!broker().topology().hosts().contains(method.virtual_host))
    return Fault{ReplyCode::not_allowed, fmt::format("vhost {} not found", method.virtual_host)};
  if (auto allowed = broker().may_enter(session_, method.virtual_host); !allowed)
    return Fault{ReplyCode::not_allowed, allowed.error().message};
  vhost_ = method.virtual_host;
  wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionOpenOk{});
  phase_ = Phase::open_channels;
  deadline_ = Time::max();
  plan(broker().now());
  return std::nullopt;
}

MaybeFault Session::update_secret(const wire::amqp::ConnectionUpdateSecret&) {
  // A password is asked for once; a new one changes nothing for this connection.
  wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionUpdateSecretOk{});
  return std::nullopt;
}

void Session::close(const wire::amqp::ConnectionClose&) {
  flush_settles();
  phase_ = Phase::ending;
  leave();
}

void Session::drain() {
  if (phase_ == Phase::open_channels) {
    fail_connection(
        {ReplyCode::connection_forced, "broker forced connection closure with reason 'shutdown'"},
        {});
  } else if (phase_ < Phase::open_channels) {
    phase_ = Phase::closed;
  }
}

// ---- time

void Session::on_time(Time now) {
  if (now >= deadline_) {
    phase_ = Phase::closed;
    return;
  }
  if (stalled_ != nullptr && now >= retry_at_) {
    Channel& channel = *stalled_;
    stalled_ = nullptr;
    const Bytes body = std::move(channel.incoming.body);
    channel.incoming.body.clear();
    held_bytes_ -= body.size();
    if (auto fault = publish(channel, body))
      fail(*fault, channel.number, wire::amqp::kMethodId<wire::amqp::BasicPublish>);
    host_.wake();
  }
  check_heartbeat(now);
  plan(now);
}

// A peer is alive as long as something comes from it within two intervals; ours hears of us at
// least once in each.
void Session::check_heartbeat(Time now) {
  if (heartbeat_.count() == 0 || phase_ != Phase::open_channels) return;
  if (!wants_input()) received_at_ = now;  // we don't listen
  if (now - received_at_ > 2 * heartbeat_) {
    ++counters().missed_heartbeats;
    phase_ = Phase::closed;
    return host_.wake();
  }
  if (now - sent_at_ >= heartbeat_ / 2 && output_.size() == 0) {
    wire::amqp::write_heartbeat(output_.bytes());
    sent_at_ = now;
    host_.wake();
  }
}

void Session::plan(Time now) {
  auto next = deadline_;
  if (stalled_ != nullptr) next = std::min(next, retry_at_);
  if (heartbeat_.count() != 0) next = std::min(next, now + heartbeat_ / 2);
  if (next != Time::max()) host_.wake_at(next);
}

}  // namespace penstock::protocol::amqp
