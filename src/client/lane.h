// What a Lane is inside: one connection, made when it is first needed.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "client/connection.h"

namespace penstock::client {

// The caller's own thread does it all: it writes, waits and reads, so that nobody has to wake it
// when the answer comes. Outside of its calls nobody listens, and nobody needs to: a server says
// nothing unasked, and what it answers is read by end().
// Threads: one caller at a time.
class Lane::Impl {
 public:
  // `address` gives where the server was last; a lane looks up no names. What it uses, and
  // `options`, outlive the lane.
  Impl(Endpoint endpoint, const Options& options, std::function<Connection::Address()> address)
      : endpoint_(std::move(endpoint)), options_(options), address_(std::move(address)) {}
  ~Impl();

  [[nodiscard]] Received exchange(const std::string& command, Duration timeout,
                                  std::stop_token stop);
  void begin(const std::string& command, Duration timeout);
  [[nodiscard]] Received end(std::stop_token stop);

 private:
  enum class Expected : std::uint8_t { answer, end_of_wait };

  void need_connection();
  void send(std::string command, Expected reply);
  bool on_reply(Reply& reply);
  void on_closed(const Error& why);
  void limit(Duration timeout);
  void end_wait();

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  boost::asio::steady_timer limit_{context_};
  const Endpoint endpoint_;
  const Options& options_;
  const std::function<Connection::Address()> address_;
  std::shared_ptr<Connection> connection_;
  bool was_ready_ = false;            // it, ever; before nothing is sent
  std::deque<Expected> expected_;     // of this call, and of the end of the one before
  std::optional<Received> received_;  // empty until the answer is here
};

}  // namespace penstock::client
