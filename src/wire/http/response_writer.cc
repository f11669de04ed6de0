#include "wire/http/response_writer.h"

#include <charconv>

#include "wire/http/field_text.h"
#include "wire/http/message.h"

namespace penstock::wire::http {
namespace {

constexpr bool has_no_content(int status) {
  return status / 100 == 1 || status == 204 || status == 304;
}

}  // namespace

ResponseWriter::ResponseWriter(std::string& out, int status, const ResponseOptions& options)
    : out_(out), status_(status), options_(options) {
  out_.append("HTTP/1.1 ");
  append_number(out_, static_cast<std::uint64_t>(status));
  out_.append(" ").append(reason_of(status)).append("\r\nX-Content-Type-Options: nosniff\r\n");
  if (!options_.keep_alive) {
    out_.append("Connection: close\r\n");
  } else if (options_.http_1_0) {
    out_.append("Connection: keep-alive\r\n");
  }
}

ResponseWriter& ResponseWriter::field(std::string_view name, std::string_view value) {
  append_field(out_, name, value);
  return *this;
}

ResponseWriter& ResponseWriter::field(std::string_view name, std::uint64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return field(name, std::string_view(text, static_cast<std::size_t>(end - text)));
}

void ResponseWriter::body(std::string_view content_type, std::string_view bytes) {
  if (has_no_content(status_)) return no_body();
  append_field(out_, "Content-Type", content_type);
  append_length(out_, bytes.size());
  end_of_head();
  if (!options_.to_head) out_.append(bytes);
}

void ResponseWriter::no_body() {
  if (!has_no_content(status_)) append_length(out_, 0);
  end_of_head();
}

void ResponseWriter::stream(std::string_view content_type) {
  append_field(out_, "Content-Type", content_type);
  out_.append("Cache-Control: no-store\r\n");
  if (!options_.http_1_0) out_.append("Transfer-Encoding: chunked\r\n");
  end_of_head();
}

void StreamWriter::data(std::string_view bytes) {
  if (bytes.empty()) return;
  if (chunked_) {
    append_number(out_, bytes.size(), 16);
    out_.append("\r\n");
  }
  out_.append(bytes);
  if (chunked_) out_.append("\r\n");
}

void StreamWriter::end() {
  if (chunked_) out_.append("0\r\n\r\n");
}

void StreamWriter::event(std::string_view event, std::string_view data, std::string_view id) {
  std::string text;
  const auto line = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ");
    append_clean(text, value);
    text.push_back('\n');
  };
  if (!id.empty()) line("id", id);
  if (!event.empty()) line("event", event);
  for (;;) {
    const auto end = data.find('\n');
    line("data", data.substr(0, end));
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + 1);
  }
  text.push_back('\n');
  this->data(text);
}

void write_continue(std::string& out) {
  out.append("HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace penstock::wire::http
