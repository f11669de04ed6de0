#include "wire/http/body_reader.h"

#include <algorithm>

#include "base/text.h"
#include "wire/http/syntax.h"

namespace penstock::wire::http {
namespace {

constexpr std::uint32_t kSizeDigitsMax = 16;
constexpr std::uint32_t kChunkLineBytesMax = 256;
constexpr std::uint32_t kTrailerBytesMax = 8u << 10;

std::uint64_t room_left(const std::string& body, std::uint64_t max_bytes) {
  return body.size() > max_bytes ? 0 : max_bytes - body.size();
}

}  // namespace

void BodyReader::begin_length(std::uint64_t bytes) {
  mode_ = Mode::length;
  left_ = bytes;
}

void BodyReader::begin_chunked() {
  mode_ = Mode::chunked;
  step_ = Step::size_first;
  left_ = 0;
  line_bytes_ = trailer_bytes_ = 0;
  trailer_.clear();
}

void BodyReader::begin_until_close() {
  mode_ = Mode::until_close;
}

BodyReader::Status BodyReader::feed(std::string_view& in, std::string& body,
                                    std::uint64_t max_bytes) {
  switch (mode_) {
    case Mode::length:
      if (left_ + body.size() > max_bytes) return too_large(max_bytes);
      return by_length(in, body);
    case Mode::chunked:
      return chunks(in, body, max_bytes);
    case Mode::until_close:
      if (in.size() > room_left(body, max_bytes)) return too_large(max_bytes);
      body.append(in);
      in = {};
      return Status::need_more;
  }
  return Status::failed;
}

BodyReader::Status BodyReader::finish() {
  if (mode_ == Mode::until_close) return Status::done;
  return refuse(400, "incomplete_body", "the connection ended within the body");
}

BodyReader::Status BodyReader::by_length(std::string_view& in, std::string& body) {
  const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size()));
  body.append(in.substr(0, take));
  in.remove_prefix(take);
  left_ -= take;
  return left_ == 0 ? Status::done : Status::need_more;
}

BodyReader::Status BodyReader::chunks(std::string_view& in, std::string& body,
                                      std::uint64_t max_bytes) {
  while (!in.empty()) {
    if (step_ == Step::data) {
      if (by_length(in, body) == Status::done) step_ = Step::data_cr;
      continue;
    }
    const char c = in.front();
    in.remove_prefix(1);
    const auto status = chunk_byte(c, room_left(body, max_bytes));
    if (status != Status::need_more) return status;
  }
  return Status::need_more;
}

BodyReader::Status BodyReader::chunk_byte(char c, std::uint64_t room) {
  switch (step_) {
    case Step::size_first:
      if (hex_value(c) < 0) return bad_chunk("a chunk size does not begin with a digit");
      left_ = static_cast<std::uint64_t>(hex_value(c));
      digits_ = line_bytes_ = 1;
      step_ = Step::size;
      return Status::need_more;
    case Step::size:
    case Step::extension:
      return size_byte(c);
    case Step::size_lf:
      if (c != '\n') return bad_chunk("a chunk size line does not end in CRLF");
      return after_size_line(room);
    case Step::data_cr:
      if (c != '\r') return bad_chunk("a chunk is longer than its size says");
      step_ = Step::data_lf;
      return Status::need_more;
    case Step::data_lf:
      if (c != '\n') return bad_chunk("a chunk does not end in CRLF");
      step_ = Step::size_first;
      return Status::need_more;
    case Step::trailer:
    case Step::trailer_lf:
      return trailer_byte(c);
    case Step::data:
      break;  // not one byte at a time
  }
  return Status::need_more;
}

BodyReader::Status BodyReader::size_byte(char c) {
  if (++line_bytes_ > kChunkLineBytesMax) return bad_chunk("a chunk size line is too long");
  if (c == '\r') {
    step_ = Step::size_lf;
  } else if (step_ == Step::extension) {
    if (!is_field_character(c)) return bad_chunk("a chunk extension has a control character");
  } else if (c == ';') {
    step_ = Step::extension;
  } else if (hex_value(c) < 0) {
    return bad_chunk("a chunk size has a character that is no hexadecimal digit");
  } else if (++digits_ > kSizeDigitsMax) {
    return bad_chunk("a chunk size has more than 16 digits");
  } else {
    left_ = left_ << 4 | static_cast<std::uint64_t>(hex_value(c));
  }
  return Status::need_more;
}

BodyReader::Status BodyReader::after_size_line(std::uint64_t room) {
  if (left_ > room) {
    return refuse(413, "body_too_large", "the body is larger than the limit for this request");
  }
  step_ = left_ == 0 ? Step::trailer : Step::data;
  return Status::need_more;
}

BodyReader::Status BodyReader::trailer_byte(char c) {
  if (++trailer_bytes_ > kTrailerBytesMax) return bad_chunk("the trailer is too large");
  if (step_ == Step::trailer_lf) {
    if (c != '\n') return bad_chunk("a trailer line does not end in CRLF");
    if (trailer_.empty()) return Status::done;
    step_ = Step::trailer;
    return check_trailer();
  }
  if (c == '\r') {
    step_ = Step::trailer_lf;
  } else if (!is_field_character(c)) {
    return bad_chunk("a trailer has a control character");
  } else {
    trailer_.push_back(c);
  }
  return Status::need_more;
}

BodyReader::Status BodyReader::check_trailer() {
  const auto colon = trailer_.find(':');
  if (colon == std::string::npos || !is_token(std::string_view(trailer_).substr(0, colon))) {
    return bad_chunk("a trailer line is no field");
  }
  trailer_.clear();
  return Status::need_more;
}

BodyReader::Status BodyReader::too_large(std::uint64_t max_bytes) {
  return refuse(413, "body_too_large",
                "the body is larger than " + std::to_string(max_bytes) + " bytes");
}

BodyReader::Status BodyReader::refuse(int status, std::string_view code, std::string message) {
  failure_ = {status, code, std::move(message)};
  return Status::failed;
}

}  // namespace penstock::wire::http
