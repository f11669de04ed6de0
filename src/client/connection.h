// One connection of the client: connects, says HELLO, sends commands, and calls back with replies
// in the order of the commands.
//
// Threads:  the client's; made and used on its io_context alone.
// Lifetime: shared with the operations under way (Asio calls back after a close, too).
// Damage:   whatever goes wrong closes it, once: `on_closed` is told, then all calls in flight are
//           answered with the reason.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/reply.h"
#include "wire/resp/reply_reader.h"

namespace penstock::client {

using Arrived = std::expected<Reply*, Failure>;
using Callback = std::move_only_function<void(Arrived)>;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    std::function<void()> on_ready;  // HELLO was answered
    std::function<void(const Error&)> on_closed;
    std::function<void(std::size_t)> on_sent;  // so many bytes left
  };

  Connection(boost::asio::io_context& context, Endpoint endpoint, const Options& options,
             Events events);

  void open();
  // Sends `command` as soon as the connection stands; `callback` is called once.
  void call(std::string_view command, Callback callback);
  // Many at once: takes all commands and callbacks over, leaving both empty.
  void call_all(std::string& commands, std::vector<Callback>& callbacks);
  // Closes with this reason when nothing has been answered until then; once.
  void close_unless_answered(Duration within);
  void close(Error why);

  [[nodiscard]] bool ready() const { return state_ == State::ready; }
  [[nodiscard]] bool closed() const { return state_ == State::closed; }
  [[nodiscard]] std::int64_t id() const { return id_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }

 private:
  enum class State : std::uint8_t { fresh, connecting, greeting, ready, closed };
  using Code = boost::system::error_code;

  void on_resolved(const boost::asio::ip::tcp::resolver::results_type& results);
  void greet();
  void on_greeting(Reply& reply);
  void read();
  void on_read(std::size_t count);
  void write();
  void arm(Duration timeout, Error why);
  [[nodiscard]] Error broken(std::string_view doing, const Code& code) const;

  Endpoint endpoint_;
  const Options& options_;
  Events events_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  State state_ = State::fresh;
  std::int64_t id_ = 0;
  std::uint64_t replies_ = 0;

  std::string greeting_;            // what on_ready waits for
  std::deque<Callback> in_flight_;  // bounded by the client's max_in_flight
  std::string outgoing_;            // commands not handed to the socket yet
  std::string writing_;             // commands on their way
  std::vector<std::byte> input_;    // [begin_, end_) is received and not read
  std::size_t begin_ = 0, end_ = 0;
  wire::resp::ReplyReader reader_;
};

}  // namespace penstock::client
