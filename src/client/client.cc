#include "client/client.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/connection.h"
#include "client/lane.h"
#include "client/waiter.h"
#include "os/real_clock.h"

namespace penstock::client {
namespace {

Failure closed(std::string message) {
  return {{ErrorCode::closed, std::move(message)}};
}

}  // namespace

// The outbox is filled by any thread and emptied by the client's own, which is woken once for all
// that gathered meanwhile.
class Client::Impl {
 public:
  Impl(Endpoint endpoint, const Options& options)
      : options_(options),
        endpoint_(std::move(endpoint)),
        random_(make_real_random()),
        reconnect_timer_(context_),
        thread_([this] { context_.run(); }) {}

  ~Impl() {
    boost::asio::post(context_, [this] {
      ending_ = true;
      reconnect_timer_.cancel();
      if (connection_) connection_->close({ErrorCode::closed, "the client is closed"});
      work_.reset();
    });
    for (auto& lane : idle_lanes_) lane->close();
    thread_.join();
  }

  Result<void> first_connection();
  Started begin(const std::string& command, Callback callback, bool wait_for_room,
                Duration timeout);
  Received exchange(const std::string& command, Duration timeout);
  Received exchange_waiting(const std::string& command, Duration timeout, std::stop_token stop);
  std::shared_ptr<Lane::Impl> make_lane() {
    return std::make_shared<Lane::Impl>(context_, endpoint_, options_);
  }
  bool wait_until_connected(Duration timeout, std::stop_token stop);

  [[nodiscard]] bool connected() const {
    const std::lock_guard lock(mutex_);
    return connected_;
  }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  // ---- on the client's thread
  void open_connection();
  void on_ready();
  void on_closed(const Error& why);
  void flush_outbox();
  void answer(Callback& callback, Arrived arrived, std::size_t command_bytes);

  [[nodiscard]] bool has_room(std::size_t bytes) const {
    return outstanding_ < options_.max_in_flight &&
           (outstanding_ == 0 || outstanding_bytes_ + bytes <= options_.max_unsent_bytes);
  }

  const Options options_;
  const Endpoint endpoint_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  std::unique_ptr<Random> random_;

  // Of the client's thread.
  std::shared_ptr<Connection> connection_;
  boost::asio::steady_timer reconnect_timer_;
  std::uint32_t failures_ = 0;  // in a row
  bool ending_ = false;
  std::string sending_;
  std::vector<Callback> sending_callbacks_;

  // Of all threads.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // room, a connection, a lane
  bool connected_ = false;
  std::optional<Error> last_error_;  // of the last attempt to connect
  std::string outbox_;
  std::vector<Callback> outbox_callbacks_;
  bool flush_posted_ = false;
  std::size_t outstanding_ = 0;        // calls not answered
  std::size_t outstanding_bytes_ = 0;  // of their commands
  std::size_t waiting_for_room_ = 0;
  std::vector<std::shared_ptr<Lane::Impl>> idle_lanes_;
  std::size_t lanes_ = 0;  // made, at most max_waiting

  std::thread thread_;  // last: everything else is there when it starts
};

// ---- connecting

Result<void> Client::Impl::first_connection() {
  boost::asio::post(context_, [this] { open_connection(); });
  std::unique_lock lock(mutex_);
  const auto settled = [this] { return connected_ || last_error_.has_value(); };
  // The connection gives up by itself, with a better reason; this is for a machine out of breath.
  if (!changed_.wait_for(lock, options_.connect_timeout + std::chrono::seconds(5), settled))
    return fail(ErrorCode::timeout, "no connection by the deadline");
  if (!connected_) return fail(std::move(*last_error_).at("connect to " + endpoint_.address()));
  return {};
}

void Client::Impl::open_connection() {
  if (ending_) return;
  connection_ = std::make_shared<Connection>(
      context_, endpoint_, options_,
      Connection::Events{.on_ready = [this] { on_ready(); },
                         .on_closed = [this](const Error& why) { on_closed(why); },
                         .on_sent = {}});
  connection_->open();
}

void Client::Impl::on_ready() {
  failures_ = 0;
  const std::lock_guard lock(mutex_);
  connected_ = true;
  last_error_.reset();
  changed_.notify_all();
}

void Client::Impl::on_closed(const Error& why) {
  std::vector<Callback> unsent;
  {
    const std::lock_guard lock(mutex_);
    connected_ = false;
    last_error_ = why;
    outbox_.clear();
    unsent.swap(outbox_callbacks_);
    changed_.notify_all();
  }
  for (auto& callback : unsent) callback(std::unexpected(Failure{why}));
  if (ending_) return;
  ++failures_;
  reconnect_timer_.expires_after(flow::delay_after(options_.reconnect, failures_, random_->next()));
  reconnect_timer_.async_wait([this](const boost::system::error_code& code) {
    if (!code) open_connection();
  });
}

bool Client::Impl::wait_until_connected(Duration timeout, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::move(stop), timeout, [this] { return connected_; });
}

// ---- calls

Started Client::Impl::begin(const std::string& command, Callback callback, bool wait_for_room,
                            Duration timeout) {
  const auto bytes = command.size();
  std::unique_lock lock(mutex_);
  if (!connected_) return Started::closed;
  if (!has_room(bytes)) {
    if (!wait_for_room) return Started::back_pressured;
    ++waiting_for_room_;
    const bool room =
        changed_.wait_for(lock, timeout, [&] { return !connected_ || has_room(bytes); });
    --waiting_for_room_;
    if (!connected_) return Started::closed;
    if (!room) return Started::back_pressured;
  }
  ++outstanding_;
  outstanding_bytes_ += bytes;
  outbox_.append(command);
  outbox_callbacks_.push_back(
      [this, bytes, callback = std::move(callback)](Arrived arrived) mutable {
        answer(callback, std::move(arrived), bytes);
      });
  if (!std::exchange(flush_posted_, true)) {
    lock.unlock();
    boost::asio::post(context_, [this] { flush_outbox(); });
  }
  return Started::taken;
}

void Client::Impl::answer(Callback& callback, Arrived arrived, std::size_t command_bytes) {
  {
    const std::lock_guard lock(mutex_);
    --outstanding_;
    outstanding_bytes_ -= command_bytes;
    if (waiting_for_room_ > 0) changed_.notify_all();
  }
  callback(std::move(arrived));
}

void Client::Impl::flush_outbox() {
  {
    const std::lock_guard lock(mutex_);
    flush_posted_ = false;
    sending_.swap(outbox_);
    sending_callbacks_.swap(outbox_callbacks_);
  }
  // Empty when the connection broke meanwhile: on_closed() has answered them.
  if (!sending_callbacks_.empty()) connection_->call_all(sending_, sending_callbacks_);
}

Received Client::Impl::exchange(const std::string& command, Duration timeout) {
  auto waiter = std::make_shared<Waiter>();
  const auto started = begin(
      command, [waiter](Arrived arrived) { waiter->set(std::move(arrived)); }, true, timeout);
  switch (started) {
    case Started::taken:
      return waiter->wait(timeout);
    case Started::back_pressured:
      return std::unexpected(
          Failure{{ErrorCode::timeout, "too much in flight until the deadline"}});
    case Started::closed:
      break;
  }
  const std::lock_guard lock(mutex_);
  return std::unexpected(last_error_ ? Failure{*last_error_} : closed("not connected"));
}

Received Client::Impl::exchange_waiting(const std::string& command, Duration timeout,
                                        std::stop_token stop) {
  std::shared_ptr<Lane::Impl> lane;
  {
    std::unique_lock lock(mutex_);
    const auto free = [this] { return !idle_lanes_.empty() || lanes_ < options_.max_waiting; };
    if (!changed_.wait_for(lock, stop, timeout, free))
      return std::unexpected(
          stop.stop_requested()
              ? closed("stopped before it was sent")
              : Failure{{ErrorCode::timeout, "all waiting calls' lanes are in use"}});
    if (idle_lanes_.empty()) {
      lane = make_lane();
      ++lanes_;
    } else {
      lane = std::move(idle_lanes_.back());
      idle_lanes_.pop_back();
    }
  }
  auto received = lane->exchange(command, timeout, std::move(stop));
  const std::lock_guard lock(mutex_);
  idle_lanes_.push_back(std::move(lane));
  changed_.notify_all();
  return received;
}

// ---- the face

Result<std::unique_ptr<Client>> Client::connect(const Options& options) {
  auto endpoint = parse_url(options.url);
  if (!endpoint) return fail(std::move(endpoint.error()));
  auto impl = std::make_unique<Impl>(std::move(*endpoint), options);
  if (auto connected = impl->first_connection(); !connected)
    return fail(std::move(connected.error()));
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

std::unique_ptr<Lane> Client::open_lane() {
  return std::unique_ptr<Lane>(new Lane(impl_->make_lane()));
}

bool Client::connected() const {
  return impl_->connected();
}
bool Client::wait_until_connected(Duration timeout, std::stop_token stop) {
  return impl_->wait_until_connected(timeout, std::move(stop));
}
const Options& Client::options() const {
  return impl_->options();
}
std::string Client::peer() const {
  return impl_->endpoint().address();
}

Started Client::begin(const std::string& command, Callback callback) {
  return impl_->begin(command, std::move(callback), false, Duration(0));
}
Received Client::exchange(const std::string& command, Duration timeout) {
  return impl_->exchange(command, timeout);
}
Received Client::exchange_waiting(const std::string& command, Duration timeout,
                                  std::stop_token stop) {
  return impl_->exchange_waiting(command, timeout, std::move(stop));
}

}  // namespace penstock::client
