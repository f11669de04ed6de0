// Methods from and to bytes: a method frame's payload is two numbers and the fields.
//
//   +----------+-----------+----------------
//   | class id | method id | fields ...
//   +----------+-----------+----------------
//    2 octets   2 octets
//
// Threads:  pure functions.
// Lifetime: what a method was decoded from outlives it. Decoding one that is good allocates
// nothing. Damage:   a failure has the reply code to close the connection with, and what could be
// read of the
//   method's identity for the close's own fields.
#pragma once

#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

#include "base/bytes.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/frame_writer.h"
#include "wire/amqp/methods.h"
#include "wire/amqp/octets.h"
#include "wire/amqp/reply_code.h"

namespace penstock::wire::amqp {

struct MethodId {
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
  constexpr auto operator<=>(const MethodId&) const = default;
};
template <class M>
inline constexpr MethodId kMethodId{M::kClass, M::kMethod};

using Method = std::variant<
    ConnectionStart, ConnectionStartOk, ConnectionSecure, ConnectionSecureOk, ConnectionTune,
    ConnectionTuneOk, ConnectionOpen, ConnectionOpenOk, ConnectionClose, ConnectionCloseOk,
    ConnectionBlocked, ConnectionUnblocked, ConnectionUpdateSecret, ConnectionUpdateSecretOk,
    ChannelOpen, ChannelOpenOk, ChannelFlow, ChannelFlowOk, ChannelClose, ChannelCloseOk,
    AccessRequest, AccessRequestOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete,
    ExchangeDeleteOk, ExchangeBind, ExchangeBindOk, ExchangeUnbind, ExchangeUnbindOk, QueueDeclare,
    QueueDeclareOk, QueueBind, QueueBindOk, QueuePurge, QueuePurgeOk, QueueDelete, QueueDeleteOk,
    QueueUnbind, QueueUnbindOk, BasicQos, BasicQosOk, BasicConsume, BasicConsumeOk, BasicCancel,
    BasicCancelOk, BasicPublish, BasicReturn, BasicDeliver, BasicGet, BasicGetOk, BasicGetEmpty,
    BasicAck, BasicReject, BasicRecoverAsync, BasicRecover, BasicRecoverOk, BasicNack,
    ConfirmSelect, ConfirmSelectOk, TxSelect, TxSelectOk, TxCommit, TxCommitOk, TxRollback,
    TxRollbackOk>;

// A method frame, a content header or a property list that cannot be read.
struct Failure {
  ReplyCode code = ReplyCode::syntax_error;
  std::string text;   // one line, safe to send back
  MethodId method{};  // as far as it could be read
};

// The first four octets; nothing when there are less.
[[nodiscard]] std::optional<MethodId> read_method_id(ByteView payload);
// "queue.declare"; empty for a method that is not known.
[[nodiscard]] std::string_view method_name(MethodId id);

// The payload of a method frame, the whole of it. Fails with 503 for an unknown class, 540 for an
// unknown method of a known one, 502 for fields that are cut short, malformed or followed by more.
[[nodiscard]] std::expected<Method, Failure> decode_method(ByteView payload);

// Appends fields: bits are gathered into octets, the first in the lowest bit, until another type
// comes or the octet is full.
class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}
  template <class... Fields>
  void write(const std::tuple<Fields...>& fields) {
    std::apply([&](const auto&... field) { (put(field), ...); }, fields);
    flush();
  }

 private:
  template <class T>
  void put(const T& field) {
    if constexpr (std::same_as<T, bool>) {
      if (bits_ == 8) flush();
      octet_ |= static_cast<std::uint8_t>(static_cast<unsigned>(field) << bits_++);
    } else {
      flush();
      put_whole(field);
    }
  }
  template <std::integral T>
  void put_whole(T number) {
    out_.number(number);
  }
  void put_whole(ReplyCode code) { out_.number(static_cast<std::uint16_t>(code)); }
  void put_whole(std::string_view text) { out_.short_string(text); }
  void put_whole(const LongString& text) { out_.long_bytes(as_bytes(text)); }
  void put_whole(const TableView& table) { out_.long_bytes(table.bytes()); }
  void flush() {
    if (bits_ > 0) out_.number(octet_);
    bits_ = octet_ = 0;
  }

  Writer out_;
  std::uint8_t octet_ = 0;
  std::uint8_t bits_ = 0;
};

// Appends a whole method frame. What is longer than a short string is cut to fit one.
template <class M>
void encode_method(std::string& out, std::uint16_t channel, const M& method) {
  FrameWriter frame(out, FrameType::method, channel);
  Writer(out).number(M::kClass).number(M::kMethod);
  FieldWriter(out).write(method.fields());
}
// The same, for whoever does not know which one it is.
void encode_method(std::string& out, std::uint16_t channel, const Method& method);

}  // namespace penstock::wire::amqp
