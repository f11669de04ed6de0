// An App, and the server that it is connected to.
#pragma once

#include <memory>
#include <thread>

#include "server/server.h"
#include "test/task/embedded_fixture.h"

namespace penstock::testing {

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    start_server();
    app_.emplace(App::connect(url()));
  }
  void TearDown() override {
    app_.reset();
    stop_server();
  }
  void start_server() {
    server::Settings settings;
    settings.data = directory_.path().string();
    settings.listen = {{net::Address::Kind::ip, "127.0.0.1", port_}};
    settings.grace = 1s;
    auto server = server::Server::start(settings);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    port_ = server_->addresses().front().port;
    thread_ = std::thread([this] { server_->run(); });
  }
  void stop_server() {
    server_->stop();
    thread_.join();
    server_.reset();
  }
  [[nodiscard]] std::string url() const { return "penstock://127.0.0.1:" + std::to_string(port_); }

  TemporaryDirectory directory_;
  std::uint16_t port_ = 0;
  std::unique_ptr<server::Server> server_;
  std::thread thread_;
  std::optional<App> app_;
};

}  // namespace penstock::testing
