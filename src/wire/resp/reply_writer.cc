#include "wire/resp/reply_writer.h"

#include <charconv>
#include <cmath>

namespace penstock::wire::resp {
namespace {

// The shortest text that reads back as the same number, as Redis writes it: "inf", "-inf", "nan".
std::string_view number_text(double value, char (&buffer)[32]) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, static_cast<std::size_t>(end - buffer)};
}

}  // namespace

void ReplyWriter::header(char marker, std::uint64_t count) {
  char text[24];
  text[0] = marker;
  char* end = std::to_chars(text + 1, text + 22, count).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_.append(text, static_cast<std::size_t>(end - text));
}

void ReplyWriter::line(char marker, std::string_view text) {
  out_.push_back(marker);
  const auto from = out_.size();
  out_.append(text);
  for (auto at = from; at < out_.size(); ++at) {
    const auto byte = static_cast<unsigned char>(out_[at]);
    if (byte < 0x20 || byte == 0x7f) out_[at] = ' ';
  }
  out_.append("\r\n");
}

void ReplyWriter::simple(std::string_view text) {
  line('+', text);
}

void ReplyWriter::error(std::string_view text) {
  line('-', text);
}

void ReplyWriter::integer(std::int64_t value) {
  char text[24];
  text[0] = ':';
  char* end = std::to_chars(text + 1, text + 22, value).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out_.append(text, static_cast<std::size_t>(end - text));
}

void ReplyWriter::bulk(std::string_view bytes) {
  header('$', bytes.size());
  out_.append(bytes).append("\r\n");
}

void ReplyWriter::null() {
  out_.append(is3() ? "_\r\n" : "$-1\r\n");
}

void ReplyWriter::null_array() {
  out_.append(is3() ? "_\r\n" : "*-1\r\n");
}

void ReplyWriter::array(std::uint64_t count) {
  header('*', count);
}

void ReplyWriter::set(std::uint64_t count) {
  header(is3() ? '~' : '*', count);
}

void ReplyWriter::map(std::uint64_t pairs) {
  is3() ? header('%', pairs) : header('*', pairs * 2);
}

void ReplyWriter::push(std::uint64_t count) {
  header(is3() ? '>' : '*', count);
}

void ReplyWriter::number(double value) {
  char buffer[32];
  const auto text = number_text(value, buffer);
  is3() ? line(',', text) : bulk(text);
}

void ReplyWriter::boolean(bool value) {
  if (is3()) {
    out_.append(value ? "#t\r\n" : "#f\r\n");
  } else {
    integer(value ? 1 : 0);
  }
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  if (!is3()) return bulk(text);
  header('=', text.size() + 4);
  std::string_view three = format.size() == 3 ? format : "txt";
  out_.append(three).append(":").append(text).append("\r\n");
}

}  // namespace penstock::wire::resp
