// One connection of the client: connects, says HELLO, sends commands, and hands over the replies as
// they come, which is in the order of the commands.
//
// Threads:  one, which runs its io_context; but for send_now().
// Lifetime: shared with the operations under way (Asio calls back after a close, too).
// Damage:   whatever goes wrong closes it, and `on_closed` is told why, once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "client/reply.h"
#include "wire/resp/reply_reader.h"

namespace penstock::client {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Events {
    std::function<void()> on_ready;  // HELLO was answered
    std::function<void(const Error&)> on_closed;
    std::function<void()> on_sent;         // all that was given to send() is with the system
    std::function<bool(Reply&)> on_reply;  // whose it was; false: nobody's, which closes it
  };
  using Address = boost::asio::ip::tcp::endpoint;

  Connection(boost::asio::io_context& context, Endpoint endpoint, const Options& options,
             Events events);

  // Where the endpoint's name leads to, or where it is known to.
  void open();
  void open(const Address& address);
  // Takes the commands over, leaving them empty; they go as soon as the connection stands.
  void send(std::string& commands);
  // How many octets the system took at once. By any thread, one at a time, once the connection was
  // ready and while nothing given to send() is under way. Whatever is wrong with the connection is
  // left for the rest, which is to go by send().
  [[nodiscard]] std::size_t send_now(std::string_view commands);
  // Closes with this reason when nothing has been answered until then; once.
  void close_unless_answered(Duration within);
  void close(Error why);

  [[nodiscard]] bool ready() const { return state_ == State::ready; }
  [[nodiscard]] bool closed() const { return state_ == State::closed; }
  [[nodiscard]] bool sending() const { return !writing_.empty(); }
  [[nodiscard]] std::int64_t id() const { return id_; }
  // What the server takes at most, once ready: of a message, and of one argument.
  [[nodiscard]] Limits limits() const { return limits_; }
  // The server's, once connected.
  [[nodiscard]] const Address& address() const { return address_; }

 private:
  enum class State : std::uint8_t { fresh, connecting, greeting, ready, closed };
  using Code = boost::system::error_code;

  void begin_connecting();
  void on_connected(const Code& code);
  void greet();
  void on_greeting(const Reply& reply);
  void read();
  void on_read(std::size_t count);
  void write();
  void write_on();
  void on_written();
  void arm(Duration timeout, Error why);
  [[nodiscard]] Error broken(std::string_view doing, const Code& code) const;

  Endpoint endpoint_;
  Limits limits_;
  const Options& options_;
  Events events_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  Address address_;
  State state_ = State::fresh;
  std::int64_t id_ = 0;
  std::uint64_t replies_ = 0;

  std::string outgoing_;          // commands not handed to the socket yet
  std::string writing_;           // commands on their way
  std::vector<std::byte> input_;  // [begin_, end_) is received and not read
  std::size_t begin_ = 0, end_ = 0;
  wire::resp::ReplyReader reader_;
};

}  // namespace penstock::client
