// A connection to a Penstock elsewhere, over the native protocol (docs/protocols/native.md).
//
//   auto client = client::Client::connect({.url = "penstock://127.0.0.1:7411"});
//   auto id = (*client)->call(client::send("mail", "hello"));                        // blocks
//   (void)(*client)->start(client::send("mail", "again"), [](Answer<MessageId> id) { ... });
//
// Threads:  all functions may be called from any thread, those that block not from inside a
//           callback. Callbacks run on the client's own thread and must not block.
// Order:    commands that one thread starts on one client are carried out in that order, those on
//           lanes aside.
// Lifetime: the destructor answers what is in flight with Error::closed, closes the connections
//           and joins the thread. Lanes end before their client.
// Damage:   a broken connection answers everything in flight with Error::closed and is made again
//           by itself, with exponential backoff and jitter; until it stands, calls answer
//           Error::closed. A reply that is no RESP breaks the connection.
// Pressure: start() takes at most `max_in_flight` unanswered calls and `max_unsent_bytes`, then
//           says back_pressured; call() waits for room.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "client/request.h"
#include "flow/backoff.h"

namespace penstock::client {

struct Options {
  // penstock://[user:password@]host[:port]; "host:port" will do
  std::string url = "penstock://127.0.0.1:7411";
  std::string name{};  // shown by CLIENT LIST
  Duration connect_timeout = std::chrono::seconds(5);
  Duration call_timeout = std::chrono::seconds(30);  // of a call() that says nothing else
  flow::Backoff reconnect{.base = std::chrono::milliseconds(50), .cap = std::chrono::seconds(1)};
  std::size_t max_in_flight = 10'000;
  std::size_t max_unsent_bytes = 64u << 20;
  // Lanes that call_waiting() keeps; further calls wait here for a free one.
  std::size_t max_waiting = 64;
  // How long a server may take to answer a wait that it was told to end; then the connection is
  // broken off, and what was leased over it comes back.
  Duration end_of_wait_max = std::chrono::seconds(2);
};

// What a server takes at most. One that did not say takes anything, as far as is known.
struct Limits {
  std::uint64_t message_bytes = ~0ull;  // body and headers
  std::uint64_t argument_bytes = ~0ull;
};

enum class [[nodiscard]] Started : std::uint8_t{
    taken,           // the callback will be called, once
    back_pressured,  // as much in flight as is allowed: not sent, the callback is dropped
    closed,          // there is no connection just now: not sent, the callback is dropped
};

// penstock://[user:password@]host[:port], host:port or [v6]:port, apart; Error::invalid says what
// is accepted. User and password are percent-encoded there, and decoded here.
struct Endpoint {
  std::string host;
  std::uint16_t port = 7411;
  std::string user{}, password{};  // empty: nobody logs in

  [[nodiscard]] std::string address() const;  // "host:port", fit to be shown
};
[[nodiscard]] Result<Endpoint> parse_url(std::string_view url);
// The same address, for another user.
[[nodiscard]] Result<std::string> with_user(std::string_view url, std::string_view user,
                                            std::string_view password);

// A reply that was waited for. It is shared_ptr because Reply is incomplete here.
using Received = std::expected<std::shared_ptr<Reply>, Failure>;

template <class T>
[[nodiscard]] Answer<T> read_received(const Request<T>& request, const Received& received) {
  if (!received) return std::unexpected(received.error());
  return request.read(**received);
}

// A connection of its own for calls that wait at the server, so that they hold up nobody.
// Threads:  one caller at a time; a stop token may be triggered by any.
// Lifetime: leases taken through a lane come back at once when the lane ends, or its connection
//           does.
// Damage:   a broken connection is made anew by the next call.
class Lane {
 public:
  ~Lane();

  // The wait is the request's; `grace` is what connecting and the network may add. `stop` ends the
  // wait early and in order: the answer is what the server had by then, usually nothing.
  // Error::closed when it was stopped before the server heard of the call.
  template <class T>
  [[nodiscard]] Answer<T> call(const Request<T>& request, std::stop_token stop = {},
                               Duration grace = std::chrono::seconds(10)) {
    return read_received(request, exchange(request.command, request.wait + grace, std::move(stop)));
  }

  // The same in two steps, for who has something to do while the server works: begin() sends, and
  // end() waits for what comes. One call at a time, and each that begins is to be ended.
  template <class T>
  void begin(const Request<T>& request, Duration grace = std::chrono::seconds(10)) {
    begin(request.command, request.wait + grace);
  }
  template <class T>
  [[nodiscard]] Answer<T> end(const Request<T>& request, std::stop_token stop = {}) {
    return read_received(request, end(std::move(stop)));
  }

 private:
  friend class Client;
  [[nodiscard]] Received exchange(const std::string& command, Duration timeout,
                                  std::stop_token stop);
  void begin(const std::string& command, Duration timeout);
  [[nodiscard]] Received end(std::stop_token stop);
  class Impl;
  explicit Lane(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Client {
 public:
  // Comes back when the first connection stands and the server has said HELLO. Error::closed when
  // it cannot be reached, Error::timeout after connect_timeout, Error::unsupported when something
  // else listens there.
  [[nodiscard]] static Result<std::unique_ptr<Client>> connect(const Options& options);
  ~Client();

  // Sends and waits for the answer; waits for room, too, when too much is in flight.
  template <class T>
  [[nodiscard]] Answer<T> call(const Request<T>& request) {
    return call(request, options().call_timeout);
  }
  template <class T>
  [[nodiscard]] Answer<T> call(const Request<T>& request, Duration timeout) {
    if (auto error = too_large(request.largest)) return std::unexpected(Failure{*error});
    return read_received(request, exchange(request.command, timeout));
  }

  // As call(), for what means the same over any connection; nothing that is leased or announced. A
  // caller who has been alone for some calls has a lane to himself, which is quicker: nobody needs
  // to wake him.
  template <class T>
  [[nodiscard]] Answer<T> call_anyhow(const Request<T>& request) {
    if (auto error = too_large(request.largest)) return std::unexpected(Failure{*error});
    return read_received(request, exchange_anyhow(request.command, options().call_timeout));
  }

  // Sends and comes back at once; `then` gets the Answer<T>. The caller sees to limits() here.
  template <class T, class Then>
  Started start(const Request<T>& request, Then then) {
    return begin(
        request.command, [read = request.read, then = std::move(then)](Arrived arrived) mutable {
          then(arrived ? read(**arrived) : Answer<T>(std::unexpected(std::move(arrived.error()))));
        });
  }

  [[nodiscard]] std::unique_ptr<Lane> open_lane();

  // Lane::call() over one of the client's own lanes; what it leased stays as long as the client.
  template <class T>
  [[nodiscard]] Answer<T> call_waiting(const Request<T>& request, std::stop_token stop = {},
                                       Duration grace = std::chrono::seconds(10)) {
    if (auto error = too_large(request.largest)) return std::unexpected(Failure{*error});
    return read_received(request,
                         exchange_waiting(request.command, request.wait + grace, std::move(stop)));
  }

  [[nodiscard]] bool connected() const;
  // Returns at once while connected; otherwise when the connection stands again, at the latest
  // after `timeout` or when `stop` is triggered. Gives connected().
  bool wait_until_connected(Duration timeout, std::stop_token stop = {});
  // For who tries again: returns after `time`, or when `stop` is triggered.
  void pause(Duration time, std::stop_token stop = {});
  [[nodiscard]] const Options& options() const;
  // As the server said last. The blocking calls answer Error::too_large by themselves, where a
  // larger argument would break the connection for everybody.
  [[nodiscard]] Limits limits() const;
  // "host:port" of the server.
  [[nodiscard]] std::string peer() const;

 private:
  using Arrived = std::expected<Reply*, Failure>;  // the reply lives during the callback
  using Callback = std::move_only_function<void(Arrived)>;

  [[nodiscard]] std::optional<Error> too_large(std::uint64_t argument_bytes) const;
  Started begin(const std::string& command, Callback callback);
  [[nodiscard]] Received exchange(const std::string& command, Duration timeout);
  [[nodiscard]] Received exchange_anyhow(const std::string& command, Duration timeout);
  [[nodiscard]] Received exchange_waiting(const std::string& command, Duration timeout,
                                          std::stop_token stop);

  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::client
