// HTTP/1.1 responses from bytes: the client's side (web hooks, replicas, benchmarks).
//
// What it is: the counterpart of RequestParser, with the same laws: sans I/O, bounded, strict
// framing, and
//   a verdict that doesn't depend on how bytes were cut. Interim responses (100, 103) are skipped.
// Threads:  one caller at a time. Lifetime: views live until next(); the parser does not move.
// Damage:   failed is for ever; close the connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/http/body_reader.h"
#include "wire/http/head_reader.h"
#include "wire/http/heads.h"
#include "wire/http/message.h"

namespace penstock::wire::http {

class ResponseParser {
 public:
  enum class [[nodiscard]] State : std::uint8_t{need_more, complete, failed};
  struct Fed {
    State state;
    std::size_t consumed = 0;
  };

  explicit ResponseParser(Limits limits = {}) : limits_(limits) {}
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // For the next response: it answers a HEAD request, so it has no body whatever its fields say.
  void set_to_head(bool to_head) { to_head_ = to_head; }
  Fed feed(ByteView input);
  // The connection has ended: complete, for a body that ends so.
  State finish();
  void next();

  [[nodiscard]] int status() const { return head_.status; }
  [[nodiscard]] const Fields& fields() const { return head_.fields; }
  [[nodiscard]] bool keep_alive() const { return head_.keep_alive && !until_close_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] std::string take_body() { return std::move(body_); }
  [[nodiscard]] const Failure& failure() const { return failure_; }

 private:
  enum class Phase : std::uint8_t { head, body, complete, failed };

  State read_head(std::string_view& in);
  State read_body(std::string_view& in);
  State fail_with(Failure failure);

  Limits limits_;
  Phase phase_ = Phase::head;
  bool to_head_ = false;
  bool until_close_ = false;
  std::uint32_t interim_ = 0;
  HeadReader head_reader_;
  ResponseHead head_;
  BodyReader body_reader_;
  std::string body_;
  Failure failure_;
};

}  // namespace penstock::wire::http
