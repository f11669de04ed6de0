#include "wire/http/request_writer.h"

#include "wire/http/field_text.h"
#include "wire/http/syntax.h"
#include "wire/http/target.h"

namespace penstock::wire::http {

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
