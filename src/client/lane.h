// What a Lane is inside: one connection, made when it is first needed.
#pragma once

#include <atomic>

#include "client/connection.h"

namespace penstock::client {

// Threads: exchange() by one caller at a time; all else on the client's thread.
class Lane::Impl : public std::enable_shared_from_this<Lane::Impl> {
 public:
  Impl(boost::asio::io_context& context, Endpoint endpoint, const Options& options)
      : context_(context), endpoint_(std::move(endpoint)), options_(options) {}

  [[nodiscard]] Received exchange(const std::string& command, Duration timeout,
                                  std::stop_token stop);
  // From any thread; what is in flight answers Error::closed.
  void close();

 private:
  void send(const std::string& command, Callback callback);
  void end_wait();
  void drop_connection(Error why);

  boost::asio::io_context& context_;
  const Endpoint endpoint_;
  const Options& options_;
  std::shared_ptr<Connection> connection_;
  bool over_ = false;
};

}  // namespace penstock::client
