// A server in this process, spoken to through real sockets.
#include "server/server.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "test/gateway/socket_client.h"
#include "test/server/temporary_directory.h"

namespace penstock::server {
namespace {

using namespace std::chrono_literals;
using testing::SocketClient;
using testing::TemporaryDirectory;

Settings settings_for(const TemporaryDirectory& directory) {
  Settings settings;
  settings.data = directory / "data";
  settings.listen = {*net::parse_address(":0")};
  settings.broker.journal.segment_bytes = 4u << 20;
  settings.broker.journal.spare_segments = 1;
  settings.broker.max_message_bytes = 1u << 20;
  return settings;
}

class Running {
 public:
  explicit Running(const Settings& settings) : server_(Server::start(settings).value()) {
    thread_ = std::thread([this] { server_->run(); });
  }
  ~Running() {
    server_->stop();
    thread_.join();
  }
  [[nodiscard]] const net::Address& address() const { return server_->addresses()[0]; }
  [[nodiscard]] const Server& server() const { return *server_; }

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::string http(std::string_view method, std::string_view target, std::string_view body) {
  return std::string(method) + " " + std::string(target) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

struct Response {
  int status = 0;
  std::string body;
};

Response read_response(SocketClient& client) {
  const std::string head = client.read_until("\r\n\r\n");
  Response response;
  if (head.size() > 12) response.status = std::stoi(head.substr(9, 3));
  const std::string field = "Content-Length: ";
  if (const std::size_t at = head.find(field); at != std::string::npos) {
    response.body = client.read(std::stoul(head.substr(at + field.size())));
  }
  return response;
}

std::string field_of(const std::string& json, const std::string& name) {
  const std::string key = "\"" + name + "\":\"";
  const std::size_t at = json.find(key);
  if (at == std::string::npos) return "";
  return json.substr(at + key.size(), json.find('"', at + key.size()) - at - key.size());
}

std::string command(const std::vector<std::string>& words) {
  std::string text = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return text;
}

std::string ask(SocketClient& client, const std::vector<std::string>& words) {
  client.send(command(words));
  return client.read_until("\r\n");
}

// "$5\r\nvalue\r\n" behind the given key of a reply.
std::string value_of(const std::string& reply, const std::string& key) {
  const std::string label = "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$";
  const std::size_t at = reply.find(label);
  if (at == std::string::npos) return "";
  const std::size_t begin = reply.find("\r\n", at + label.size()) + 2;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

class ServerTest : public ::testing::Test {
 protected:
  TemporaryDirectory directory_;
};

TEST_F(ServerTest, PublishesLeasesAndAcknowledgesOverHttp) {
  Running running(settings_for(directory_));
  SocketClient client(running.address());
  client.send(http("POST", "/v1/queues/mail/messages", R"({"to":"ada"})"));
  EXPECT_EQ(read_response(client).status, 202);
  client.send(http("POST", "/v1/queues/mail/lease", R"({"max":10,"wait":"5s"})"));
  const Response leased = read_response(client);
  EXPECT_EQ(leased.status, 200);
  const std::string lease = field_of(leased.body, "lease");
  ASSERT_FALSE(lease.empty()) << leased.body;
  client.send(http("POST", "/v1/leases/" + lease + "/ack", ""));
  EXPECT_EQ(read_response(client).status / 100, 2);
  client.send(http("POST", "/v1/leases/" + lease + "/ack", ""));
  EXPECT_EQ(read_response(client).status, 410) << "a lease is settled once";
}

TEST_F(ServerTest, TalksTheNativeProtocolOnTheSamePort) {
  Running running(settings_for(directory_));
  SocketClient client(running.address());
  EXPECT_EQ(ask(client, {"PING"}), "+PONG\r\n");
  EXPECT_EQ(ask(client, {"QUEUE.DECLARE", "mail", "max_length", "10"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"SEND", "mail", "hello"}), "$1\r\n");
  EXPECT_EQ(client.read_until("\r\n"), "1\r\n");
  client.send(command({"RECEIVE", "mail"}) + command({"PING"}));
  const std::string reply = client.read_until("+PONG\r\n");
  EXPECT_EQ(value_of(reply, "body"), "hello");
  EXPECT_EQ(ask(client, {"ACK", value_of(reply, "lease")}), ":1\r\n");
  EXPECT_EQ(ask(client, {"ACK", value_of(reply, "lease")}).substr(0, 5), "-LOST");
  EXPECT_EQ(ask(client, {"NONSENSE"}).substr(0, 4), "-ERR");
}

TEST_F(ServerTest, KnowsTheProtocolAlsoWhenBytesComeOneByOne) {
  Running running(settings_for(directory_));
  SocketClient native(running.address()), web(running.address());
  for (const char c : command({"PING"})) native.send(std::string_view(&c, 1));
  EXPECT_EQ(native.read_until("\r\n"), "+PONG\r\n");
  for (const char c : http("GET", "/healthz", "")) web.send(std::string_view(&c, 1));
  EXPECT_EQ(read_response(web).status, 200);
}

TEST_F(ServerTest, WakesAWaitingReceiverOfOneProtocolFromTheOther) {
  Running running(settings_for(directory_));
  SocketClient receiver(running.address()), sender(running.address());
  EXPECT_EQ(ask(receiver, {"QUEUE.DECLARE", "mail"}), "+OK\r\n");
  receiver.send(command({"RECEIVE", "mail", "WAIT", "20s"}));
  sender.send(http("POST", "/v1/queues/mail/messages", "hello"));
  EXPECT_EQ(read_response(sender).status, 202);
  EXPECT_EQ(receiver.read_until("\r\n"), "*1\r\n");
}

TEST_F(ServerTest, DeliversADelayedMessageWhenItIsDueAndNobodySaysAnything) {
  Running running(settings_for(directory_));
  SocketClient client(running.address());
  client.send(command({"SEND", "mail", "later", "DELAY", "100ms"}) +
              command({"RECEIVE", "mail", "WAIT", "20s"}));
  EXPECT_EQ(client.read_until("\r\n1\r\n"), "$1\r\n1\r\n");
  EXPECT_EQ(client.read_until("\r\n"), "*1\r\n");
}

TEST_F(ServerTest, ListensOnALocalSocketAndTakesOverADeadOne) {
  Settings settings = settings_for(directory_);
  settings.listen = {*net::parse_address("unix:" + (directory_ / "socket"))};
  {
    Running running(settings);
    SocketClient client(running.address());
    EXPECT_EQ(ask(client, {"PING"}), "+PONG\r\n");
    auto second = settings;
    second.data = directory_ / "other";
    const auto refused = Server::start(second);
    ASSERT_FALSE(refused) << "took a socket over that somebody listens on";
    EXPECT_TRUE(refused.error().message.contains("socket"));
  }
  // As a killed process leaves it.
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_ / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(fd);
  Running running(settings);
  SocketClient client(running.address());
  EXPECT_EQ(ask(client, {"PING"}), "+PONG\r\n");
}

TEST_F(ServerTest, KeepsWhatItConfirmedAndEndsClean) {
  {
    Running running(settings_for(directory_));
    EXPECT_TRUE(running.server().open_report().created);
    SocketClient client(running.address());
    EXPECT_EQ(ask(client, {"SEND", "mail", "kept"}), "$1\r\n");
  }
  Running running(settings_for(directory_));
  EXPECT_TRUE(running.server().open_report().clean);
  SocketClient client(running.address());
  client.send(command({"RECEIVE", "mail"}) + command({"PING"}));
  EXPECT_EQ(value_of(client.read_until("+PONG\r\n"), "body"), "kept");
}

TEST_F(ServerTest, StopsAlthoughReceiversWait) {
  std::optional<Running> running(settings_for(directory_));
  SocketClient waiting(running->address()), polling(running->address());
  EXPECT_EQ(ask(waiting, {"QUEUE.DECLARE", "mail"}), "+OK\r\n");
  waiting.send(command({"RECEIVE", "mail", "WAIT", "10m"}));
  polling.send(http("POST", "/v1/queues/mail/lease", R"({"wait":"10m"})"));
  SocketClient other(running->address());
  EXPECT_EQ(ask(other, {"PING"}), "+PONG\r\n");
  running.reset();
  EXPECT_EQ(waiting.read_all(), "*0\r\n");
  EXPECT_EQ(read_response(polling).status / 100, 2);
  EXPECT_EQ(waiting.error(), 0);
}

TEST_F(ServerTest, RefusesADirectoryThatIsInUseAndNamesTheHolder) {
  const Settings settings = settings_for(directory_);
  Running running(settings);
  const auto second = Server::start(settings);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_TRUE(second.error().message.contains(std::to_string(getpid()))) << second.error().message;
  EXPECT_FALSE(second.error().hint.empty());
}

TEST_F(ServerTest, RefusesAnAddressThatIsTaken) {
  Running running(settings_for(directory_));
  Settings settings = settings_for(directory_);
  settings.data = directory_ / "other";
  settings.listen = {running.address()};
  const auto second = Server::start(settings);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().message.contains(net::to_text(running.address())));
  EXPECT_TRUE(second.error().hint.contains("--listen"));
}

TEST_F(ServerTest, ServesManyClientsThatPublishAndTakeAtOnce) {
  Running running(settings_for(directory_));
  constexpr int kClients = 8;
  constexpr int kMessages = 200;
  std::vector<std::thread> threads;
  std::atomic<int> taken = 0;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&] {
      SocketClient client(running.address());
      for (int n = 0; n < kMessages; ++n) {
        client.send(command({"SEND", "mail", "hello"}) +
                    command({"RECEIVE", "mail", "WAIT", "20s"}) + command({"PING"}));
        const std::string reply = client.read_until("+PONG\r\n");
        client.send(command({"ACK", value_of(reply, "lease")}));
        if (client.read_until("\r\n") == ":1\r\n") ++taken;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kClients * kMessages);
}

}  // namespace
}  // namespace penstock::server
