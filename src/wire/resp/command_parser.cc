#include "wire/resp/command_parser.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::wire::resp {
namespace {

// What a quiet connection may keep from a busy past.
constexpr std::size_t kArgsKept = 1024;
constexpr std::size_t kUnquotedBytesKept = 4096;

// An HTTP client must not get commands executed by way of a request's lines (cross-protocol
// attack).
bool looks_like_http(std::string_view line) {
  const auto word = line.substr(0, line.find(' '));
  return ascii_iequals(word, "post") || ascii_iequals(word, "host:") ||
         line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0");
}

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

// The character that `\c` stands for in double quotes.
constexpr char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Appends the quoted word at `at` (on its opening quote) to `out` and moves `at` behind the closing
// one. False when the quotes are unbalanced, or a word follows without a space.
bool unquote(std::string_view line, std::size_t& at, std::string& out) {
  const char quote = line[at++];
  for (; at < line.size(); ++at) {
    if (line[at] == quote) {
      ++at;
      return at == line.size() || is_blank(line[at]);
    }
    const bool escape = line[at] == '\\' && at + 1 < line.size();
    if (escape && quote == '"') {
      const bool hex = line[at + 1] == 'x' && at + 3 < line.size() &&
                       hex_value(line[at + 2]) >= 0 && hex_value(line[at + 3]) >= 0;
      if (hex) {
        out.push_back(static_cast<char>(hex_value(line[at + 2]) << 4 | hex_value(line[at + 3])));
        at += 3;
      } else {
        out.push_back(unescaped(line[++at]));
      }
    } else if (escape && line[at + 1] == '\'') {
      out.push_back(line[++at]);
    } else {
      out.push_back(line[at]);
    }
  }
  return false;
}

}  // namespace

CommandParser::Outcome CommandParser::parse(ByteView input) {
  const auto in = as_text(input);
  Progress progress = Progress::more;
  while (progress == Progress::more) progress = advance(in);
  if (step_ == Step::failed) return {CommandStatus::error, 0};
  if (progress == Progress::done) {
    const Outcome outcome{CommandStatus::command, at_};
    begin();
    return outcome;
  }
  // Empty lines before a command go now; a command goes as a whole.
  const Outcome outcome{CommandStatus::need_more, begin_};
  at_ -= begin_;
  scanned_ -= std::min(scanned_, begin_);
  wanted_ -= std::min<std::uint64_t>(wanted_, begin_);
  begin_ = 0;
  return outcome;
}

CommandParser::Progress CommandParser::advance(std::string_view in) {
  switch (step_) {
    case Step::start:
      return start(in);
    case Step::inline_line:
      return inline_line(in);
    case Step::array:
      return array_header(in);
    case Step::bulk_header:
      return bulk_header(in);
    case Step::bulk_body:
      return bulk_body(in);
    case Step::failed:
      return Progress::stuck;
  }
  return Progress::stuck;
}

CommandParser::Progress CommandParser::start(std::string_view in) {
  if (at_ == in.size()) return wait_for(at_ + 1);
  begin_ = scanned_ = at_;
  step_ = in[at_] == '*' ? Step::array : Step::inline_line;
  return Progress::more;
}

CommandParser::Progress CommandParser::array_header(std::string_view in) {
  constexpr std::string_view error = "invalid multibulk length";
  std::int64_t count = 0;
  if (const auto progress = length_line(in, error, count); progress != Progress::more) {
    return progress;
  }
  if (count < -1) return protocol_error(std::string(error));
  if (count > static_cast<std::int64_t>(limits_.max_args)) {
    return protocol_error(std::string(error) + ": at most " + std::to_string(limits_.max_args) +
                          " arguments");
  }
  if (count <= 0) {  // Redis ignores an empty array, and a null one
    begin_ = at_;
    step_ = Step::start;
    return Progress::more;
  }
  args_left_ = static_cast<std::uint32_t>(count);
  ranges_.clear();
  step_ = Step::bulk_header;
  return Progress::more;
}

CommandParser::Progress CommandParser::bulk_header(std::string_view in) {
  constexpr std::string_view error = "invalid bulk length";
  if (at_ == in.size()) return wait_for(at_ + 1);
  if (in[at_] != '$') {
    return protocol_error("expected '$', got " + quoted(in.substr(at_, 1)));
  }
  std::int64_t size = 0;
  if (const auto progress = length_line(in, error, size); progress != Progress::more) {
    return progress;
  }
  if (size < 0) return protocol_error(std::string(error));
  bulk_ = static_cast<std::uint64_t>(size);
  if (bulk_ > limits_.max_bulk_bytes) {
    return protocol_error(std::string(error) + ": at most " +
                          std::to_string(limits_.max_bulk_bytes) + " bytes");
  }
  if (at_ - begin_ + bulk_ > limits_.max_command_bytes) {
    return protocol_error("the command is larger than " +
                          std::to_string(limits_.max_command_bytes) + " bytes");
  }
  step_ = Step::bulk_body;
  return Progress::more;
}

CommandParser::Progress CommandParser::bulk_body(std::string_view in) {
  if (in.size() - at_ < bulk_ + 2) {
    // The first byte behind the string is judged as soon as it is there, in one piece or many.
    if (in.size() - at_ == bulk_ + 1 && in.back() != '\r') {
      return protocol_error("expected CRLF after a bulk string");
    }
    return wait_for(at_ + bulk_ + 2);
  }
  const auto end = at_ + static_cast<std::size_t>(bulk_);
  if (in[end] != '\r' || in[end + 1] != '\n') {
    return protocol_error("expected CRLF after a bulk string");
  }
  ranges_.push_back({static_cast<std::uint32_t>(at_ - begin_), static_cast<std::uint32_t>(bulk_)});
  at_ = scanned_ = end + 2;
  if (--args_left_ > 0) {
    step_ = Step::bulk_header;
    return Progress::more;
  }
  finish(in);
  return Progress::done;
}

void CommandParser::finish(std::string_view in) {
  drop_args();
  for (const auto& range : ranges_) args_.push_back(in.substr(begin_ + range.offset, range.size));
}

CommandParser::Progress CommandParser::inline_line(std::string_view in) {
  const auto end = in.find('\n', std::max(scanned_, at_));
  const auto length = (end == std::string_view::npos ? in.size() : end) - at_;
  if (length > limits_.max_inline_bytes) return protocol_error("too big inline request");
  if (end == std::string_view::npos) {
    scanned_ = in.size();
    return wait_for(in.size() + 1);
  }
  auto line = in.substr(at_, length);
  if (line.ends_with('\r')) line.remove_suffix(1);
  at_ = scanned_ = end + 1;
  if (looks_like_http(line)) {
    return protocol_error("this is HTTP, and here the Redis protocol is spoken");
  }
  if (!split_inline(line)) return protocol_error("unbalanced quotes in request");
  if (args_.size() > limits_.max_args) return protocol_error("too many arguments");
  if (!args_.empty()) return Progress::done;
  begin_ = at_;
  step_ = Step::start;
  return Progress::more;
}

bool CommandParser::split_inline(std::string_view line) {
  drop_args();
  unquoted_.reserve(line.size());  // received, and never outgrown: the views below stay valid
  for (std::size_t at = 0; at < line.size() && args_.size() <= limits_.max_args;) {
    if (is_blank(line[at])) {
      ++at;
    } else if (line[at] == '"' || line[at] == '\'') {
      const auto from = unquoted_.size();
      if (!unquote(line, at, unquoted_)) return false;
      args_.push_back(std::string_view(unquoted_).substr(from));
    } else {
      const auto from = at;
      while (at < line.size() && !is_blank(line[at])) {
        if (line[at] == '"' || line[at] == '\'') return false;
        ++at;
      }
      args_.push_back(line.substr(from, at - from));
    }
  }
  return true;
}

CommandParser::Progress CommandParser::length_line(std::string_view in, std::string_view error,
                                                   std::int64_t& value) {
  // Judged byte by byte, so that the verdict does not depend on how much has arrived.
  std::size_t at = at_ + 1;  // behind the marker
  const bool negative = at < in.size() && in[at] == '-';
  if (negative) ++at;
  const auto digits = at;
  std::uint64_t number = 0;
  for (; at < in.size() && ascii_is_digit(in[at]); ++at) {
    const bool leading_zero = number == 0 && (at > digits || (negative && in[at] == '0'));
    if (leading_zero || __builtin_mul_overflow(number, 10u, &number) ||
        __builtin_add_overflow(number, static_cast<std::uint64_t>(in[at] - '0'), &number) ||
        number > static_cast<std::uint64_t>(INT64_MAX)) {
      return protocol_error(std::string(error));
    }
  }
  if (at == in.size()) return wait_for(at + 2);
  if (at == digits || in[at] != '\r') return protocol_error(std::string(error));
  if (at + 1 == in.size()) return wait_for(at + 2);
  if (in[at + 1] != '\n') return protocol_error(std::string(error));
  value = negative ? -static_cast<std::int64_t>(number) : static_cast<std::int64_t>(number);
  at_ = scanned_ = at + 2;
  return Progress::more;
}

CommandParser::Progress CommandParser::wait_for(std::uint64_t input_size) {
  wanted_ = input_size;
  return Progress::stuck;
}

CommandParser::Progress CommandParser::protocol_error(std::string text) {
  error_ = "Protocol error: " + std::move(text);
  step_ = Step::failed;
  return Progress::stuck;
}

void CommandParser::begin() {
  step_ = Step::start;
  at_ = begin_ = scanned_ = 0;
  if (ranges_.capacity() > kArgsKept) std::vector<Range>().swap(ranges_);
}

void CommandParser::drop_args() {
  args_.clear();
  unquoted_.clear();
  if (args_.capacity() > kArgsKept) std::vector<std::string_view>().swap(args_);
  if (unquoted_.capacity() > kUnquotedBytesKept) std::string().swap(unquoted_);
}

}  // namespace penstock::wire::resp
