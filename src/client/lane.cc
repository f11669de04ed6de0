#include "client/lane.h"

#include <boost/asio/post.hpp>

#include "wire/resp/reply_writer.h"

namespace penstock::client {
namespace {

std::string unblock_command(std::int64_t id) {
  std::string command;
  const std::string number = std::to_string(id);
  const std::string_view words[] = {"CLIENT", "UNBLOCK", number};
  wire::resp::write_command(command, words);
  return command;
}

}  // namespace

Lane::Impl::~Impl() {
  if (connection_) connection_->close({ErrorCode::closed, "the lane is closed"});
}

Received Lane::Impl::exchange(const std::string& command, Duration timeout, std::stop_token stop) {
  if (stop.stop_requested())
    return std::unexpected(Failure{{ErrorCode::closed, "stopped before it was sent"}});
  begin(command, timeout);
  return end(std::move(stop));
}

void Lane::Impl::begin(const std::string& command, Duration timeout) {
  context_.poll();  // whether the connection broke since the call before
  received_.reset();
  limit(timeout);
  need_connection();
  send(command, Expected::answer);
}

Received Lane::Impl::end(std::stop_token stop) {
  const std::stop_callback on_stop(std::move(stop),
                                   [this] { boost::asio::post(context_, [this] { end_wait(); }); });
  while (!received_) context_.run_one();
  limit_.cancel();
  return std::move(*received_);
}

void Lane::Impl::need_connection() {
  if (connection_ && !connection_->closed()) return;
  expected_.clear();
  was_ready_ = false;
  connection_ = std::make_shared<Connection>(
      context_, endpoint_, options_,
      Connection::Events{.on_ready = [this] { was_ready_ = true; },
                         .on_closed = [this](const Error& why) { on_closed(why); },
                         .on_sent = {},
                         .on_reply = [this](Reply& reply) { return on_reply(reply); }});
  connection_->open(address_());
}

void Lane::Impl::send(std::string command, Expected reply) {
  expected_.push_back(reply);
  connection_->send(command);
}

bool Lane::Impl::on_reply(Reply& reply) {
  if (expected_.empty()) return false;
  if (expected_.front() == Expected::answer)
    received_.emplace(std::make_shared<Reply>(std::move(reply)));
  expected_.pop_front();
  return true;
}

void Lane::Impl::on_closed(const Error& why) {
  if (!received_) received_.emplace(std::unexpected(Failure{.error = why, .unsent = !was_ready_}));
}

// A reply that comes after its caller left must not pass for the next call's.
void Lane::Impl::limit(Duration timeout) {
  limit_.expires_after(timeout);
  limit_.async_wait([this](const boost::system::error_code& code) {
    if (!code && !received_) connection_->close({ErrorCode::timeout, "no answer by the deadline"});
  });
}

void Lane::Impl::end_wait() {
  if (received_) return;
  if (!connection_->ready())
    return connection_->close({ErrorCode::closed, "stopped before it was sent"});
  // Goes on the same connection, behind the call that waits, and is carried out at once.
  send(unblock_command(connection_->id()), Expected::end_of_wait);
  connection_->close_unless_answered(options_.end_of_wait_max);
}

Lane::Lane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lane::~Lane() = default;

Received Lane::exchange(const std::string& command, Duration timeout, std::stop_token stop) {
  return impl_->exchange(command, timeout, std::move(stop));
}

void Lane::begin(const std::string& command, Duration timeout) {
  impl_->begin(command, timeout);
}

Received Lane::end(std::stop_token stop) {
  return impl_->end(std::move(stop));
}

}  // namespace penstock::client
