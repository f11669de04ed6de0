// What the load client knows of a protocol: how to ask for something, and what an answer says. One
// object speaks for one connection, so that all protocols cost the client about the same.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/peers/load/body.h"
#include "bench/peers/load/report.h"

namespace penstock::peers {

enum class Kind : std::uint8_t { hello, publish, take, settle };

// Something that was asked and is not answered completely.
struct Ask {
  Kind kind = Kind::hello;
  unsigned messages = 0;             // how many it is about; of a take: at most
  unsigned answers = 1;              // still to come; 0 = done
  std::vector<std::string> taken{};  // of a take: what settles each message
  Clock::time_point sent{};
};

struct Answer {
  std::size_t consumed = 0;  // of the input; 0 = more bytes are needed
  std::size_t ask = 0;       // the one that it answers
  std::string refused{};     // when it is no success: what was said instead
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  // Each adds a request to `out` and returns what it asks. They are answered in order, or the
  // dialect finds the one that is meant.
  virtual Ask hello(std::string& out) = 0;
  virtual Ask publish(std::string& out, unsigned messages) = 0;
  // `wait`: for the first message, for seconds; otherwise an empty answer comes at once.
  virtual Ask take(std::string& out, unsigned most, bool wait) = 0;
  virtual Ask settle(std::string& out, std::span<const std::string> taken) = 0;
  // What a server that has just started is asked: its first durable OK.
  virtual Ask first(std::string& out) { return publish(out, 1); }

  // Reads one answer from the front of `in` and counts it for its ask. May add to `out`.
  virtual Answer read(std::string_view in, std::deque<Ask>& asks, std::string& out) = 0;
};

// `name` as it is given on the command line; nothing when there is none of that name.
[[nodiscard]] std::unique_ptr<Dialect> make_dialect(std::string_view name, const std::string& queue,
                                                    unsigned connection);

[[nodiscard]] std::unique_ptr<Dialect> make_penstock(const std::string& queue);
[[nodiscard]] std::unique_ptr<Dialect> make_redis_list(const std::string& queue,
                                                       unsigned connection);
[[nodiscard]] std::unique_ptr<Dialect> make_redis_stream(const std::string& queue,
                                                         unsigned connection);
[[nodiscard]] std::unique_ptr<Dialect> make_beanstalk(const std::string& queue);
[[nodiscard]] std::unique_ptr<Dialect> make_nats(const std::string& queue, unsigned connection);
[[nodiscard]] std::unique_ptr<Dialect> make_http(const std::string& queue);

}  // namespace penstock::peers
