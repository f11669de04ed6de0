#include "client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "client/connection.h"
#include "client/lane.h"
#include "client/waiter.h"
#include "os/real_clock.h"

namespace penstock::client {
namespace {

// In a row, with nobody beside them: whoever makes fewer is better off without another connection.
constexpr std::uint32_t kCallsBeforeALane = 8;

using Callback = std::move_only_function<void(Arrived)>;

Failure closed(std::string message) {
  return {{ErrorCode::closed, std::move(message)}};
}

}  // namespace

// Who is alone and waits for the answer sends the command himself, and wakes nobody. Else it goes
// to the outbox, which is filled by any thread and emptied by the client's own, which is woken once
// for all that gathered meanwhile.
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
    thread_.join();
  }

  Result<void> first_connection();
  // Whether the caller is to wait for room, and to send the command itself.
  enum class Manner : std::uint8_t { at_once, waiting };
  Started begin(const std::string& command, Callback callback, Manner manner, Duration timeout);
  Received exchange(const std::string& command, Duration timeout);
  Received exchange_anyhow(const std::string& command, Duration timeout);
  Received exchange_waiting(const std::string& command, Duration timeout, std::stop_token stop);
  std::unique_ptr<Lane::Impl> make_lane() {
    return std::make_unique<Lane::Impl>(endpoint_, options_, [this] {
      const std::lock_guard lock(mutex_);
      return address_;
    });
  }
  bool wait_until_connected(Duration timeout, std::stop_token stop);
  void pause(Duration time, std::stop_token stop);

  [[nodiscard]] Limits limits() const {
    const std::lock_guard lock(mutex_);
    return limits_;
  }
  [[nodiscard]] bool connected() const {
    const std::lock_guard lock(mutex_);
    return ready_ != nullptr;
  }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  // ---- on the client's thread
  void open_connection();
  void on_ready();
  void on_closed(const Error& why);
  bool on_reply(Reply& reply);
  void flush_outbox();
  // ---- on the caller's
  // The three under mutex_.
  [[nodiscard]] bool may_take_lane() const {
    return !idle_lanes_.empty() || lanes_ < options_.max_waiting;
  }
  [[nodiscard]] std::unique_ptr<Lane::Impl> take_lane();
  void put_back(std::unique_ptr<Lane::Impl> lane);
  void send_now(const std::shared_ptr<Connection>& connection, std::string_view command);

  [[nodiscard]] bool has_room(std::size_t bytes) const {
    return calls_.size() < options_.max_in_flight &&
           (calls_.empty() || calls_bytes_ + bytes <= options_.max_unsent_bytes);
  }

  // A command that was not answered yet.
  struct Call {
    Callback callback;
    std::size_t bytes;
  };
  // Whose turn it is to give the connection what is in the outbox, and all that comes behind it.
  enum class Sender : std::uint8_t { nobody, a_caller, the_client };

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

  // Of all threads.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // room, a connection, a lane
  std::shared_ptr<Connection> ready_;    // null while there is none
  Connection::Address address_;          // of the last that was
  Limits limits_;                        // of the last that was
  std::optional<Error> last_error_;      // of the last attempt to connect
  std::deque<Call> calls_;               // in the order of their commands
  std::size_t calls_bytes_ = 0;
  std::string outbox_;
  Sender sender_ = Sender::nobody;
  std::size_t waiting_for_room_ = 0;
  std::vector<std::unique_ptr<Lane::Impl>> idle_lanes_;
  std::size_t lanes_ = 0;          // made, at most max_waiting
  std::uint32_t calls_alone_ = 0;  // in a row, of those anyhow; at most kCallsBeforeALane
  bool has_lone_caller_ = false;

  std::thread thread_;  // last: everything else is there when it starts
};

// ---- connecting

Result<void> Client::Impl::first_connection() {
  boost::asio::post(context_, [this] { open_connection(); });
  std::unique_lock lock(mutex_);
  const auto settled = [this] { return ready_ != nullptr || last_error_.has_value(); };
  // The connection gives up by itself, with a better reason; this is for a machine out of breath.
  if (!changed_.wait_for(lock, options_.connect_timeout + std::chrono::seconds(5), settled))
    return fail(ErrorCode::timeout, "no connection by the deadline");
  if (!ready_) return fail(std::move(*last_error_).at("connect to " + endpoint_.address()));
  return {};
}

void Client::Impl::open_connection() {
  if (ending_) return;
  connection_ = std::make_shared<Connection>(
      context_, endpoint_, options_,
      Connection::Events{.on_ready = [this] { on_ready(); },
                         .on_closed = [this](const Error& why) { on_closed(why); },
                         .on_sent = [this] { flush_outbox(); },
                         .on_reply = [this](Reply& reply) { return on_reply(reply); }});
  connection_->open();
}

void Client::Impl::on_ready() {
  failures_ = 0;
  const std::lock_guard lock(mutex_);
  ready_ = connection_;
  address_ = connection_->address();
  limits_ = connection_->limits();
  last_error_.reset();
  changed_.notify_all();
}

void Client::Impl::on_closed(const Error& why) {
  connection_.reset();
  // First the news, then the answers: who is told that a call failed may rely on connected().
  std::deque<Call> unanswered;
  {
    const std::lock_guard lock(mutex_);
    ready_.reset();
    last_error_ = why;
    unanswered.swap(calls_);
    calls_bytes_ = 0;
    outbox_.clear();
    if (sender_ == Sender::the_client) sender_ = Sender::nobody;
    changed_.notify_all();
  }
  for (auto& call : unanswered) call.callback(std::unexpected(Failure{why}));
  if (ending_) return;
  ++failures_;
  reconnect_timer_.expires_after(flow::delay_after(options_.reconnect, failures_, random_->next()));
  reconnect_timer_.async_wait([this](const boost::system::error_code& code) {
    if (!code) open_connection();
  });
}

bool Client::Impl::wait_until_connected(Duration timeout, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::move(stop), timeout, [this] { return ready_ != nullptr; });
}

void Client::Impl::pause(Duration time, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  (void)changed_.wait_for(lock, std::move(stop), time, [] { return false; });
}

// ---- calls

Started Client::Impl::begin(const std::string& command, Callback callback, Manner manner,
                            Duration timeout) {
  const auto bytes = command.size();
  std::unique_lock lock(mutex_);
  if (!ready_) return Started::closed;
  if (!has_room(bytes)) {
    if (manner == Manner::at_once) return Started::back_pressured;
    ++waiting_for_room_;
    const bool room = changed_.wait_for(lock, timeout, [&] { return !ready_ || has_room(bytes); });
    --waiting_for_room_;
    if (!ready_) return Started::closed;
    if (!room) return Started::back_pressured;
  }
  const bool sends = calls_.empty() && sender_ == Sender::nobody && manner == Manner::waiting;
  calls_.push_back({std::move(callback), bytes});
  calls_bytes_ += bytes;
  if (sends) {
    sender_ = Sender::a_caller;
    const auto connection = ready_;
    lock.unlock();
    send_now(connection, command);
  } else {
    outbox_.append(command);
    if (sender_ != Sender::nobody) return Started::taken;
    sender_ = Sender::the_client;
    lock.unlock();
    boost::asio::post(context_, [this] { flush_outbox(); });
  }
  return Started::taken;
}

void Client::Impl::send_now(const std::shared_ptr<Connection>& connection,
                            std::string_view command) {
  const auto sent = connection->send_now(command);
  {
    const std::lock_guard lock(mutex_);
    // Of a connection that broke meanwhile all calls are answered.
    if (connection == ready_) outbox_.insert(0, command.substr(sent));
    if (outbox_.empty()) {
      sender_ = Sender::nobody;
      return;
    }
    sender_ = Sender::the_client;
  }
  boost::asio::post(context_, [this] { flush_outbox(); });
}

// Called again when what it gave the connection is sent.
void Client::Impl::flush_outbox() {
  if (!connection_ || connection_->sending()) return;
  {
    const std::lock_guard lock(mutex_);
    if (sender_ != Sender::the_client) return;  // that was for a connection that broke
    if (outbox_.empty()) {
      sender_ = Sender::nobody;
      return;
    }
    sending_.swap(outbox_);
  }
  connection_->send(sending_);
}

bool Client::Impl::on_reply(Reply& reply) {
  Callback callback;
  {
    const std::lock_guard lock(mutex_);
    if (calls_.empty()) return false;
    callback = std::move(calls_.front().callback);
    calls_bytes_ -= calls_.front().bytes;
    calls_.pop_front();
    if (waiting_for_room_ > 0) changed_.notify_all();
  }
  callback(&reply);
  return true;
}

Received Client::Impl::exchange(const std::string& command, Duration timeout) {
  auto waiter = std::make_shared<Waiter>();
  const auto started = begin(
      command, [waiter](Arrived arrived) { waiter->set(std::move(arrived)); }, Manner::waiting,
      timeout);
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
  auto failure = last_error_ ? Failure{*last_error_} : closed("not connected");
  failure.unsent = true;
  return std::unexpected(std::move(failure));
}

// Over the connection of all, commands of several go and are answered together; so only who is
// alone has a lane instead.
Received Client::Impl::exchange_anyhow(const std::string& command, Duration timeout) {
  std::unique_ptr<Lane::Impl> lane;
  {
    const std::lock_guard lock(mutex_);
    const bool is_alone = calls_.empty() && !has_lone_caller_;
    if (!is_alone)
      calls_alone_ = 0;
    else if (calls_alone_ < kCallsBeforeALane)
      ++calls_alone_;
    else if (ready_ && may_take_lane())
      lane = take_lane();
    has_lone_caller_ = has_lone_caller_ || lane;
  }
  if (!lane) return exchange(command, timeout);
  auto received = lane->exchange(command, timeout, {});
  const std::lock_guard lock(mutex_);
  has_lone_caller_ = false;
  put_back(std::move(lane));
  return received;
}

Received Client::Impl::exchange_waiting(const std::string& command, Duration timeout,
                                        std::stop_token stop) {
  std::unique_ptr<Lane::Impl> lane;
  {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, stop, timeout, [this] { return may_take_lane(); }))
      return std::unexpected(
          stop.stop_requested()
              ? closed("stopped before it was sent")
              : Failure{{ErrorCode::timeout, "all waiting calls' lanes are in use"}});
    lane = take_lane();
  }
  auto received = lane->exchange(command, timeout, std::move(stop));
  const std::lock_guard lock(mutex_);
  put_back(std::move(lane));
  return received;
}

std::unique_ptr<Lane::Impl> Client::Impl::take_lane() {
  if (idle_lanes_.empty()) {
    ++lanes_;
    return make_lane();
  }
  auto lane = std::move(idle_lanes_.back());
  idle_lanes_.pop_back();
  return lane;
}

void Client::Impl::put_back(std::unique_ptr<Lane::Impl> lane) {
  idle_lanes_.push_back(std::move(lane));
  changed_.notify_all();
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
void Client::pause(Duration time, std::stop_token stop) {
  impl_->pause(time, std::move(stop));
}
bool Client::wait_until_connected(Duration timeout, std::stop_token stop) {
  return impl_->wait_until_connected(timeout, std::move(stop));
}
Limits Client::limits() const {
  return impl_->limits();
}
std::optional<Error> Client::too_large(std::uint64_t argument_bytes) const {
  const auto most = limits().argument_bytes;
  if (argument_bytes <= most) return {};
  return Error{
      ErrorCode::too_large,
      fmt::format("{} bytes in one piece, and the server takes at most {}", argument_bytes, most),
      "send a reference to the data instead"};
}
const Options& Client::options() const {
  return impl_->options();
}
std::string Client::peer() const {
  return impl_->endpoint().address();
}

Started Client::begin(const std::string& command, Callback callback) {
  return impl_->begin(command, std::move(callback), Impl::Manner::at_once, Duration(0));
}
Received Client::exchange(const std::string& command, Duration timeout) {
  return impl_->exchange(command, timeout);
}
Received Client::exchange_anyhow(const std::string& command, Duration timeout) {
  return impl_->exchange_anyhow(command, timeout);
}
Received Client::exchange_waiting(const std::string& command, Duration timeout,
                                  std::stop_token stop) {
  return impl_->exchange_waiting(command, timeout, std::move(stop));
}

}  // namespace penstock::client
