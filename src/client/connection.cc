#include "client/connection.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "base/text.h"
#include "wire/resp/reply_writer.h"

namespace penstock::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kInputBytesKept = 1u << 20;

std::string hello_command(const Endpoint& endpoint, const std::string& name) {
  std::vector<std::string_view> words{"HELLO", "3"};
  if (!endpoint.user.empty()) words.insert(words.end(), {"AUTH", endpoint.user, endpoint.password});
  const auto printable = [](char c) { return c > ' ' && c <= '~'; };
  if (!name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, printable))
    words.insert(words.end(), {"SETNAME", name});
  std::string command;
  wire::resp::write_command(command, words);
  return command;
}

}  // namespace

Connection::Connection(asio::io_context& context, Endpoint endpoint, const Options& options,
                       Events events)
    : endpoint_(std::move(endpoint)),
      options_(options),
      events_(std::move(events)),
      resolver_(context),
      socket_(context),
      timer_(context) {}

void Connection::open() {
  begin_connecting();
  resolver_.async_resolve(
      endpoint_.host, std::to_string(endpoint_.port),
      [self = shared_from_this()](const Code& code, const tcp::resolver::results_type& results) {
        if (self->closed()) return;
        if (code) return self->close(self->broken("find the host", code));
        asio::async_connect(self->socket_, results, [self](const Code& failed, const Address&) {
          self->on_connected(failed);
        });
      });
}

void Connection::open(const Address& address) {
  begin_connecting();
  socket_.async_connect(
      address, [self = shared_from_this()](const Code& code) { self->on_connected(code); });
}

void Connection::begin_connecting() {
  state_ = State::connecting;
  arm(options_.connect_timeout,
      {ErrorCode::timeout, "no connection after " + format_duration(options_.connect_timeout)});
}

void Connection::on_connected(const Code& code) {
  if (closed()) return;
  if (code) return close(broken("connect", code));
  greet();
}

void Connection::greet() {
  Code ignored;  // a socket that cannot be tuned still works
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  socket_.non_blocking(true, ignored);  // for send_now()
  address_ = socket_.remote_endpoint(ignored);
  state_ = State::greeting;
  // HELLO goes first; commands that were given before follow once it is answered.
  writing_ = hello_command(endpoint_, options_.name);
  write_on();
  read();
}

void Connection::on_greeting(const Reply& reply) {
  const auto& items = reply.value.items;
  bool penstock = false;
  for (std::size_t n = 0; n + 1 < items.size(); n += 2) {
    if (items[n].text == "server") penstock = items[n + 1].text == "penstock";
    if (items[n].text == "id") id_ = items[n + 1].integer;
    const auto size = static_cast<std::uint64_t>(items[n + 1].integer);
    if (items[n].text == "max_message") limits_.message_bytes = size;
    if (items[n].text == "max_argument") limits_.argument_bytes = size;
  }
  const std::string_view said = reply.value.text;
  if (reply.value.is_error() && (said.starts_with("NOAUTH") || said.starts_with("WRONGPASS")))
    return close({ErrorCode::denied,
                  endpoint_.user.empty() ? "the server has users, and wants to know who you are"
                                         : "there is no such user, or its password is another",
                  "say who you are: penstock://USER:PASSWORD@HOST:PORT, --user or PENSTOCK_USER"});
  if (reply.value.is_error() || !penstock) {
    return close({ErrorCode::unsupported, "what answers there is no Penstock",
                  "check the address; the server is started by: penstock serve"});
  }
  timer_.cancel();
  state_ = State::ready;
  if (events_.on_ready) events_.on_ready();
  if (writing_.empty()) write();
}

void Connection::send(std::string& commands) {
  if (outgoing_.empty()) {
    outgoing_.swap(commands);
  } else {
    outgoing_.append(commands);
  }
  commands.clear();
  if (ready() && writing_.empty()) write();
}

std::size_t Connection::send_now(std::string_view commands) {
  Code left;
  return socket_.write_some(asio::buffer(commands), left);
}

void Connection::write() {
  if (outgoing_.empty()) return;
  writing_.swap(outgoing_);
  write_on();
}

void Connection::write_on() {
  asio::async_write(socket_, asio::buffer(writing_),
                    [self = shared_from_this()](const Code& code, std::size_t) {
                      if (self->closed()) return;
                      if (code) return self->close(self->broken("write", code));
                      self->on_written();
                    });
}

void Connection::on_written() {
  writing_.clear();
  if (!ready()) return;
  write();
  if (!sending() && events_.on_sent) events_.on_sent();
}

void Connection::read() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == 0 && input_.size() > kInputBytesKept) std::vector<std::byte>().swap(input_);
  if (input_.size() < end_ + kReadBytes) input_.resize(std::max(end_ * 2, end_ + kReadBytes));
  socket_.async_read_some(asio::buffer(input_.data() + end_, input_.size() - end_),
                          [self = shared_from_this()](const Code& code, std::size_t count) {
                            if (self->closed()) return;
                            if (code) return self->close(self->broken("read", code));
                            self->on_read(count);
                          });
}

void Connection::on_read(std::size_t count) {
  using Status = wire::resp::ReplyReader::Status;
  end_ += count;
  while (begin_ < end_ && !closed()) {
    const auto outcome = reader_.parse(ByteView(input_).subspan(begin_, end_ - begin_));
    if (outcome.status == Status::error) return close({ErrorCode::closed, reader_.error()});
    begin_ += outcome.consumed;
    if (outcome.status == Status::need_more) break;
    if (reader_.reply().type == wire::resp::ReplyType::push) continue;  // answers no command
    Reply reply{std::move(reader_.reply())};
    if (state_ == State::greeting) {
      on_greeting(reply);
      continue;
    }
    ++replies_;
    if (!events_.on_reply(reply))
      return close({ErrorCode::closed, "the server answered what was not asked"});
  }
  if (!closed()) read();
}

void Connection::arm(Duration timeout, Error why) {
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this(), why = std::move(why)](const Code& code) {
    if (!code && !self->closed()) self->close(why);
  });
}

void Connection::close_unless_answered(Duration within) {
  timer_.expires_after(within);
  timer_.async_wait([self = shared_from_this(), seen = replies_](const Code& code) {
    if (!code && !self->closed() && self->replies_ == seen)
      self->close({ErrorCode::closed, "the server does not answer"});
  });
}

void Connection::close(Error why) {
  if (closed()) return;
  const bool was_ready = ready();
  state_ = State::closed;
  const auto self = shared_from_this();  // the owner may let go of it
  Code ignored;
  timer_.cancel();
  resolver_.cancel();
  if (was_ready) {
    // Not closed before the destructor: somebody may be in send_now(), and the number of the socket
    // must not become another's meanwhile.
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.cancel(ignored);
  } else {
    socket_.close(ignored);
  }
  if (events_.on_closed) events_.on_closed(why);
}

Error Connection::broken(std::string_view doing, const Code& code) const {
  Error error{ErrorCode::closed,
              endpoint_.host + ":" + std::to_string(endpoint_.port) + ": " + std::string(doing) +
                  ": " +
                  (code == asio::error::eof ? "the server closed the connection" : code.message())};
  if (code == asio::error::connection_refused) error.hint = "start the server with: penstock serve";
  return error;
}

}  // namespace penstock::client
