#include "wire/http/request_parser.h"

#include <algorithm>

#include "base/check.h"
#include "wire/http/target.h"

namespace penstock::wire::http {
namespace {

// What a quiet connection may keep of a large body.
constexpr std::size_t kBodyBytesKept = 16u << 10;

}  // namespace

RequestParser::Fed RequestParser::feed(ByteView input) {
  auto in = as_text(input);
  const auto state = advance(in);
  return {state, input.size() - in.size()};
}

RequestParser::State RequestParser::advance(std::string_view& in) {
  switch (phase_) {
    case Phase::head:
      return read_head(in);
    case Phase::body:
      return read_body(in);
    case Phase::complete:
      return State::complete;
    case Phase::failed:
      return State::failed;
  }
  return State::failed;
}

RequestParser::State RequestParser::read_head(std::string_view& in) {
  switch (head_reader_.feed(in, limits_)) {
    case HeadReader::Status::need_more:
      return State::need_more;
    case HeadReader::Status::failed:
      return fail_with(std::move(head_reader_.failure()));
    case HeadReader::Status::done:
      break;
  }
  if (auto failure = parse_request_head(head_reader_.text(), limits_, head_)) {
    return fail_with(std::move(*failure));
  }
  const auto& framing = head_.framing;
  if (framing.chunked) {
    body_reader_.begin_chunked();
  } else if (framing.content_length.value_or(0) > 0) {
    body_reader_.begin_length(*framing.content_length);
  } else {
    phase_ = Phase::complete;
    return State::complete;
  }
  phase_ = Phase::body;
  return State::head_done;
}

RequestParser::State RequestParser::read_body(std::string_view& in) {
  if (body_.empty() && head_.framing.content_length) {
    // What has arrived, not what is declared.
    body_.reserve(std::min<std::size_t>(in.size(), *head_.framing.content_length));
  }
  switch (body_reader_.feed(in, body_, max_body_bytes_)) {
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

RequestParser::State RequestParser::fail_with(Failure failure) {
  failure_ = std::move(failure);
  phase_ = Phase::failed;
  return State::failed;
}

void RequestParser::next() {
  CHECK(phase_ == Phase::complete);
  phase_ = Phase::head;
  head_reader_.clear();
  if (body_.capacity() > kBodyBytesKept) std::string().swap(body_);
  body_.clear();
  max_body_bytes_ = limits_.max_body_bytes;
}

std::string RequestParser::path() const {
  return percent_decode(head_.target.path).value_or(std::string(head_.target.path));
}

std::vector<std::string> RequestParser::segments() const {
  return path_segments(head_.target.path).value_or(std::vector<std::string>{});
}

std::optional<std::string> RequestParser::query(std::string_view name) const {
  return query_value(head_.target.query, name);
}

std::string_view RequestParser::host() const {
  return head_.host;
}

}  // namespace penstock::wire::http
