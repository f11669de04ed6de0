// A connection of AMQP 0-9-1 with one open channel, for a client that measures.
//
// What it is: getting ready waits for each answer; after that nothing waits: what is asked gathers
//   until flush(), and receive() hands on what came.
// Errors: whatever is no success (a close, a nack, a cancelled consumer) ends the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/peers/load/body.h"
#include "bench/peers/load/report.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/method.h"
#include "wire/amqp/table_writer.h"

namespace penstock::peers {

// What a session tells.
class Heard {
 public:
  virtual ~Heard() = default;
  virtual void confirmed(std::uint64_t tag, bool multiple) = 0;
  // `sent`: when the publisher wrote this message.
  virtual void delivered(std::uint64_t tag, Clock::time_point sent) = 0;
};

class Session {
 public:
  // Connects to 127.0.0.1 as guest and opens channel 1.
  explicit Session(std::uint16_t port);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Each waits for its answer.
  void declare(std::string_view queue, const wire::amqp::TableView& arguments);
  void select_confirms();
  void prefetch(unsigned messages);
  void consume(std::string_view queue);

  // A persistent message of kBodyBytes that tells its time.
  void publish(std::string_view queue, Clock::time_point now);
  void acknowledge(std::uint64_t tag, bool multiple);
  void flush();
  // Reads what is there. False when the server has closed the connection.
  [[nodiscard]] bool receive(Heard& heard);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool wants_to_write() const { return written_ < out_.size(); }
  bool watched = false;  // by the loop, until it can be written to

 private:
  // Asks, and waits for the answer of type `Answer`.
  template <class Answer, class Question>
  void call(std::uint16_t channel, const Question& question);
  template <class Answer>
  void wait_for();
  [[nodiscard]] bool read_some(int flags);
  void hear(const wire::amqp::Frame& frame, Heard& heard);
  void hear_method(ByteView payload, Heard& heard);
  void finish_delivery(Heard& heard);

  int fd_;
  std::string in_, out_, properties_, body_;
  std::size_t read_ = 0, written_ = 0, frame_max_ = 131'072;
  std::uint64_t tag_ = 0, body_left_ = 0;  // of the delivery that is being read
  Clock::rep stamp_ = 0;
  bool stamped_ = false;
};

}  // namespace penstock::peers
