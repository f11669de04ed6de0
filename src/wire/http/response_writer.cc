#include "wire/http/response_writer.h"

#include <charconv>

#include "wire/http/syntax.h"
#include "wire/http/target.h"

namespace penstock::wire::http {
namespace {

void append_number(std::string& out, std::uint64_t value, int base = 10) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value, base).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

// `text` with control characters as spaces.
void append_clean(std::string& out, std::string_view text) {
  const auto from = out.size();
  out.append(text);
  for (auto at = from; at < out.size(); ++at) {
    if (!is_field_character(out[at])) out[at] = ' ';
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name)) return;
  out.append(name).append(": ");
  append_clean(out, value);
  out.append("\r\n");
}

void append_length(std::string& out, std::uint64_t length) {
  out.append("Content-Length: ");
  append_number(out, length);
  out.append("\r\n");
}

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

void write_request(std::string& out, const Request& request) {
  out.append(is_token(request.method) ? request.method : "GET").append(" ");
  for (const char c : request.target) {
    // Encodes what would end the target, or the line; leaves the caller's own encoding alone.
    if (c > 0x20 && c < 0x7f) {
      out.push_back(c);
    } else {
      out.append(percent_encode({&c, 1}));
    }
  }
  out.append(" HTTP/1.1\r\n");
  append_field(out, "Host", request.host);
  for (const auto& field : request.fields) append_field(out, field.name, field.value);
  if (!request.keep_alive) out.append("Connection: close\r\n");
  const bool bodiless = request.method == "GET" || request.method == "HEAD";
  if (!request.body.empty()) append_field(out, "Content-Type", request.content_type);
  if (!request.body.empty() || !bodiless) append_length(out, request.body.size());
  out.append("\r\n").append(request.body);
}

}  // namespace penstock::wire::http
