// HTTP/1.1 requests from bytes: the server's side, stricter than RFC 9112 asks for.
//
// What it is: a state machine that takes bytes in any pieces and keeps what it needs; no socket, no
// clock.
//   Boost.Beast takes the head apart, in the .cc only. In front of it HeadReader refuses what Beast
//   lets pass, behind it the framing is judged once more (see heads.cc).
//
//     feed() -> need_more ... head_done -> feed() ... complete -> next() -> feed() ...
//
//   head_done comes once, when a body follows: the moment to look at the route, to set its body
//   limit, and to answer "Expect: 100-continue". A request without a body goes straight to
//   complete. Exactly one message is consumed; pipelined ones stay in the caller's buffer.
// Threads:  one caller at a time.
// Lifetime: views given out live until next(); the parser does not move.
// Memory:   by bytes received: the head up to max_head_bytes, the body up to its limit. A quiet
// connection
//   keeps little.
// Damage:   failed is for ever: send failure() as the answer and close. A verdict depends on the
// bytes,
//   never on how they were cut.
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

class RequestParser {
 public:
  enum class [[nodiscard]] State : std::uint8_t{need_more, head_done, complete, failed};
  struct Fed {
    State state;
    std::size_t consumed = 0;
  };

  explicit RequestParser(Limits limits = {})
      : limits_(limits), max_body_bytes_(limits.max_body_bytes) {}
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  Fed feed(ByteView input);
  // Ready for the next message, after complete.
  void next();

  // From head_done on.
  [[nodiscard]] Method method() const { return head_.method; }
  [[nodiscard]] std::string_view target() const { return head_.raw_target; }
  [[nodiscard]] std::string_view raw_path() const { return head_.target.path; }
  [[nodiscard]] std::string_view raw_query() const { return head_.target.query; }
  [[nodiscard]] std::string path() const;  // decoded; to route names with slashes, use segments()
  [[nodiscard]] std::vector<std::string> segments() const;
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
  [[nodiscard]] const Fields& fields() const { return head_.fields; }
  // Of the absolute target, if it was one, else of the field; empty only in HTTP/1.0.
  [[nodiscard]] std::string_view host() const;
  [[nodiscard]] bool keep_alive() const { return head_.keep_alive && phase_ != Phase::failed; }
  [[nodiscard]] bool http_1_0() const { return head_.version == 10; }
  [[nodiscard]] bool expects_continue() const { return head_.expects_continue; }
  // For this request; between head_done and the next feed().
  void set_max_body_bytes(std::uint64_t bytes) { max_body_bytes_ = bytes; }

  // After complete.
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] std::string take_body() { return std::move(body_); }

  // After failed.
  [[nodiscard]] const Failure& failure() const { return failure_; }
  // Memory of the body received so far, while it is not complete.
  [[nodiscard]] std::size_t held_bytes() const {
    return phase_ == Phase::body || phase_ == Phase::failed ? body_.capacity() : 0;
  }
  // Whether part of a message has arrived: a time-out then is worth a 408.
  [[nodiscard]] bool in_message() const { return phase_ == Phase::body || !head_reader_.empty(); }

 private:
  enum class Phase : std::uint8_t { head, body, complete, failed };

  State advance(std::string_view& in);
  State read_head(std::string_view& in);
  State read_body(std::string_view& in);
  State fail_with(Failure failure);

  Limits limits_;
  std::uint64_t max_body_bytes_;
  Phase phase_ = Phase::head;
  HeadReader head_reader_;
  RequestHead head_;  // views into head_reader_
  BodyReader body_reader_;
  std::string body_;
  Failure failure_;
};

}  // namespace penstock::wire::http
