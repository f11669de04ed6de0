// A broker with users, and sessions that are logged in as them.
#pragma once

#include "test/broker/fixture.h"

namespace penstock::broker {

using engine::Right;
using engine::Role;

// Somebody outside, with a session of his own.
struct Client {
  Sink sink;
  SessionId session;
};

class AccessTest : public BrokerTest {
 protected:
  Got put_user(std::string_view name, std::optional<engine::Roles> roles = engine::Roles{0},
               std::optional<std::string_view> password = "hash") {
    broker->put_user(session, ++tag, {name, password, roles});
    return wait(tag);
  }
  void add_administrator() { put_user("admin", engine::bit(Role::administrator)); }
  Got grant(std::string_view user, std::string_view configure, std::string_view write,
            std::string_view read, std::string_view host = "/") {
    broker->grant(session, ++tag, {user, host, configure, write, read});
    return wait(tag);
  }
  Got grant_topic(std::string_view user, std::string_view write, std::string_view read) {
    broker->grant_topic(session, ++tag, {user, "/", "amq.topic", write, read});
    return wait(tag);
  }
  Got revoke(std::string_view user, std::string_view host = "/") {
    broker->revoke(session, ++tag, user, host);
    return wait(tag);
  }
  Got remove_user(std::string_view name) {
    broker->remove_user(session, ++tag, name);
    return wait(tag);
  }
  std::unique_ptr<Client> guest() {
    auto client = std::make_unique<Client>();
    client->session = broker->open_session(client->sink, Broker::Trust::guest);
    return client;
  }
  std::unique_ptr<Client> as(std::string_view user) {
    auto client = guest();
    EXPECT_TRUE(broker->log_in(client->session, user)) << user;
    return client;
  }
  Got send_as(Client& client, std::string_view queue, std::string_view body) {
    const Input messages[]{input(body)};
    broker->publish(client.session, ++tag, {queue, messages});
    return wait(tag, client.sink);
  }
  Got route_as(Client& client, std::string_view exchange, std::vector<std::string_view> keys) {
    engine::RoutedPublish publish;
    publish.exchange = exchange;
    publish.keys = keys;
    publish.message = input("x");
    broker->publish_routed(client.session, ++tag, publish);
    return wait(tag, client.sink);
  }
  Got declare_as(Client& client, std::string_view queue,
                 std::vector<std::pair<std::string_view, std::string_view>> patch = {}) {
    broker->declare(client.session, ++tag, queue, patch);
    return wait(tag, client.sink);
  }
  Got bind_as(Client& client, std::string_view source, std::string_view queue,
              std::string_view key) {
    engine::BindingSpec spec;
    spec.source = source;
    spec.destination = queue;
    spec.key = key;
    broker->bind(client.session, ++tag, spec);
    return wait(tag, client.sink);
  }
  static bool is_denied(const Got& got) {
    return got.kind == "error" && got.error.code == ErrorCode::denied;
  }
};

}  // namespace penstock::broker
