// HTTP/1.1 responses onto the end of a buffer that the caller owns.
//
// Threads:  one caller at a time. Lifetime: the buffer outlives the writer.
// Promise:  no text given can break the framing: a field's name that is no token is left out with
// its
//   value, and control characters in values become spaces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::wire::http {

struct ResponseOptions {
  bool keep_alive = true;
  bool to_head = false;   // the request's method was HEAD: all fields, no body
  bool http_1_0 = false;  // the request's version
};

// Writes one response: the constructor its status line and the fields that all have (nosniff,
// Connection where needed), then any number of field(), then exactly one of body(), no_body(),
// stream().
class ResponseWriter {
 public:
  ResponseWriter(std::string& out, int status, const ResponseOptions& options = {});

  ResponseWriter& field(std::string_view name, std::string_view value);
  ResponseWriter& field(std::string_view name, std::uint64_t value);

  void body(std::string_view content_type, std::string_view bytes);
  void no_body();
  // A body whose length is not known yet; send it by StreamWriter. To HTTP/1.0 it lasts until the
  // connection's end: such a response needs keep_alive = false.
  void stream(std::string_view content_type);

 private:
  void end_of_head() { out_.append("\r\n"); }

  std::string& out_;
  int status_;
  ResponseOptions options_;
};

// The pieces of a streamed body: chunks, or plain bytes to HTTP/1.0.
class StreamWriter {
 public:
  explicit StreamWriter(std::string& out, bool http_1_0 = false) : out_(out), chunked_(!http_1_0) {}

  void data(
      std::string_view bytes);  // nothing at all for no bytes: an empty chunk would be the end
  void end();
  // One server-sent event: `data` may have line ends, the others lose theirs. Empty `event` and
  // `id` are left out.
  void event(std::string_view event, std::string_view data, std::string_view id = {});
  // A comment: keeps proxies from closing a quiet stream.
  void heartbeat() { this->data(":\n\n"); }

 private:
  std::string& out_;
  bool chunked_;
};

// "100 Continue", for a request that expects it and may go on.
void write_continue(std::string& out);

}  // namespace penstock::wire::http
