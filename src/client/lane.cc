#include "client/lane.h"

#include <boost/asio/post.hpp>

#include "client/waiter.h"
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

Received Lane::Impl::exchange(const std::string& command, Duration timeout, std::stop_token stop) {
  if (stop.stop_requested())
    return std::unexpected(Failure{{ErrorCode::closed, "stopped before it was sent"}});
  auto waiter = std::make_shared<Waiter>();
  const auto self = shared_from_this();
  boost::asio::post(context_, [self, command, waiter] {
    self->send(command, [waiter](Arrived arrived) { waiter->set(std::move(arrived)); });
  });
  const std::stop_callback on_stop(
      std::move(stop), [self] { boost::asio::post(self->context_, [self] { self->end_wait(); }); });
  auto received = waiter->wait(timeout);
  // A reply that comes after its caller left must not pass for the next call's.
  if (!received && received.error().error.code == ErrorCode::timeout)
    boost::asio::post(context_,
                      [self, why = received.error().error] { self->drop_connection(why); });
  return received;
}

void Lane::Impl::send(const std::string& command, Callback callback) {
  if (over_) {
    callback(std::unexpected(Failure{{ErrorCode::closed, "the client is closed"}}));
    return;
  }
  if (!connection_ || connection_->closed()) {
    connection_ = std::make_shared<Connection>(context_, endpoint_, options_, Connection::Events{});
    connection_->open();
  }
  connection_->call(command, std::move(callback));
}

void Lane::Impl::end_wait() {
  if (!connection_ || connection_->closed() || connection_->in_flight() == 0) return;
  if (!connection_->ready())
    return drop_connection({ErrorCode::closed, "stopped before it was sent"});
  // Goes on the same connection, behind the call that waits, and is carried out at once.
  connection_->call(unblock_command(connection_->id()), [](Arrived) {});
  connection_->close_unless_answered(options_.end_of_wait_max);
}

void Lane::Impl::drop_connection(Error why) {
  if (connection_) connection_->close(std::move(why));
  connection_.reset();
}

void Lane::Impl::close() {
  boost::asio::post(context_, [self = shared_from_this()] {
    self->over_ = true;
    self->drop_connection({ErrorCode::closed, "the client is closed"});
  });
}

Lane::Lane(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Lane::~Lane() {
  impl_->close();
}

Received Lane::exchange(const std::string& command, Duration timeout, std::stop_token stop) {
  return impl_->exchange(command, timeout, std::move(stop));
}

}  // namespace penstock::client
