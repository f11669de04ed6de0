// One HTTP connection: requests in, answers out, in order, one request at a time.
//
// What it is: a protocol::Conversation over wire/http's parser. It finds the route, keeps the
// deadlines
//   and watches for the peer's end; what a request means is the handlers' business.
// Threads:  the broker's.
// Lifetime: service and host outlive it.
// Pressure: while a request is being answered, or more than kOutputHigh bytes wait for the peer,
// nothing
//   is consumed. During a long poll the next bytes are asked for all the same (up to kReadAhead,
//   and consumed later): otherwise the peer's end could not be seen.
// Peer gone: in a long poll or an event stream the dialogue is over at once; a take under way is
//   cancelled and what it still got comes back. A short command is answered first: peers that only
//   shut down their sending side get their answer.
#pragma once

#include "protocol/conversation.h"
#include "protocol/http/deadlines.h"
#include "protocol/http/event_stream.h"
#include "protocol/http/exchange.h"

namespace penstock::protocol::http {

class Dialogue final : public Conversation, private ReplyTaker, private EventHub::Subscriber {
 public:
  static constexpr std::size_t kOutputHigh = 1u << 20;
  static constexpr std::size_t kReadAhead = 64u << 10;

  Dialogue(Service& service, Host& host);
  ~Dialogue() override;

  [[nodiscard]] std::size_t receive(ByteView input) override;
  [[nodiscard]] ByteView output() const override;
  [[nodiscard]] std::size_t output_memory() const override { return exchange_.out_.capacity(); }
  void trim_output() override;
  void sent(std::size_t count) override;
  [[nodiscard]] bool wants_input() const override;
  [[nodiscard]] std::size_t held_bytes() const override { return parser_.held_bytes(); }
  [[nodiscard]] bool finished() const override { return closing_; }
  void on_end_of_input() override;
  void on_time(Time now) override;
  void drain() override;

 private:
  using State = Exchange::State;
  using Parser = wire::http::RequestParser;

  void on_reply(const broker::Reply& reply) override;
  void on_ended() override;
  void on_progress() override;
  void on_event(std::string_view queue, std::string_view frame) override;

  // A request's head, or all of it, has come.
  void on_head();
  void on_request();
  void serve_request();
  void ask_for_body();
  void on_malformed();
  // login.cc: who asks, as soon as the head is there. False: it was answered, or a password is
  // being checked, and on_proof() goes on.
  [[nodiscard]] bool let_in();
  void on_proof(Proof proof);
  void refuse_login(std::string_view message);
  // Whether the route is one for everybody who is let in, or the user has the tag for it.
  [[nodiscard]] bool may_see();
  static void refuse_sight(Exchange& exchange);
  [[nodiscard]] bool takes_requests() const;
  // True when the request was answered: it is a web page's, from elsewhere.
  [[nodiscard]] bool refuse_foreign();
  // Of a path or method that is not served; OPTIONS too.
  [[nodiscard]] bool refuse_query();
  void answer_unserved();
  void after_answer();
  [[nodiscard]] std::size_t waiting_output() const;
  void begin_events();
  void end_events();
  void watch_clock();
  void arm();
  void on_overdue();

  Service& service_;
  Host& host_;
  Parser parser_;
  Exchange exchange_;
  Deadlines deadlines_;
  Match match_;
  std::optional<EventStream> events_;  // the connection is one, to its end
  Time heartbeat_due_ = Time::max();
  Time armed_ = Time::max();  // when on_time() comes at the latest
  std::size_t out_begin_ = 0;
  std::size_t unconsumed_ = 0;                // of the last input given
  bool head_seen_ = false;                    // of the request being read
  bool whole_ = false;                        // all of it has come
  std::unique_ptr<Passwords::Ticket> login_;  // while its password is checked
  bool input_ended_ = false;
  bool draining_ = false;
  bool closing_ = false;
};

}  // namespace penstock::protocol::http
