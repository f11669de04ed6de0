// One AMQP connection: frames in, frames out.
//
//   receive() ─▶ frames ─▶ method ─▶ handler (connection.cc, channels.cc, exchanges.cc, queues.cc,
//                  │                          publish.cc, consume.cc, settle.cc, transactions.cc)
//                  └─▶ content ─▶ publish
//   on_reply() ─▶ answers in the order of their methods, confirms, deliveries
//
// Threads:  the broker's.
// Lifetime: broker, service and host outlive it; its end gives its leases back.
// Order:    the answers of a channel come in the order of its methods; confirms and deliveries when
//           they are durable.
// Faults:   a handler says what is wrong; the code decides whether the channel or the connection is
//           closed for it. What the peer says on a channel that is being closed is not listened to.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "protocol/amqp/channel.h"
#include "protocol/amqp/service.h"
#include "protocol/output_buffer.h"
#include "wire/amqp/method.h"
#include "wire/amqp/properties.h"

namespace penstock::protocol::amqp {

using MaybeFault = std::optional<Fault>;

class Session final : public Conversation, public broker::ReplySink {
 public:
  Session(Service& service, Host& host);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- Conversation
  [[nodiscard]] std::size_t receive(ByteView input) override;
  [[nodiscard]] ByteView output() const override { return output_.unsent(); }
  [[nodiscard]] std::size_t output_memory() const override { return output_.memory_bytes(); }
  void sent(std::size_t count) override;
  [[nodiscard]] bool wants_input() const override;
  [[nodiscard]] std::size_t held_bytes() const override { return held_bytes_; }
  [[nodiscard]] bool finished() const override { return phase_ == Phase::closed; }
  void on_end_of_input() override { phase_ = Phase::closed; }
  void on_time(Time now) override;
  void drain() override;

  // ---- ReplySink
  void on_reply(broker::Tag tag, const broker::Reply& reply) override;
  [[nodiscard]] bool wants_more(broker::Tag tag) override;
  void on_ended(std::string_view reason) override;

  // ---- for the handlers
  [[nodiscard]] broker::Broker& broker() { return service_.broker_; }
  [[nodiscard]] SessionId id() const { return session_; }
  [[nodiscard]] const Settings& settings() const { return service_.settings_; }
  [[nodiscard]] Service::Statistics& counters() { return service_.statistics_; }
  [[nodiscard]] const std::string& vhost() const { return vhost_; }
  [[nodiscard]] const std::string& user() const { return user_; }
  [[nodiscard]] std::string scoped(std::string_view name) const;
  [[nodiscard]] std::string unique_name(std::string_view prefix) {
    return service_.unique_name(prefix);
  }

  // An answer that is known now, behind those that are not.
  template <class Method>
  void respond(Channel& channel, const Method& method) {
    if (channel.calls.empty()) {
      wire::amqp::encode_method(output_.bytes(), channel.number, method);
    } else {
      auto& call = new_call(channel);
      call.answered = true;
      wire::amqp::encode_method(call.bytes, channel.number, method);
    }
  }
  // A place for the answer that the broker will give; the tag goes along with the command.
  [[nodiscard]] broker::Tag ask(Channel& channel, Call::OnReply on_reply);
  // For answers that are only "done": sends `method` then, or nothing if the client wants none.
  template <class Method>
  [[nodiscard]] broker::Tag ask_done(Channel& channel, bool no_wait, Method method) {
    const auto number = channel.number;
    return ask(
        channel,
        [number, no_wait, method](const broker::Reply& reply, std::string& out) -> MaybeFault {
          if (auto fault = fault_of(reply)) return fault;
          if (!no_wait) wire::amqp::encode_method(out, number, method);
          return std::nullopt;
        });
  }
  // What the broker's error or refusal means here; nothing when it is neither.
  [[nodiscard]] static MaybeFault fault_of(const broker::Reply& reply);
  [[nodiscard]] static Fault fault_of(const Error& error);

  // A queue that the session may use, in RabbitMQ's words if it is none. The right comes first:
  // whoever has it not is not told whether there is such a queue.
  [[nodiscard]] MaybeFault need_queue(std::string_view name,
                                      std::optional<engine::Right> right = {});
  [[nodiscard]] MaybeFault need_right(engine::Right right, engine::Resource resource,
                                      std::string_view name);
  // Somebody waits for direct replies under this name.
  [[nodiscard]] bool takes_replies(const std::string& name) const {
    return service_.reply_to_.contains(name);
  }

  // ---- publish.cc
  [[nodiscard]] MaybeFault begin_publish(Channel&, const wire::amqp::BasicPublish&);
  // ---- consume.cc
  [[nodiscard]] MaybeFault consume(Channel&, const wire::amqp::BasicConsume&);
  [[nodiscard]] MaybeFault cancel(Channel&, const wire::amqp::BasicCancel&);
  [[nodiscard]] MaybeFault get(Channel&, const wire::amqp::BasicGet&);
  [[nodiscard]] MaybeFault qos(Channel&, const wire::amqp::BasicQos&);
  // ---- settle.cc
  [[nodiscard]] MaybeFault settle(Channel&, std::uint64_t tag, bool multiple,
                                  engine::Outcome outcome);
  [[nodiscard]] MaybeFault recover(Channel&, bool answer);
  // Gives back what the channel holds.
  void requeue_all(Channel& channel);
  void requeue(std::span<const engine::LeaseToken> leases);
  // ---- transactions.cc
  [[nodiscard]] MaybeFault commit(Channel&);
  void rollback(Channel&);
  // ---- channels.cc
  [[nodiscard]] MaybeFault open_channel(std::uint16_t number);
  // The client closes it.
  void close_channel(Channel& channel);
  void channel_closed(std::uint16_t number);
  // ---- connection.cc
  [[nodiscard]] MaybeFault start(const wire::amqp::ConnectionStartOk&);
  [[nodiscard]] MaybeFault tune(const wire::amqp::ConnectionTuneOk&);
  [[nodiscard]] MaybeFault open(const wire::amqp::ConnectionOpen&);
  [[nodiscard]] MaybeFault update_secret(const wire::amqp::ConnectionUpdateSecret&);
  void close(const wire::amqp::ConnectionClose&);
  void closed() { phase_ = Phase::closed; }

  enum class Phase : std::uint8_t {
    header,    // waits for the protocol header
    start_ok,  // and so on
    tune_ok,
    open,
    open_channels,  // the handshake is over
    ending,         // the client closed; the answer is on its way
    parting,        // we close, once what is owed is out
    closing,        // we closed; waits for close-ok
    closed,
  };
  [[nodiscard]] Phase phase() const { return phase_; }

  struct Identity {
    std::string peer, product, version, platform, name;
    Time connected_at{};
  };
  Identity identity;
  [[nodiscard]] const std::map<std::uint16_t, std::unique_ptr<Channel>>& channels() const {
    return channels_;
  }

 private:
  enum class Kind : std::uint8_t { call, confirm, consumer, settle, connection };
  [[nodiscard]] static broker::Tag tag_of(Kind kind, const Channel& channel, std::uint64_t number);

  // dispatch.cc: what clients send, by the type of the method; anything else is a fault
  [[nodiscard]] MaybeFault dispatch(std::uint16_t channel, const wire::amqp::Method& method);
  // session.cc
  void handle(const wire::amqp::Frame& frame);
  void on_method(const wire::amqp::Frame& frame);
  void fail(const Fault& fault, std::uint16_t channel, wire::amqp::MethodId method);
  void fail_connection(const Fault& fault, wire::amqp::MethodId method);
  // The same, at once, and without waiting for an answer.
  void hang_up(const Fault& fault, wire::amqp::MethodId method);
  // Begins nothing new; on_left() comes behind what is owed.
  void leave();
  void on_left();
  void fail_channel(Channel& channel, const Fault& fault, wire::amqp::MethodId method);
  void send_channel_close(Channel& channel, const Fault& fault, wire::amqp::MethodId method);
  [[nodiscard]] Channel* find_channel(std::uint16_t number);
  void on_call(Channel& channel, std::uint64_t id, const broker::Reply& reply);
  void flush_calls(Channel& channel);
  [[nodiscard]] Call& new_call(Channel& channel) {
    ++calls_;
    return channel.calls.emplace_back();
  }
  // connection.cc
  void send_start();
  [[nodiscard]] MaybeFault log_in(std::string_view user, std::string_view password);
  [[nodiscard]] MaybeFault on_proof(Proof proof);
  void check_heartbeat(Time now);
  void plan(Time now);
  // publish.cc
  [[nodiscard]] MaybeFault on_content_header(Channel&, ByteView payload);
  [[nodiscard]] MaybeFault on_body(Channel&, ByteView payload);
  // So much more is kept until a message or a transaction is whole; a fault when it is too much.
  [[nodiscard]] MaybeFault hold(std::uint64_t bytes);
  [[nodiscard]] MaybeFault publish(Channel&, ByteView body);
  [[nodiscard]] MaybeFault offer(Channel&, const engine::RoutedPublish&);
  [[nodiscard]] MaybeFault reply_directly(Channel&, ByteView body);
  void return_message(Channel&, ByteView body, std::string& out);
  void stall(Channel&, const broker::Refused& refused, ByteView body);
  void end_publish(Channel&);
  void on_confirm(Channel&, std::uint64_t number, const broker::Reply& reply);
  void confirm(Channel&, std::uint64_t number, bool ack);
  // consume.cc
  [[nodiscard]] MaybeFault begin_stream(const Channel&, std::string_view queue,
                                        const wire::amqp::BasicConsume&,
                                        engine::StreamStart& start);
  void deliver(Channel&, Consumer&, const broker::Delivered& delivered);
  void settle_what_left(Channel& channel);
  void deliver_directly(Channel&, std::string_view exchange, std::string_view key, ByteView raw,
                        ByteView body);
  void write_content(std::string& out, Channel&, ByteView raw_properties, ByteView body);
  void consumer_ended(Channel&, Consumer&);
  [[nodiscard]] Consumer* find_consumer(Channel&, std::uint64_t number);
  void end_consumers(Channel&);
  void return_byte_credit();
  void give_back(const broker::Delivered& delivered);
  // transactions.cc
  [[nodiscard]] MaybeFault hold_publish(Channel&, const engine::RoutedPublish&);
  void hold_settle(Channel&, std::uint64_t first, std::uint64_t last, engine::Outcome outcome);
  void drop_publishes(Channel&);
  // settle.cc
  void queue_settle(Channel&, std::uint64_t first, std::uint64_t last, engine::Outcome outcome);
  void flush_settles();
  void end_unacked(Channel&, Unacked& entry, engine::Outcome outcome);
  static void forget_settled(Channel&);

  friend class Service;

  Service& service_;
  Host& host_;
  SessionId session_;
  OutputBuffer output_;
  Phase phase_ = Phase::header;
  std::string farewell_;  // connection.close, while parting
  std::uint32_t frame_max_;
  std::uint16_t channel_max_;
  Duration heartbeat_{0};
  Time received_at_{}, sent_at_{}, deadline_ = Time::max();
  bool put_off_ = false;  // replies, until the peer reads
  std::string vhost_ = "/", user_, mechanism_;
  std::unique_ptr<Passwords::Ticket> login_;  // while a password is checked
  bool client_wants_blocked_ = false, told_blocked_ = false;
  bool client_knows_refusals_ = false;  // of its login
  std::map<std::uint16_t, std::unique_ptr<Channel>> channels_;
  std::uint64_t last_instance_ = 0, last_call_ = 0, last_consumer_ = 0;
  std::size_t held_bytes_ = 0;
  std::size_t calls_ = 0;  // not answered, of all channels

  Channel* stalled_ = nullptr;  // its publish waits for room
  Time retry_at_{};

  // Settles of deliveries that came in one go, before they are handed on.
  std::vector<engine::LeaseToken> settling_;
  engine::Outcome settling_outcome_ = engine::Outcome::ack;
  std::vector<std::pair<std::uint16_t, std::uint64_t>> owed_;  // consumers with bytes on the way

  // The last frame of the output, if that is a confirm that another one can be added to.
  struct LastConfirm {
    std::size_t at = 0, end = 0;
    std::uint64_t channel = 0;  // its instance
    std::uint64_t number = 0;
  };
  std::optional<LastConfirm> last_confirm_;

  Bytes headers_;
  std::string scratch_, exchange_, key_;
};

}  // namespace penstock::protocol::amqp
