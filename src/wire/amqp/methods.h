// The methods of AMQP 0-9-1 (section 1.3 of the reference) with RabbitMQ's extensions, as structs.
//
// Each names its fields once, in the order of the wire; encoding and decoding both go by that list
// and by the types: bool is a bit (neighbours share octets), std::string_view a short string,
// LongString a long one. `ticket` and what else has no meaning any more is carried, never used.
//
// Lifetime: strings and tables of a decoded method point into its payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "wire/amqp/reply_code.h"
#include "wire/amqp/table.h"

namespace penstock::wire::amqp {

struct LongString : std::string_view {
  using std::string_view::string_view;
  constexpr LongString(std::string_view text) : std::string_view(text) {}
  LongString(const std::string& text) : std::string_view(text) {}
};

#define PENSTOCK_AMQP_METHOD(Struct, class_number, method_number, text, ...) \
  static constexpr std::uint16_t kClass = class_number;                      \
  static constexpr std::uint16_t kMethod = method_number;                    \
  static constexpr std::string_view kName = text;                            \
  [[nodiscard]] constexpr auto fields() {                                    \
    return std::tie(__VA_ARGS__);                                            \
  }                                                                          \
  [[nodiscard]] constexpr auto fields() const {                              \
    return std::tie(__VA_ARGS__);                                            \
  }                                                                          \
  bool operator==(const Struct&) const = default;

// connection: class 10, only on channel 0.
struct ConnectionStart {
  std::uint8_t version_major = 0;
  std::uint8_t version_minor = 9;
  TableView server_properties{};
  LongString mechanisms{};  // separated by spaces
  LongString locales{};     // the same
  PENSTOCK_AMQP_METHOD(ConnectionStart, 10, 10, "connection.start", version_major, version_minor,
                       server_properties, mechanisms, locales)
};
struct ConnectionStartOk {
  TableView client_properties{};
  std::string_view mechanism{};
  LongString response{};
  std::string_view locale{};
  PENSTOCK_AMQP_METHOD(ConnectionStartOk, 10, 11, "connection.start-ok", client_properties,
                       mechanism, response, locale)
};
struct ConnectionSecure {
  LongString challenge{};
  PENSTOCK_AMQP_METHOD(ConnectionSecure, 10, 20, "connection.secure", challenge)
};
struct ConnectionSecureOk {
  LongString response{};
  PENSTOCK_AMQP_METHOD(ConnectionSecureOk, 10, 21, "connection.secure-ok", response)
};
struct ConnectionTune {
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;
  PENSTOCK_AMQP_METHOD(ConnectionTune, 10, 30, "connection.tune", channel_max, frame_max, heartbeat)
};
struct ConnectionTuneOk {
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;
  PENSTOCK_AMQP_METHOD(ConnectionTuneOk, 10, 31, "connection.tune-ok", channel_max, frame_max,
                       heartbeat)
};
struct ConnectionOpen {
  std::string_view virtual_host{};
  std::string_view capabilities{};
  bool insist = false;
  PENSTOCK_AMQP_METHOD(ConnectionOpen, 10, 40, "connection.open", virtual_host, capabilities,
                       insist)
};
struct ConnectionOpenOk {
  std::string_view known_hosts{};
  PENSTOCK_AMQP_METHOD(ConnectionOpenOk, 10, 41, "connection.open-ok", known_hosts)
};
struct ConnectionClose {
  ReplyCode reply_code = ReplyCode::success;
  std::string_view reply_text{};
  std::uint16_t class_id = 0;  // of the method that was refused, if it was one
  std::uint16_t method_id = 0;
  PENSTOCK_AMQP_METHOD(ConnectionClose, 10, 50, "connection.close", reply_code, reply_text,
                       class_id, method_id)
};
struct ConnectionCloseOk {
  PENSTOCK_AMQP_METHOD(ConnectionCloseOk, 10, 51, "connection.close-ok")
};
struct ConnectionBlocked {
  std::string_view reason{};
  PENSTOCK_AMQP_METHOD(ConnectionBlocked, 10, 60, "connection.blocked", reason)
};
struct ConnectionUnblocked {
  PENSTOCK_AMQP_METHOD(ConnectionUnblocked, 10, 61, "connection.unblocked")
};
struct ConnectionUpdateSecret {
  LongString new_secret{};
  std::string_view reason{};
  PENSTOCK_AMQP_METHOD(ConnectionUpdateSecret, 10, 70, "connection.update-secret", new_secret,
                       reason)
};
struct ConnectionUpdateSecretOk {
  PENSTOCK_AMQP_METHOD(ConnectionUpdateSecretOk, 10, 71, "connection.update-secret-ok")
};

// channel: class 20.
struct ChannelOpen {
  std::string_view out_of_band{};
  PENSTOCK_AMQP_METHOD(ChannelOpen, 20, 10, "channel.open", out_of_band)
};
struct ChannelOpenOk {
  LongString channel_id{};
  PENSTOCK_AMQP_METHOD(ChannelOpenOk, 20, 11, "channel.open-ok", channel_id)
};
struct ChannelFlow {
  bool active = false;
  PENSTOCK_AMQP_METHOD(ChannelFlow, 20, 20, "channel.flow", active)
};
struct ChannelFlowOk {
  bool active = false;
  PENSTOCK_AMQP_METHOD(ChannelFlowOk, 20, 21, "channel.flow-ok", active)
};
struct ChannelClose {
  ReplyCode reply_code = ReplyCode::success;
  std::string_view reply_text{};
  std::uint16_t class_id = 0;  // of the method that was refused, if it was one
  std::uint16_t method_id = 0;
  PENSTOCK_AMQP_METHOD(ChannelClose, 20, 40, "channel.close", reply_code, reply_text, class_id,
                       method_id)
};
struct ChannelCloseOk {
  PENSTOCK_AMQP_METHOD(ChannelCloseOk, 20, 41, "channel.close-ok")
};

// access: class 30, which RabbitMQ still answers for old clients.
struct AccessRequest {
  std::string_view realm{};
  bool exclusive = false;
  bool passive = false;
  bool active = false;
  bool write = false;
  bool read = false;
  PENSTOCK_AMQP_METHOD(AccessRequest, 30, 10, "access.request", realm, exclusive, passive, active,
                       write, read)
};
struct AccessRequestOk {
  std::uint16_t ticket = 0;
  PENSTOCK_AMQP_METHOD(AccessRequestOk, 30, 11, "access.request-ok", ticket)
};

// exchange: class 40.
struct ExchangeDeclare {
  std::uint16_t ticket = 0;
  std::string_view exchange{};
  std::string_view type{};
  bool passive = false;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(ExchangeDeclare, 40, 10, "exchange.declare", ticket, exchange, type, passive,
                       durable, auto_delete, internal, no_wait, arguments)
};
struct ExchangeDeclareOk {
  PENSTOCK_AMQP_METHOD(ExchangeDeclareOk, 40, 11, "exchange.declare-ok")
};
struct ExchangeDelete {
  std::uint16_t ticket = 0;
  std::string_view exchange{};
  bool if_unused = false;
  bool no_wait = false;
  PENSTOCK_AMQP_METHOD(ExchangeDelete, 40, 20, "exchange.delete", ticket, exchange, if_unused,
                       no_wait)
};
struct ExchangeDeleteOk {
  PENSTOCK_AMQP_METHOD(ExchangeDeleteOk, 40, 21, "exchange.delete-ok")
};
struct ExchangeBind {
  std::uint16_t ticket = 0;
  std::string_view destination{};
  std::string_view source{};
  std::string_view routing_key{};
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(ExchangeBind, 40, 30, "exchange.bind", ticket, destination, source,
                       routing_key, no_wait, arguments)
};
struct ExchangeBindOk {
  PENSTOCK_AMQP_METHOD(ExchangeBindOk, 40, 31, "exchange.bind-ok")
};
struct ExchangeUnbind {
  std::uint16_t ticket = 0;
  std::string_view destination{};
  std::string_view source{};
  std::string_view routing_key{};
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(ExchangeUnbind, 40, 40, "exchange.unbind", ticket, destination, source,
                       routing_key, no_wait, arguments)
};
struct ExchangeUnbindOk {
  PENSTOCK_AMQP_METHOD(ExchangeUnbindOk, 40, 51, "exchange.unbind-ok")
};

// queue: class 50.
struct QueueDeclare {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  bool passive = false;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(QueueDeclare, 50, 10, "queue.declare", ticket, queue, passive, durable,
                       exclusive, auto_delete, no_wait, arguments)
};
struct QueueDeclareOk {
  std::string_view queue{};
  std::uint32_t message_count = 0;
  std::uint32_t consumer_count = 0;
  PENSTOCK_AMQP_METHOD(QueueDeclareOk, 50, 11, "queue.declare-ok", queue, message_count,
                       consumer_count)
};
struct QueueBind {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  std::string_view exchange{};
  std::string_view routing_key{};
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(QueueBind, 50, 20, "queue.bind", ticket, queue, exchange, routing_key,
                       no_wait, arguments)
};
struct QueueBindOk {
  PENSTOCK_AMQP_METHOD(QueueBindOk, 50, 21, "queue.bind-ok")
};
struct QueuePurge {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  bool no_wait = false;
  PENSTOCK_AMQP_METHOD(QueuePurge, 50, 30, "queue.purge", ticket, queue, no_wait)
};
struct QueuePurgeOk {
  std::uint32_t message_count = 0;
  PENSTOCK_AMQP_METHOD(QueuePurgeOk, 50, 31, "queue.purge-ok", message_count)
};
struct QueueDelete {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  bool if_unused = false;
  bool if_empty = false;
  bool no_wait = false;
  PENSTOCK_AMQP_METHOD(QueueDelete, 50, 40, "queue.delete", ticket, queue, if_unused, if_empty,
                       no_wait)
};
struct QueueDeleteOk {
  std::uint32_t message_count = 0;
  PENSTOCK_AMQP_METHOD(QueueDeleteOk, 50, 41, "queue.delete-ok", message_count)
};
struct QueueUnbind {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  std::string_view exchange{};
  std::string_view routing_key{};
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(QueueUnbind, 50, 50, "queue.unbind", ticket, queue, exchange, routing_key,
                       arguments)
};
struct QueueUnbindOk {
  PENSTOCK_AMQP_METHOD(QueueUnbindOk, 50, 51, "queue.unbind-ok")
};

// basic: class 60. Publish, return, deliver and get-ok are followed by a content header and a body.
struct BasicQos {
  std::uint32_t prefetch_size = 0;
  std::uint16_t prefetch_count = 0;
  bool global = false;
  PENSTOCK_AMQP_METHOD(BasicQos, 60, 10, "basic.qos", prefetch_size, prefetch_count, global)
};
struct BasicQosOk {
  PENSTOCK_AMQP_METHOD(BasicQosOk, 60, 11, "basic.qos-ok")
};
struct BasicConsume {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  std::string_view consumer_tag{};
  bool no_local = false;
  bool no_ack = false;
  bool exclusive = false;
  bool no_wait = false;
  TableView arguments{};
  PENSTOCK_AMQP_METHOD(BasicConsume, 60, 20, "basic.consume", ticket, queue, consumer_tag, no_local,
                       no_ack, exclusive, no_wait, arguments)
};
struct BasicConsumeOk {
  std::string_view consumer_tag{};
  PENSTOCK_AMQP_METHOD(BasicConsumeOk, 60, 21, "basic.consume-ok", consumer_tag)
};
struct BasicCancel {
  std::string_view consumer_tag{};
  bool no_wait = false;
  PENSTOCK_AMQP_METHOD(BasicCancel, 60, 30, "basic.cancel", consumer_tag, no_wait)
};
struct BasicCancelOk {
  std::string_view consumer_tag{};
  PENSTOCK_AMQP_METHOD(BasicCancelOk, 60, 31, "basic.cancel-ok", consumer_tag)
};
struct BasicPublish {
  std::uint16_t ticket = 0;
  std::string_view exchange{};
  std::string_view routing_key{};
  bool mandatory = false;
  bool immediate = false;
  PENSTOCK_AMQP_METHOD(BasicPublish, 60, 40, "basic.publish", ticket, exchange, routing_key,
                       mandatory, immediate)
};
struct BasicReturn {
  ReplyCode reply_code = ReplyCode::success;
  std::string_view reply_text{};
  std::string_view exchange{};
  std::string_view routing_key{};
  PENSTOCK_AMQP_METHOD(BasicReturn, 60, 50, "basic.return", reply_code, reply_text, exchange,
                       routing_key)
};
struct BasicDeliver {
  std::string_view consumer_tag{};
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange{};
  std::string_view routing_key{};
  PENSTOCK_AMQP_METHOD(BasicDeliver, 60, 60, "basic.deliver", consumer_tag, delivery_tag,
                       redelivered, exchange, routing_key)
};
struct BasicGet {
  std::uint16_t ticket = 0;
  std::string_view queue{};
  bool no_ack = false;
  PENSTOCK_AMQP_METHOD(BasicGet, 60, 70, "basic.get", ticket, queue, no_ack)
};
struct BasicGetOk {
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange{};
  std::string_view routing_key{};
  std::uint32_t message_count = 0;
  PENSTOCK_AMQP_METHOD(BasicGetOk, 60, 71, "basic.get-ok", delivery_tag, redelivered, exchange,
                       routing_key, message_count)
};
struct BasicGetEmpty {
  std::string_view cluster_id{};
  PENSTOCK_AMQP_METHOD(BasicGetEmpty, 60, 72, "basic.get-empty", cluster_id)
};
struct BasicAck {
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  PENSTOCK_AMQP_METHOD(BasicAck, 60, 80, "basic.ack", delivery_tag, multiple)
};
struct BasicReject {
  std::uint64_t delivery_tag = 0;
  bool requeue = false;
  PENSTOCK_AMQP_METHOD(BasicReject, 60, 90, "basic.reject", delivery_tag, requeue)
};
struct BasicRecoverAsync {
  bool requeue = false;
  PENSTOCK_AMQP_METHOD(BasicRecoverAsync, 60, 100, "basic.recover-async", requeue)
};
struct BasicRecover {
  bool requeue = false;
  PENSTOCK_AMQP_METHOD(BasicRecover, 60, 110, "basic.recover", requeue)
};
struct BasicRecoverOk {
  PENSTOCK_AMQP_METHOD(BasicRecoverOk, 60, 111, "basic.recover-ok")
};
struct BasicNack {
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  bool requeue = false;
  PENSTOCK_AMQP_METHOD(BasicNack, 60, 120, "basic.nack", delivery_tag, multiple, requeue)
};

// confirm: class 85, RabbitMQ's.
struct ConfirmSelect {
  bool no_wait = false;
  PENSTOCK_AMQP_METHOD(ConfirmSelect, 85, 10, "confirm.select", no_wait)
};
struct ConfirmSelectOk {
  PENSTOCK_AMQP_METHOD(ConfirmSelectOk, 85, 11, "confirm.select-ok")
};

// tx: class 90.
struct TxSelect {
  PENSTOCK_AMQP_METHOD(TxSelect, 90, 10, "tx.select")
};
struct TxSelectOk {
  PENSTOCK_AMQP_METHOD(TxSelectOk, 90, 11, "tx.select-ok")
};
struct TxCommit {
  PENSTOCK_AMQP_METHOD(TxCommit, 90, 20, "tx.commit")
};
struct TxCommitOk {
  PENSTOCK_AMQP_METHOD(TxCommitOk, 90, 21, "tx.commit-ok")
};
struct TxRollback {
  PENSTOCK_AMQP_METHOD(TxRollback, 90, 30, "tx.rollback")
};
struct TxRollbackOk {
  PENSTOCK_AMQP_METHOD(TxRollbackOk, 90, 31, "tx.rollback-ok")
};

#undef PENSTOCK_AMQP_METHOD

}  // namespace penstock::wire::amqp
