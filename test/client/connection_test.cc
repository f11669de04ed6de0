// One connection without a client around it.
#include "client/connection.h"

#include <gtest/gtest.h>

#include "test/client/fake_server.h"

namespace penstock::client {
namespace {

TEST(Connection, LeavesTheErrorsOfSendNowToSendAndTellsThemOnce) {
  FakeServer server(1, [&](int, auto& socket) {
    FakeServer::hello(socket);
    socket.set_option(boost::asio::socket_base::linger(true, 0));  // ends with a reset
  });
  const auto endpoint = parse_url(server.url()).value();
  const Options options;
  boost::asio::io_context context;
  std::vector<Error> told;
  const auto connection = std::make_shared<Connection>(
      context, endpoint, options,
      Connection::Events{.on_ready = {},
                         .on_closed = [&](const Error& why) { told.push_back(why); },
                         .on_sent = {},
                         .on_reply = [](Reply&) { return true; }});
  connection->open({boost::asio::ip::address_v4::loopback(), endpoint.port});
  while (!connection->ready()) context.run_one();
  while (connection->send_now("x") > 0) std::this_thread::yield();  // until the reset has come
  EXPECT_TRUE(told.empty());
  std::string rest = "x";
  connection->send(rest);
  context.run();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().code, ErrorCode::closed);
}

}  // namespace
}  // namespace penstock::client
