// A server that says what the test wants, to each connection on a thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace penstock::client {

inline constexpr std::string_view kHelloReply =
    "%3\r\n$6\r\nserver\r\n$8\r\npenstock\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:5\r\n";

class FakeServer {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  // `serve` is called with each connection and its number; the connection ends when it returns.
  explicit FakeServer(int connections, std::function<void(int, Socket&)> serve)
      : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this, connections, serve = std::move(serve)] {
          std::vector<std::jthread> serving;
          for (int n = 0; n < connections; ++n) {
            boost::system::error_code ended;
            Socket socket = acceptor_.accept(ended);
            if (ended) return;
            serving.emplace_back(
                [&serve, n, socket = std::move(socket)]() mutable { serve(n, socket); });
          }
        }) {}
  ~FakeServer() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);  // ends an accept that nobody will come to
    thread_.join();
  }

  [[nodiscard]] std::string url() const {
    return "penstock://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }

  // Reads until `text` came, or the peer is gone.
  static bool read_until(Socket& socket, std::string_view text) {
    std::string all;
    char buffer[4096];
    boost::system::error_code error;
    while (all.find(text) == std::string::npos) {
      const auto count = socket.read_some(boost::asio::buffer(buffer), error);
      if (error) return false;
      all.append(buffer, count);
    }
    return true;
  }
  static void write(Socket& socket, std::string_view text) {
    boost::system::error_code gone;
    boost::asio::write(socket, boost::asio::buffer(text), gone);
  }
  static void hello(Socket& socket) {
    read_until(socket, "HELLO");
    write(socket, kHelloReply);
  }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace penstock::client
