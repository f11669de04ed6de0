#include "wire/http/response_parser.h"

#include "base/check.h"

namespace penstock::wire::http {
namespace {

// More than a server has reason to send before its answer.
constexpr std::uint32_t kInterimResponsesMax = 8;
// What a quiet connection may keep of a large body.
constexpr std::size_t kBodyBytesKept = 16u << 10;

}  // namespace

ResponseParser::Fed ResponseParser::feed(ByteView input) {
  auto in = as_text(input);
  State state = State::need_more;
  do {
    switch (phase_) {
      case Phase::head:
        state = read_head(in);
        break;
      case Phase::body:
        state = read_body(in);
        break;
      case Phase::complete:
        state = State::complete;
        break;
      case Phase::failed:
        state = State::failed;
        break;
    }
  } while (state == State::need_more && !in.empty());
  return {state, input.size() - in.size()};
}

ResponseParser::State ResponseParser::read_head(std::string_view& in) {
  switch (head_reader_.feed(in, limits_)) {
    case HeadReader::Status::need_more:
      return State::need_more;
    case HeadReader::Status::failed:
      return fail_with(std::move(head_reader_.failure()));
    case HeadReader::Status::done:
      break;
  }
  if (auto failure = parse_response_head(head_reader_.text(), head_)) {
    return fail_with(std::move(*failure));
  }
  if (head_.status / 100 == 1) {
    if (head_.status == 101 || ++interim_ > kInterimResponsesMax) {
      return fail_with({400, "bad_response", "an interim response that was not asked for"});
    }
    head_reader_.clear();
    return State::need_more;
  }
  const auto length = head_.framing.content_length;
  if (to_head_ || head_.status == 204 || head_.status == 304 || (length && *length == 0)) {
    phase_ = Phase::complete;
    return State::complete;
  }
  phase_ = Phase::body;
  if (head_.framing.chunked) {
    body_reader_.begin_chunked();
  } else if (length) {
    body_reader_.begin_length(*length);
  } else {
    body_reader_.begin_until_close();
    until_close_ = true;
  }
  return State::need_more;
}

ResponseParser::State ResponseParser::read_body(std::string_view& in) {
  switch (body_reader_.feed(in, body_, limits_.max_body_bytes)) {
    case BodyReader::Status::need_more:
      return State::need_more;
    case BodyReader::Status::failed:
      return fail_with(std::move(body_reader_.failure()));
    case BodyReader::Status::done:
      break;
  }
  phase_ = Phase::complete;
  return State::complete;
}

ResponseParser::State ResponseParser::finish() {
  if (phase_ == Phase::complete) return State::complete;
  if (phase_ == Phase::failed) return State::failed;
  if (phase_ == Phase::head) {
    return fail_with({400, "incomplete_response", "the connection ended before the response"});
  }
  if (body_reader_.finish() == BodyReader::Status::failed) {
    return fail_with(std::move(body_reader_.failure()));
  }
  phase_ = Phase::complete;
  return State::complete;
}

ResponseParser::State ResponseParser::fail_with(Failure failure) {
  failure_ = std::move(failure);
  phase_ = Phase::failed;
  return State::failed;
}

void ResponseParser::next() {
  CHECK(phase_ == Phase::complete);
  phase_ = Phase::head;
  to_head_ = until_close_ = false;
  interim_ = 0;
  head_reader_.clear();
  if (body_.capacity() > kBodyBytesKept) std::string().swap(body_);
  body_.clear();
}

}  // namespace penstock::wire::http
