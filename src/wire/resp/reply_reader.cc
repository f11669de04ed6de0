#include "wire/resp/reply_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/text.h"

namespace penstock::wire::resp {
namespace {

// Simple strings, errors and numbers; longer ones nobody sends.
constexpr std::size_t kLineBytesMax = 64u << 10;

bool is_whole_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, ascii_is_digit);
}

bool parse_number(std::string_view text, double& value) {
  if (ascii_iequals(text, "nan") || ascii_iequals(text, "-nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

constexpr ReplyType items_type(char marker) {
  switch (marker) {
    case '~':
      return ReplyType::set;
    case '%':
      return ReplyType::map;
    case '>':
      return ReplyType::push;
    default:
      return ReplyType::array;
  }
}

}  // namespace

ReplyReader::Outcome ReplyReader::parse(ByteView input) {
  const auto in = as_text(input);
  at_ = 0;
  Progress progress = error_.empty() ? Progress::more : Progress::stuck;
  while (progress == Progress::more) progress = advance(in);
  if (!error_.empty()) return {Status::error, 0};
  scanned_ -= std::min(scanned_, at_);
  return {progress == Progress::done ? Status::reply : Status::need_more, at_};
}

ReplyReader::Progress ReplyReader::advance(std::string_view in) {
  if (in_text_) return text_body(in);
  const auto end = in.find('\n', std::max(at_, scanned_));
  const auto length = (end == std::string_view::npos ? in.size() : end) - at_;
  if (length > kLineBytesMax) return protocol_error("a line is too long");
  if (end == std::string_view::npos) {
    scanned_ = in.size();
    return Progress::stuck;
  }
  const auto line = in.substr(at_, length);
  at_ = scanned_ = end + 1;
  if (line.size() < 2 || line.back() != '\r') return protocol_error("a line does not end in CRLF");
  return value_line(line[0], line.substr(1, line.size() - 2));
}

ReplyReader::Progress ReplyReader::value_line(char marker, std::string_view line) {
  const bool nested_too_deep = open_.size() >= limits_.max_depth;
  if (++values_ > limits_.max_values) return protocol_error("the reply has too many values");
  switch (marker) {
    case '$':
    case '=':
    case '!':
      return begin_text(marker, line);
    case '*':
    case '~':
    case '%':
    case '>':
    case '|':
      if (nested_too_deep) return protocol_error("the reply is nested too deep");
      return begin_items(marker, line);
    default:
      return scalar(marker, line);
  }
}

ReplyReader::Progress ReplyReader::scalar(char marker, std::string_view line) {
  Reply reply;
  bool good = true;
  switch (marker) {
    case '+':
    case '-':
      reply.type = marker == '+' ? ReplyType::simple : ReplyType::error;
      reply.text = line;
      break;
    case ':': {
      reply.type = ReplyType::integer;
      const auto value = parse_i64(line.starts_with('+') ? line.substr(1) : line);
      good = value.has_value();
      if (good) reply.integer = *value;
      break;
    }
    case '_':
      good = line.empty();
      break;
    case '#':
      reply.type = ReplyType::boolean;
      reply.integer = line == "t";
      good = line == "t" || line == "f";
      break;
    case ',':
      reply.type = ReplyType::number;
      good = parse_number(line, reply.number);
      break;
    case '(':
      reply.type = ReplyType::big;
      reply.text = line;
      good = is_whole_number(line);
      break;
    default:
      return protocol_error("unknown type " + quoted({&marker, 1}));
  }
  if (!good) return protocol_error("bad value " + quoted(line));
  return finished(std::move(reply));
}

ReplyReader::Progress ReplyReader::begin_text(char marker, std::string_view line) {
  if (marker == '$' && line == "-1") return finished({});
  const auto size = parse_u64(line);
  if (!size) return protocol_error("bad length " + quoted(line));
  if (*size > limits_.max_text_bytes) return protocol_error("a string is too long");
  text_bytes_ = *size;
  text_marker_ = marker;
  in_text_ = true;
  return Progress::more;
}

ReplyReader::Progress ReplyReader::text_body(std::string_view in) {
  if (in.size() - at_ < text_bytes_ + 2) return Progress::stuck;
  auto text = in.substr(at_, static_cast<std::size_t>(text_bytes_));
  at_ += text.size();
  if (in.substr(at_, 2) != "\r\n") return protocol_error("expected CRLF after a string");
  at_ += 2;
  in_text_ = false;
  Reply reply;
  reply.type = text_marker_ == '!' ? ReplyType::error : ReplyType::bulk;
  if (text_marker_ == '=') {
    if (text.size() < 4 || text[3] != ':') return protocol_error("bad verbatim string");
    reply.type = ReplyType::verbatim;
    text.remove_prefix(4);
  }
  reply.text = text;
  return finished(std::move(reply));
}

ReplyReader::Progress ReplyReader::begin_items(char marker, std::string_view line) {
  if (marker == '*' && line == "-1") return finished({});
  const auto count = parse_u64(line);
  if (!count || *count > limits_.max_values) return protocol_error("bad count " + quoted(line));
  const bool pairs = marker == '%' || marker == '|';
  Open open{.reply = {}, .left = pairs ? *count * 2 : *count, .attribute = marker == '|'};
  open.reply.type = items_type(marker);
  if (open.left > 0) {
    open_.push_back(std::move(open));
    return Progress::more;
  }
  return open.attribute ? Progress::more : finished(std::move(open.reply));
}

ReplyReader::Progress ReplyReader::finished(Reply reply) {
  while (!open_.empty()) {
    auto& parent = open_.back();
    if (!parent.attribute) parent.reply.items.push_back(std::move(reply));
    if (--parent.left > 0) return Progress::more;
    const bool attribute = parent.attribute;
    reply = std::move(parent.reply);
    open_.pop_back();
    if (attribute) return Progress::more;  // the value that it describes comes next
  }
  reply_ = std::move(reply);
  values_ = 0;
  return Progress::done;
}

ReplyReader::Progress ReplyReader::protocol_error(std::string text) {
  error_ = "Protocol error: " + std::move(text);
  return Progress::stuck;
}

}  // namespace penstock::wire::resp
