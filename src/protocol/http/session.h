// A connection's session with the broker: sorts out the one reply that is waited for.
//
// Leases given over HTTP last until their deadline, whatever becomes of the connection. Only what
// is on its way to a session when that ends comes back at once: the broker sees to it. Threads: the
// broker's. Lifetime: the broker outlives the session.
#pragma once

#include <vector>

#include "broker/broker.h"

namespace penstock::protocol::http {

// Who waits for a reply.
class ReplyTaker {
 public:
  virtual ~ReplyTaker() = default;
  virtual void on_reply(const broker::Reply& reply) = 0;
  // The user who asked is gone, or may less than before.
  virtual void on_ended() = 0;
  // What was asked of somebody else than the broker has gone on.
  virtual void on_progress() = 0;
};

class Session final : public broker::ReplySink {
 public:
  using Trust = broker::Broker::Trust;
  Session(broker::Broker& broker, ReplyTaker& taker, Trust trust)
      : broker_(broker), taker_(taker), trust_(trust), id_(broker.open_session(*this, trust)) {}
  ~Session() override { broker_.close_session(id_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] SessionId id() const { return id_; }
  [[nodiscard]] bool is_trusted() const { return trust_ == Trust::trusted; }

  // The tag for the next command. Only its reply reaches the taker: one to an earlier command is of
  // no interest any more.
  [[nodiscard]] broker::Tag next_tag() { return first_ = ++tag_; }
  // For one more command: the replies to those before it stay of interest.
  [[nodiscard]] broker::Tag further_tag() { return ++tag_; }
  // A take under way is answered soon, with nothing if it has nothing.
  void cancel_take() { broker_.cancel_take(id_, tag_); }
  // Gives the leases from number `from` on back, as not tried. Call it when no reply is waited for.
  void give_back(const broker::Delivered& delivered, std::size_t from);

  void on_reply(broker::Tag tag, const broker::Reply& reply) override {
    if (tag >= first_) taker_.on_reply(reply);
  }
  void on_ended(std::string_view) override { taker_.on_ended(); }

 private:
  broker::Broker& broker_;
  ReplyTaker& taker_;
  Trust trust_;
  SessionId id_;
  broker::Tag tag_ = 0;    // of the command last given
  broker::Tag first_ = 0;  // whose reply is of interest
};

}  // namespace penstock::protocol::http
