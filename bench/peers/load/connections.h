// Connections that one thread serves with epoll, so that the client's own cost is the same for all
// whom it measures.
//
// Errors: whatever is no success ends the program with exit code 1, saying what was answered.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/peers/load/dialect.h"

namespace penstock::peers {

struct Target {
  std::string dialect;
  std::uint16_t port = 0;  // on 127.0.0.1
  std::string queue;
};

class Connection;
// Called with each ask that is answered completely.
using Done = std::function<void(Connection&, const Ask&)>;

class Connection {
 public:
  // Connects; `number` tells it from the others of this program.
  Connection(const Target& target, unsigned number);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Requests gather until flush().
  void hello() { add(dialect_->hello(out_)); }
  void first() { add(dialect_->first(out_)); }
  void publish(unsigned messages) { add(dialect_->publish(out_, messages)); }
  void take(unsigned most, bool wait) { add(dialect_->take(out_, most, wait)); }
  void settle(std::span<const std::string> taken) { add(dialect_->settle(out_, taken)); }
  void flush();

  // Reads what is there. False when the server has closed the connection.
  bool receive(const Done& done);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool wants_to_write() const { return written_ < out_.size(); }
  [[nodiscard]] std::size_t waiting() const { return asks_.size(); }

  bool watched = false;  // by the loop, until it can be written to

 private:
  void add(Ask ask);

  int fd_;
  std::unique_ptr<Dialect> dialect_;
  std::deque<Ask> asks_;
  std::string out_, in_;
  std::size_t written_ = 0, read_ = 0;
};

class Loop {
 public:
  // Connects all of them and says hello.
  Loop(const Target& target, unsigned connections);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves until `until`, asked after each round, says so. Gives up when nothing comes any more.
  void run(const Done& done, const std::function<bool()>& until);
  [[nodiscard]] auto& connections() { return connections_; }
  [[nodiscard]] std::size_t waiting() const;

 private:
  void watch(Connection& connection);

  int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace penstock::peers
