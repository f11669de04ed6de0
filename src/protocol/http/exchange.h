// One request and its answer, as the handlers see them; one object a connection, used again.
//
// A handler answers at once, or asks the broker with a tag of expect() and answers when the reply
// is there. Refusals and errors among the replies are answered here, the same way for all routes.
// Threads:  the broker's.
// Lifetime: views of the request live until it has been answered.
// Memory:   buffers keep what an ordinary request needs, so that the next one allocates nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/headers.h"
#include "protocol/http/service.h"
#include "wire/http/request_parser.h"
#include "wire/http/response_writer.h"

namespace penstock::protocol::http {

class Exchange {
 public:
  using Handler = void (*)(Exchange&);

  Exchange(Service& service, const Host& host, wire::http::RequestParser& request,
           ReplyTaker& taker)
      : service_(service), host_(host), request_(request), taker_(taker) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // ---- the request
  [[nodiscard]] const wire::http::Fields& fields() const { return request_.fields(); }
  [[nodiscard]] std::string_view body() const { return request_.body(); }
  // What stands for the first braces of the route's pattern, or for others, decoded.
  [[nodiscard]] std::string_view parameter(std::size_t at = 0) const { return parameters_[at]; }
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const {
    return request_.query(name);
  }
  [[nodiscard]] Service& service() { return service_; }
  [[nodiscard]] const Host& host() const { return host_; }
  [[nodiscard]] Time now() { return service_.broker().now(); }

  // ---- asking
  [[nodiscard]] broker::Broker& broker() { return service_.broker(); }
  // Logged in as whoever the request is from.
  [[nodiscard]] Session& session();
  [[nodiscard]] const std::string& user() const { return user_; }  // empty: nobody
  // What this request asks from here on, nobody's rights limit: its handler has seen to them.
  void act_as_server();
  [[nodiscard]] bool may_as(engine::Role role) {
    return broker().may_as(session().id(), role).has_value();
  }
  // Whether what is in this virtual host may be told.
  [[nodiscard]] bool sees(std::string_view host) { return broker().sees(session().id(), host); }
  // The tag for a command whose reply `then` takes: a function of (Exchange&, const R&), R being
  // the reply that the command is documented to give.
  template <auto Then>
  [[nodiscard]] broker::Tag expect() {
    then_ = &typed<Then>;
    state_ = State::waiting;
    return session().next_tag();
  }
  // The same for one of several commands: `then` takes whatever replies come to them, in their
  // order.
  [[nodiscard]] broker::Tag expect_each(void (*then)(Exchange&, const broker::Reply&)) {
    then_ = then;
    if (state_ != State::waiting) return state_ = State::waiting, session().next_tag();
    return session().further_tag();
  }
  // Goes on with `then` when the password is hashed; the hash is in `note`.
  void hash_password(std::string_view password, Handler then);
  // The peer asked to wait: its end of the connection is watched meanwhile, and `hurry` makes the
  // answer come soon when the server stops.
  void wait_long(Handler hurry) { hurry_ = hurry; }

  // ---- answering: exactly one of these for each request
  // Begins the text of an answer.
  [[nodiscard]] std::string& text() {
    text_.clear();
    return text_;
  }
  // A field of the answer to come; `name` is a literal.
  void add_field(std::string_view name, std::string value);
  void answer_text(int status, std::string_view content_type);  // what was written to text()
  void answer_json(int status);                                 // the same, which is JSON
  // The same, when all that was decided so far is durable: of what was looked at, not asked for.
  void answer_json_when_durable(int status);
  void answer_error_when_durable(const Error& error);
  void answer_nothing(int status);
  void answer_error(const Error& error);
  void answer_error(int status, std::string_view code, std::string_view message,
                    std::string_view hint);
  void answer_refused(const broker::Refused& refused);
  // Begins an answer without an end; more is sent by stream().
  void begin_stream(std::string_view content_type);

  // ---- kept from the asking to the answering
  std::string note;
  std::uint64_t number = 0;
  HeaderWriter headers;  // of a message being made
  // What takes several steps to answer.
  struct Work {
    virtual ~Work() = default;
  };
  std::unique_ptr<Work> work;

 private:
  friend class Dialogue;  // which drives it
  enum class State : std::uint8_t {
    idle,      // nothing asked, nothing owed
    handling,  // a handler is at work
    waiting,   // for the broker's reply
    streaming,
  };

  template <class R>
  struct ReplyOf;
  template <class R>
  struct ReplyOf<void (*)(Exchange&, const R&)> {
    using type = R;
  };
  template <auto Then>
  static void typed(Exchange& exchange, const broker::Reply& reply) {
    if (const auto* wanted = std::get_if<typename ReplyOf<decltype(Then)>::type>(&reply)) {
      Then(exchange, *wanted);
    } else {
      exchange.answer_misfit();
    }
  }

  static constexpr std::size_t kAddedFieldsMax = 4;

  // A new request: how its answer is to be written.
  void begin(const wire::http::ResponseOptions& options) {
    options_ = options;
    user_.clear();
    identified_ = false;
  }
  void set_route(const Match& match);
  // The peer has gone: nothing will be answered.
  void abandon();
  void run(Handler handler);
  void on_reply(const broker::Reply& reply);
  void answer_misfit();
  static void answer_kept(Exchange& exchange, const broker::Done&);
  // Writes the error to text(); the status to send it with.
  [[nodiscard]] int write_error(const Error& error);
  void write_error(int status, std::string_view code, std::string_view message,
                   std::string_view hint, MessageId id = {});
  // Status line and the fields that all answers have.
  [[nodiscard]] wire::http::ResponseWriter begin_answer(int status);
  void end_answer();

  Service& service_;
  const Host& host_;
  wire::http::RequestParser& request_;
  ReplyTaker& taker_;
  std::unique_ptr<Session> session_;  // opened with the first command
  std::string user_;
  bool identified_ = false;                    // the session is logged in as `user_`
  std::unique_ptr<Passwords::Ticket> ticket_;  // while a password is hashed
  State state_ = State::idle;
  void (*then_)(Exchange&, const broker::Reply&) = nullptr;
  Handler hurry_ = nullptr;
  wire::http::ResponseOptions options_;
  std::array<std::string, Match::kParametersMax> parameters_;
  bool management_ = false;  // errors are told as RabbitMQ's clients read them
  int status_ = 0;           // of an answer that waits to be durable
  std::string text_;
  std::array<std::pair<std::string_view, std::string>, kAddedFieldsMax> fields_;
  std::size_t fields_count_ = 0;
  std::string out_;
};

}  // namespace penstock::protocol::http
