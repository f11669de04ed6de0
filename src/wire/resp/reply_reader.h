// Replies of the Redis protocol, from bytes to a tree: the client's side, RESP2 and RESP3.
//
// What it is: a state machine over an input buffer that the caller owns, to be used like
// CommandParser:
//   bytes not consumed stay at the front of the next input. Attributes (RESP3 `|`) are read and
//   dropped.
// Threads:  one caller at a time.
// Lifetime: a reply owns its bytes.
// Memory:   by bytes received; bounded by ReplyLimits.
// Damage:   an error is for ever; the connection is to be closed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::wire::resp {

enum class ReplyType : std::uint8_t {
  null,
  simple,    // text
  error,     // text
  integer,   // integer
  bulk,      // text
  number,    // number
  boolean,   // integer: 0 or 1
  big,       // text: a whole number of any size
  verbatim,  // text, without the format's prefix
  array,     // items
  set,       // items
  map,       // items: key, value, key, value ...
  push,      // items
};

struct Reply {
  ReplyType type = ReplyType::null;
  std::int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<Reply> items;

  [[nodiscard]] bool is_null() const { return type == ReplyType::null; }
  [[nodiscard]] bool is_error() const { return type == ReplyType::error; }
  bool operator==(const Reply&) const = default;
};

struct ReplyLimits {
  std::uint32_t max_depth = 16;
  std::uint64_t max_text_bytes = 64ull << 20;
  std::uint64_t max_values = 1'048'576;  // in one reply, of all levels
};

class ReplyReader {
 public:
  enum class [[nodiscard]] Status : std::uint8_t{need_more, reply, error};
  struct Outcome {
    Status status;
    std::size_t consumed = 0;
  };

  explicit ReplyReader(ReplyLimits limits = {}) : limits_(limits) {}

  Outcome parse(ByteView input);
  // After `reply`: the caller may move it out.
  [[nodiscard]] Reply& reply() { return reply_; }
  // After `error`.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Open {
    Reply reply;
    std::uint64_t left;  // values still to come, keys and values counted each
    bool attribute;      // read only to be dropped
  };
  enum class Progress : std::uint8_t { more, stuck, done };

  Progress advance(std::string_view in);
  Progress value_line(char marker, std::string_view line);
  Progress text_body(std::string_view in);
  Progress begin_text(char marker, std::string_view line);
  Progress begin_items(char marker, std::string_view line);
  Progress scalar(char marker, std::string_view line);
  Progress finished(Reply reply);
  Progress protocol_error(std::string text);

  ReplyLimits limits_;
  std::size_t at_ = 0;
  std::size_t scanned_ = 0;
  bool in_text_ = false;  // the bytes of a bulk string are next
  char text_marker_ = '$';
  std::uint64_t text_bytes_ = 0;
  std::uint64_t values_ = 0;
  std::vector<Open> open_;  // at most max_depth
  Reply reply_;
  std::string error_;
};

}  // namespace penstock::wire::resp
