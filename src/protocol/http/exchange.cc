#include "protocol/http/exchange.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "protocol/http/json_text.h"
#include "wire/http/target.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kJson = "application/json";
// What a quiet connection may keep of a large answer.
constexpr std::size_t kTextBytesKept = 16u << 10;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
      return 400;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::conflict:
    case ErrorCode::locked:
    case ErrorCode::duplicate:
      return 409;
    case ErrorCode::too_large:
      return 413;
    case ErrorCode::denied:
      return 403;
    case ErrorCode::busy:
    case ErrorCode::closed:
    case ErrorCode::full:
      return 503;
    case ErrorCode::timeout:
      return 504;
    case ErrorCode::unsupported:
      return 501;
    case ErrorCode::io:
    case ErrorCode::corrupt:
      break;
  }
  return 500;
}

// As RabbitMQ has it: what cannot be done is the client's fault, whoever may not is asked who he
// is.
int rabbitmq_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::denied:
      return 401;
    case ErrorCode::conflict:
    case ErrorCode::locked:
    case ErrorCode::duplicate:
    case ErrorCode::too_large:
    case ErrorCode::unsupported:
      return 400;
    default:
      return status_of(code);
  }
}

std::string_view rabbitmq_error(int status) {
  switch (status) {
    case 400:
      return "bad_request";
    case 401:
      return "not_authorised";
    case 404:
      return "Object Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "service_unavailable";
    default:
      return status < 500 ? "bad_request" : "Internal Server Error";
  }
}

std::int64_t milliseconds_up(Duration duration) {
  return std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 1);
}

}  // namespace

void Exchange::set_route(const Match& match) {
  management_ = match.management;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto sent = match.parameters[i];
    if (sent.find('%') == std::string_view::npos) {
      parameters_[i] = sent;
    } else {
      // The parser has checked the encoding.
      parameters_[i] = wire::http::percent_decode(sent).value_or("");
    }
  }
}

void Exchange::abandon() {
  work.reset();
  ticket_.reset();
  session_.reset();
  state_ = State::idle;
}

void Exchange::run(Handler handler) {
  state_ = State::handling;
  handler(*this);
  CHECK(state_ != State::handling);  // a handler that neither answered nor asked
}

void Exchange::act_as_server() {
  session_ = std::make_unique<Session>(broker(), taker_, broker::Broker::Trust::trusted);
  identified_ = true;
}

Session& Exchange::session() {
  const bool left_over = session_ && session_->is_trusted() && !identified_;
  if (!session_ || left_over)
    session_ = std::make_unique<Session>(broker(), taker_, broker::Broker::Trust::guest);
  if (std::exchange(identified_, true)) return *session_;
  // Whoever was logged in with the request before is not any more.
  if (user_.empty() || !broker().log_in(session_->id(), user_)) broker().log_out(session_->id());
  return *session_;
}

void Exchange::hash_password(std::string_view password, Handler then) {
  auto* passwords = service_.settings().passwords;
  if (passwords == nullptr)
    return answer_error(501, "unsupported", "this server checks no passwords", "");
  const auto begun = passwords->hash(password, ticket_, [this, then](Result<std::string> hash) {
    ticket_.reset();
    state_ = State::handling;
    if (hash) {
      note = std::move(*hash);
      then(*this);
    } else {
      answer_error(hash.error());
    }
    taker_.on_progress();
  });
  if (begun) {
    state_ = State::waiting;
  } else {
    add_field("Retry-After", "1");
    answer_error(begun.error());
  }
}

void Exchange::on_reply(const broker::Reply& reply) {
  if (const auto* error = std::get_if<Error>(&reply)) return answer_error(*error);
  if (const auto* refused = std::get_if<broker::Refused>(&reply)) return answer_refused(*refused);
  then_(*this, reply);
}

void Exchange::add_field(std::string_view name, std::string value) {
  CHECK(fields_count_ < kAddedFieldsMax);
  fields_[fields_count_++] = {name, std::move(value)};
}

wire::http::ResponseWriter Exchange::begin_answer(int status) {
  ++service_.counters().responses[static_cast<std::size_t>(status / 100)];
  wire::http::ResponseWriter writer(out_, status, options_);
  writer.field("Date", service_.date());
  writer.field("Cache-Control", "no-store");
  for (std::size_t i = 0; i < fields_count_; ++i) writer.field(fields_[i].first, fields_[i].second);
  fields_count_ = 0;
  return writer;
}

void Exchange::end_answer() {
  state_ = State::idle;
  then_ = nullptr;
  hurry_ = nullptr;
  work.reset();
  if (text_.capacity() > kTextBytesKept) std::string().swap(text_);
}

void Exchange::answer_text(int status, std::string_view content_type) {
  begin_answer(status).body(content_type, text_);
  end_answer();
}

void Exchange::answer_json(int status) {
  answer_text(status, kJson);
}

void Exchange::answer_json_when_durable(int status) {
  status_ = status;
  const auto tag = expect<&Exchange::answer_kept>();
  broker().barrier(session().id(), tag);
}

void Exchange::answer_kept(Exchange& exchange, const broker::Done&) {
  exchange.answer_json(exchange.status_);
}

void Exchange::answer_error_when_durable(const Error& error) {
  answer_json_when_durable(write_error(error));
}

void Exchange::answer_nothing(int status) {
  begin_answer(status).no_body();
  end_answer();
}

void Exchange::write_error(int status, std::string_view code, std::string_view message,
                           std::string_view hint, MessageId id) {
  JsonText json(text());
  if (management_) {
    json.begin_object().key("error").string(rabbitmq_error(status));
    json.key("reason").string(message).end_object();
    if (status == 401) add_field("WWW-Authenticate", "Basic realm=\"Penstock management\"");
    return;
  }
  json.begin_object().key("error").begin_object();
  json.key("code").string(code).key("message").string(message).key("hint").string(hint);
  if (id) json.key("id").id(id);
  json.end_object().end_object();
}

int Exchange::write_error(const Error& error) {
  const int status = management_ ? rabbitmq_status_of(error.code) : status_of(error.code);
  if (status == 503) add_field("Retry-After", "1");
  write_error(status, name_of(error.code), error.message, error.hint, error.id);
  return status;
}

void Exchange::answer_error(int status, std::string_view code, std::string_view message,
                            std::string_view hint) {
  write_error(status, code, message, hint);
  answer_json(status);
}

void Exchange::answer_error(const Error& error) {
  answer_json(write_error(error));
}

void Exchange::answer_refused(const broker::Refused& refused) {
  const auto wait_ms = milliseconds_up(refused.retry_after);
  add_field("Retry-After", std::to_string((wait_ms + 999) / 1000));
  add_field("Penstock-Retry-After-Ms", std::to_string(wait_ms));
  if (management_) return answer_error(503, {}, refused.message, {});
  JsonText json(text());
  json.begin_object().key("error").begin_object();
  json.key("code").string(name_of(ErrorCode::busy)).key("message").string(refused.message);
  json.key("hint").string("send it again after retry_after_ms");
  json.key("reason").string(refused.reason).key("queue").string(refused.queue);
  json.key("retry_after_ms").integer(wait_ms);
  json.end_object().end_object();
  answer_json(503);
}

void Exchange::answer_misfit() {
  answer_error(500, "internal", "the broker gave an answer of another kind",
               "this is a defect of the server; please report it");
}

void Exchange::begin_stream(std::string_view content_type) {
  // To HTTP/1.0 the end of the connection is the end of the stream.
  if (options_.http_1_0) options_.keep_alive = false;
  begin_answer(200).stream(content_type);
  state_ = State::streaming;
}

}  // namespace penstock::protocol::http
