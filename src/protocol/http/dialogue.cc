#include "protocol/http/dialogue.h"

#include "base/text.h"
#include "wire/http/origin.h"

namespace penstock::protocol::http {
namespace {

// What a quiet connection may keep of its buffers.
constexpr std::size_t kBytesKept = 64u << 10;
// What a request may keep of its body while it waits to be answered, which can take minutes.
constexpr std::size_t kBodyBytesKept = 4u << 10;

}  // namespace

Dialogue::Dialogue(Service& service, Host& host)
    : service_(service),
      host_(host),
      parser_({.max_body_bytes = service.settings().max_body_bytes}),
      exchange_(service, host, parser_, *this),
      deadlines_(service.settings(), service.broker().now()) {
  ++service_.counters().connections;
  arm();
}

Dialogue::~Dialogue() {
  if (events_) service_.hub().unsubscribe(*this);
  --service_.counters().connections;
}

// ---- input

std::size_t Dialogue::receive(ByteView input) {
  // Nothing that is said into an event stream has a meaning.
  if (closing_ || events_) return input.size();
  std::size_t at = 0;
  while (takes_requests()) {
    const auto fed = parser_.feed(input.subspan(at));
    at += fed.consumed;
    if (head_seen_) deadlines_.on_body(fed.consumed);
    if (fed.state == Parser::State::need_more) break;
    if (fed.state == Parser::State::failed) {
      on_malformed();
    } else if (fed.state == Parser::State::head_done) {
      on_head();
    } else {
      on_request();
    }
  }
  unconsumed_ = input.size() - at;
  watch_clock();
  return at;
}

bool Dialogue::takes_requests() const {
  return !closing_ && !events_ && exchange_.state_ == State::idle && login_ == nullptr &&
         waiting_output() < kOutputHigh;
}

bool Dialogue::wants_input() const {
  if (events_) return true;
  return takes_requests() || (!closing_ && exchange_.hurry_ != nullptr && unconsumed_ < kReadAhead);
}

void Dialogue::on_head() {
  head_seen_ = true;
  const bool to_head = parser_.method() == wire::http::Method::head;
  exchange_.begin({.keep_alive = parser_.keep_alive() && !draining_,
                   .to_head = to_head,
                   .http_1_0 = parser_.http_1_0()});
  match_ = match_route(parser_.method(), parser_.raw_path());
  exchange_.set_route(match_);
  if (refuse_foreign()) return;
  const bool large = match_.route != nullptr && match_.route->body == BodyLimit::message;
  if (!large) parser_.set_max_body_bytes(kControlBodyMax);
  if (let_in()) ask_for_body();
}

void Dialogue::ask_for_body() {
  if (!parser_.expects_continue()) return;
  if (match_.route == nullptr) {
    exchange_.options_.keep_alive = false;  // the body, which may come or not, is not waited for
    answer_unserved();
    return after_answer();
  }
  wire::http::write_continue(exchange_.out_);
}

void Dialogue::on_request() {
  whole_ = true;
  if (!head_seen_) on_head();
  if (!closing_ && login_ == nullptr) serve_request();
}

void Dialogue::serve_request() {
  if (match_.route == nullptr) {
    answer_unserved();
    return after_answer();
  }
  ++service_.counters().requests[match_.number];
  if (refuse_query()) return after_answer();
  exchange_.run(may_see() ? match_.route->handle : refuse_sight);
  if (exchange_.state_ == State::streaming) return begin_events();
  if (exchange_.state_ == State::idle) return after_answer();
  // The broker has copied what it keeps.
  if (parser_.body().size() > kBodyBytesKept) (void)parser_.take_body();
}

void Dialogue::on_malformed() {
  ++service_.counters().malformed;
  const auto& failure = parser_.failure();
  exchange_.begin({.keep_alive = false});
  exchange_.answer_error(
      failure.status, failure.code, failure.message,
      "the connection is closed, because where the next request begins is unknown");
  after_answer();
}

bool Dialogue::refuse_foreign() {
  const auto host = parser_.host();
  const auto refuse = [&](std::string_view code, std::string message, std::string_view hint) {
    ++service_.counters().foreign;
    exchange_.options_.keep_alive = false;
    exchange_.answer_error(403, code, message, hint);
    after_answer();
    return true;
  };
  // HTTP/1.0 has no Host, and no browser speaks it.
  if (!host.empty() && !wire::http::allowed_host(host, service_.settings().allowed_hosts)) {
    return refuse("foreign_host", "this server does not answer to the name " + quoted(host),
                  "use localhost, or start the server with --allowed-hosts NAME");
  }
  const auto& fields = parser_.fields();
  if (wire::http::cross_site(fields.value("Origin"), fields.value("Sec-Fetch-Site"), host)) {
    return refuse("cross_site", "a web page of another site may not use this server",
                  "send requests from a program, or from a page that this server gave out");
  }
  return false;
}

// What would be left out of account is refused: `?quue=mail` is not meant for the default queue.
bool Dialogue::refuse_query() {
  if (match_.management) return false;
  const auto unknown = unknown_in_query(*match_.route, parser_.raw_query());
  if (!unknown) return false;
  std::string hint = "no parameter is taken here";
  if (const auto names = match_.route->query; !names.empty()) {
    hint = "these are taken here: ";
    for (const char c : names) c == ' ' ? hint.append(", ") : hint.append(1, c);
  }
  exchange_.answer_error(400, "invalid", "there is no parameter " + quoted(*unknown, 64), hint);
  return true;
}

void Dialogue::answer_unserved() {
  if (match_.methods == 0 && parser_.raw_path() != "*") {
    return exchange_.answer_error(
        404, "not_found", "there is no " + quoted(parser_.raw_path(), 128),
        "the routes are listed in docs/protocols/http.md; GET / says more");
  }
  const auto allowed = match_.methods == 0 ? "DELETE, GET, HEAD, OPTIONS, POST, PUT"
                                           : allowed_methods(match_.methods);
  exchange_.add_field("Allow", allowed);
  if (parser_.method() == wire::http::Method::options) return exchange_.answer_nothing(204);
  const auto method = wire::http::name_of(parser_.method());
  exchange_.answer_error(405, "method_not_allowed", std::string(method) + " is not served here",
                         "use one of " + allowed);
}

// ---- answers

void Dialogue::on_reply(const broker::Reply& reply) {
  // One of several that were asked for may have ended the request before.
  if (exchange_.state_ != State::waiting) return;
  exchange_.on_reply(reply);
  if (exchange_.state_ == State::idle) after_answer();
  watch_clock();
  host_.wake();
}

void Dialogue::on_progress() {
  if (exchange_.state_ == State::idle) after_answer();
  watch_clock();
  host_.wake();
}

// A watcher may see nothing more; any other request is answered as what it is.
void Dialogue::on_ended() {
  if (!events_) return;
  end_events();
  host_.wake();
}

void Dialogue::after_answer() {
  head_seen_ = whole_ = false;
  if (!exchange_.options_.keep_alive || input_ended_ || draining_) {
    closing_ = true;
    return;
  }
  parser_.next();
  deadlines_.restart(Deadlines::Phase::idle, service_.broker().now());
}

std::size_t Dialogue::waiting_output() const {
  return exchange_.out_.size() - out_begin_;
}

ByteView Dialogue::output() const {
  return as_bytes(exchange_.out_).subspan(out_begin_);
}

void Dialogue::sent(std::size_t count) {
  auto& out = exchange_.out_;
  out_begin_ += count;
  if (out_begin_ == out.size()) {
    out.clear();
    if (out.capacity() > kBytesKept) std::string().swap(out);
    out_begin_ = 0;
  } else if (out_begin_ > kOutputHigh && out_begin_ > out.size() / 2) {
    out.erase(0, out_begin_);
    out_begin_ = 0;
  }
  if (events_) events_->on_read(waiting_output());
}

void Dialogue::trim_output() {
  auto& out = exchange_.out_;
  out.erase(0, out_begin_);
  out.shrink_to_fit();
  out_begin_ = 0;
}

// ---- events

void Dialogue::begin_events() {
  events_.emplace(exchange_.out_, exchange_.options_.http_1_0,
                  service_.settings().event_buffer_bytes);
  heartbeat_due_ = service_.broker().now() + service_.settings().event_heartbeat;
  service_.hub().subscribe(*this);
}

void Dialogue::on_event(std::string_view queue, std::string_view frame) {
  if (!exchange_.note.empty() && exchange_.note != queue) return;
  if (!events_->offer(frame, waiting_output())) ++service_.counters().events_lost;
  host_.wake();
}

void Dialogue::end_events() {
  service_.hub().unsubscribe(*this);
  events_->end();
  events_.reset();
  exchange_.abandon();
  closing_ = true;
}

// ---- time and the end

void Dialogue::watch_clock() {
  using enum Deadlines::Phase;
  const auto phase = exchange_.state_ != State::idle || login_ != nullptr ? busy
                     : head_seen_                                         ? body
                     : parser_.in_message()                               ? head
                                                                          : idle;
  if (phase != deadlines_.phase()) deadlines_.enter(phase, service_.broker().now());
  arm();
}

void Dialogue::arm() {
  if (closing_) return;
  const auto due = events_ ? heartbeat_due_ : deadlines_.due();
  // A wish that is too early does no harm: on_time() finds nothing due and asks again. So a busy
  // connection asks seldom.
  if (due >= armed_) return;
  armed_ = due;
  host_.wake_at(due);
}

void Dialogue::on_time(Time now) {
  armed_ = Time::max();
  if (events_ && now >= heartbeat_due_) {
    if (waiting_output() == 0) events_->heartbeat();
    heartbeat_due_ = now + service_.settings().event_heartbeat;
    host_.wake();
  } else if (!events_ && !closing_ && now >= deadlines_.due()) {
    on_overdue();
  }
  arm();
}

void Dialogue::on_overdue() {
  if (parser_.in_message()) {
    ++service_.counters().timeouts;
    exchange_.begin({.keep_alive = false});
    exchange_.answer_error(408, "timeout", "the request took too long to arrive",
                           "send the head within 10 seconds, and the body steadily");
  }
  closing_ = true;
  host_.wake();
}

void Dialogue::on_end_of_input() {
  input_ended_ = true;
  if (closing_) return;
  if (events_) {
    end_events();
  } else if (exchange_.state_ == State::idle) {
    closing_ = login_ == nullptr || !whole_;
  } else if (exchange_.hurry_ != nullptr) {
    exchange_.abandon();
    closing_ = true;
  }
  host_.wake();
}

void Dialogue::drain() {
  draining_ = true;
  if (closing_) return;
  exchange_.options_.keep_alive = false;
  if (events_) {
    end_events();
  } else if (exchange_.state_ == State::waiting) {
    if (exchange_.hurry_ != nullptr) exchange_.hurry_(exchange_);
  } else if (!parser_.in_message() && login_ == nullptr) {
    closing_ = true;
  }
  host_.wake();
}

}  // namespace penstock::protocol::http
