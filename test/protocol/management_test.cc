// RabbitMQ's management API: what it tells, what it declares, and what it refuses.
#include <fstream>
#include <set>
#include <sstream>

#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kGuest = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n";

class Management : public HttpTest {
 protected:
  Response api(std::string_view start, std::string_view body = {}) {
    return ask(start, body, kGuest);
  }
  int status(std::string_view start, std::string_view body = {}) { return api(start, body).status; }
  // The reason of a refusal with this status.
  std::string refused(int wanted, std::string_view start, std::string_view body = {}) {
    const auto response = api(start, body);
    EXPECT_EQ(response.status, wanted) << start << " " << body << ": " << response.body;
    return response.text("/reason");
  }
  void publish(std::string_view queue, std::string_view payload,
               std::string_view properties = "{}") {
    const auto body = R"({"routing_key":")" + std::string(queue) + R"(","payload":")" +
                      std::string(payload) + R"(","payload_encoding":"string","properties":)" +
                      std::string(properties) + "}";
    const auto answer = api("POST /api/exchanges/%2F/amq.default/publish", body);
    EXPECT_EQ(answer.body, R"({"routed":true})");
  }
};

// ---- who asks

TEST_F(Management, OnlyGuestFromThisMachineMayAsk) {
  EXPECT_EQ(api("GET /api/whoami").text("/name"), "guest");
  const auto refused = ask("GET /api/whoami");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.text("/error"), "not_authorised");
  EXPECT_NE(refused.field("WWW-Authenticate").find("Basic"), std::string::npos);
  for (const std::string_view credentials : {"Basic Z3Vlc3Q6d3Jvbmc=", "Basic Z3Vlc3Q=", "Basic !!",
                                             "Bearer Z3Vlc3Q6Z3Vlc3Q=", "Basic", "Basic ", ""}) {
    const auto field = "Authorization: " + std::string(credentials) + "\r\n";
    EXPECT_EQ(ask("PUT /api/queues/%2F/q", "{}", field).status, 401) << credentials;
  }
  peer().loopback = false;
  EXPECT_EQ(status("GET /api/whoami"), 401);
  EXPECT_EQ(broker_->topology().hosts().size(), 1u);
}

TEST_F(Management, UnknownPathsAndMethodsAreRefusedAsRabbitMQDoes) {
  EXPECT_EQ(api("GET /api/nosuch").text("/error"), "Object Not Found");
  const auto refused = api("PUT /api/overview", "{}");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.field("Allow"), "GET, HEAD, OPTIONS");
}

TEST(ManagementDocumentation, ListsTheRoutesAsTheTableHasThem) {
  std::ifstream file(std::string(PENSTOCK_SOURCE_DIR) + "/docs/protocols/management.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(routes_as_markdown(management_routes())), std::string::npos)
      << "docs/protocols/management.md must contain:\n"
      << routes_as_markdown(management_routes());
}

// ---- queues

TEST_F(Management, AQueueIsDeclaredListedAndDeleted) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q",
                   R"({"durable":"true","arguments":{"x-max-length":9},"node":null})"),
            201);
  EXPECT_EQ(status("PUT /api/queues/%2F/q", R"({"durable":true,"arguments":{"x-max-length":9}})"),
            204);
  EXPECT_NE(refused(400, "PUT /api/queues/%2F/q", R"({"durable":true})").find("inequivalent arg"),
            std::string::npos);
  publish("q", "x");
  const auto page = api("GET /api/queues/%2F/q");
  EXPECT_EQ(page.text("/arguments"), R"({"x-max-length":9})");
  EXPECT_EQ(page.text("/messages"), "1");
  EXPECT_EQ(page.text("/durable"), "true");
  EXPECT_EQ(api("GET /api/queues").text("/0/name"), "q");
  EXPECT_EQ(refused(400, "DELETE /api/queues/%2F/q?if-empty=true"),
            "queue 'q' in vhost '/' is not empty");
  EXPECT_EQ(status("DELETE /api/queues/%2F/q/contents"), 204);
  EXPECT_EQ(api("GET /api/queues/%2F/q").text("/messages"), "0");
  EXPECT_EQ(status("DELETE /api/queues/%2F/q?if-empty=true"), 204);
  EXPECT_EQ(refused(404, "GET /api/queues/%2F/q"), "no queue 'q' in vhost '/'");
}

TEST_F(Management, AVirtualHostHasItsOwnQueues) {
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 201);
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 204);
  EXPECT_EQ(status("PUT /api/queues/shop/q", "{}"), 201);
  EXPECT_EQ(api("GET /api/queues/shop").text("/0/vhost"), "shop");
  EXPECT_EQ(api("GET /api/queues/%2F").body, "[]");
  EXPECT_EQ(status("GET /api/queues/%2F/q"), 404);
  EXPECT_EQ(api("GET /api/vhosts/shop").text("/name"), "shop");
  EXPECT_EQ(status("DELETE /api/vhosts/shop"), 204);
  EXPECT_EQ(refused(404, "GET /api/queues/shop/q"), R"(no virtual host "shop")");
  EXPECT_EQ(status("DELETE /api/vhosts/%2F"), 401);
}

TEST_F(Management, AListIsGivenInPages) {
  for (const auto* name : {"a", "b", "c", "other", "e"})
    EXPECT_EQ(status("PUT /api/queues/%2F/" + std::string(name), "{}"), 201);
  const auto page = api("GET /api/queues?page=2&page_size=2");
  EXPECT_EQ(page.text("/items/0/name"), "c");
  EXPECT_EQ(page.text("/items/1/name"), "e");
  EXPECT_EQ(page.text("/item_count"), "2");
  EXPECT_EQ(page.text("/page_count"), "3");
  const auto found = api("GET /api/queues?page=1&name=the");
  EXPECT_EQ(found.text("/items/0/name"), "other");
  EXPECT_EQ(found.text("/filtered_count"), "1");
  EXPECT_EQ(found.text("/total_count"), "5");
  EXPECT_EQ(api("GET /api/queues?page=9").text("/items"), "[]");
  EXPECT_EQ(status("GET /api/queues?page=0"), 400);
  EXPECT_EQ(status("GET /api/queues?page=1&page_size=501"), 400);
  EXPECT_EQ(status("GET /api/queues?page=x"), 400);
}

// ---- exchanges and bindings

TEST_F(Management, ExchangesAndBindingsAreDeclaredListedAndDeleted) {
  EXPECT_EQ(status("PUT /api/exchanges/%2F/x", R"({"type":"headers","durable":true})"), 201);
  EXPECT_EQ(status("PUT /api/exchanges/%2F/x", R"({"type":"headers","durable":true})"), 204);
  EXPECT_EQ(status("PUT /api/exchanges/%2F/x", R"({"type":"topic","durable":true})"), 400);
  EXPECT_EQ(status("PUT /api/queues/%2F/q", R"({"durable":true})"), 201);
  const auto bound = api("POST /api/bindings/%2F/e/x/q/q",
                         R"({"routing_key":"a~b","arguments":{"x-match":"any","n":1}})");
  EXPECT_EQ(bound.status, 201);
  const auto place = bound.field("Location");
  EXPECT_EQ(api("GET " + place).text("/arguments"), R"({"n":1,"x-match":"any"})");
  const auto list = api("GET /api/queues/%2F/q/bindings");
  EXPECT_EQ(list.text("/0/source"), "");
  EXPECT_EQ(list.text("/1/routing_key"), "a~b");
  EXPECT_EQ(api("GET /api/exchanges/%2F/x/bindings/source").json().as_array().size(), 1u);
  EXPECT_EQ(api("GET /api/bindings").json().as_array().size(), 2u);
  EXPECT_EQ(status("DELETE " + place), 204);
  EXPECT_EQ(status("DELETE " + place), 404);
  EXPECT_EQ(status("PUT /api/exchanges/%2F/y", R"({"type":"fanout"})"), 201);
  EXPECT_EQ(status("POST /api/bindings/%2F/e/x/e/y", "{}"), 201);
  EXPECT_EQ(api("GET /api/exchanges/%2F/y/bindings/destination").text("/0/properties_key"), "~");
  EXPECT_EQ(status("DELETE /api/bindings/%2F/e/x/e/y/~"), 204);
  EXPECT_EQ(status("DELETE /api/exchanges/%2F/x"), 204);
  EXPECT_EQ(status("GET /api/exchanges/%2F/x"), 404);
}

TEST_F(Management, TheDefaultExchangeIsThereAndCannotBeChanged) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", "{}"), 201);
  EXPECT_EQ(api("GET /api/exchanges/%2F/amq.default").text("/name"), "");
  EXPECT_EQ(api("GET /api/exchanges/%2F/amq.default/bindings/source").text("/0/destination"), "q");
  EXPECT_EQ(api("GET /api/bindings/%2F/e/amq.default/q/q/q").text("/routing_key"), "q");
  EXPECT_EQ(status("DELETE /api/exchanges/%2F/amq.default"), 401);
  EXPECT_EQ(status("DELETE /api/exchanges/%2F/amq.topic"), 401);
  EXPECT_EQ(status("POST /api/bindings/%2F/e/amq.default/q/q", "{}"), 401);
  EXPECT_EQ(status("PUT /api/queues/%2F/amq.mine", "{}"), 401);
}

// ---- messages

TEST_F(Management, AMessageIsPublishedWithItsPropertiesAndGotWithThem) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", "{}"), 201);
  publish("q", "h\\u00e9llo",
          R"({"delivery_mode":2,"message_id":"m","priority":3,"headers":{"a":1,"b":[true,null]}})");
  const auto got = api("POST /api/queues/%2F/q/get",
                       R"({"count":"5","ackmode":"ack_requeue_false","encoding":"auto"})");
  EXPECT_EQ(got.text("/0/payload"), "h\u00e9llo");
  EXPECT_EQ(got.text("/0/payload_encoding"), "string");
  EXPECT_EQ(got.text("/0/routing_key"), "q");
  EXPECT_EQ(got.text("/0/message_count"), "0");
  EXPECT_EQ(got.text("/0/properties/headers"), R"({"a":1,"b":[true,null]})");
  EXPECT_EQ(got.text("/0/properties/message_id"), "m");
  EXPECT_EQ(broker_->statistics().messages, 0u);
}

TEST_F(Management, WhatIsNoTextIsToldInBase64AndMayBeCutShort) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", "{}"), 201);
  api("POST /api/exchanges/%2F/amq.default/publish",
      R"({"routing_key":"q","payload":"AP/+","payload_encoding":"base64","properties":[]})");
  const auto got = api("POST /api/queues/%2F/q/get", R"({"truncate":2})");
  EXPECT_EQ(got.text("/0/payload"), "AP8=");
  EXPECT_EQ(got.text("/0/payload_encoding"), "base64");
  EXPECT_EQ(got.text("/0/payload_bytes"), "3");
  const auto again = api("POST /api/queues/%2F/q/get", R"({"encoding":"base64"})");
  EXPECT_EQ(again.text("/0/payload"), "AP/+");
  EXPECT_EQ(again.text("/0/redelivered"), "true");
}

TEST_F(Management, WhatBecomesOfAMessageIsSaidByTheMode) {
  EXPECT_EQ(status("PUT /api/queues/%2F/dead", "{}"), 201);
  EXPECT_EQ(
      status("PUT /api/queues/%2F/q",
             R"({"arguments":{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"dead"}})"),
      201);
  publish("q", "1");
  publish("q", "2");
  for (const auto* mode : {"ack_requeue_true", "reject_requeue_true"}) {
    const auto body = R"({"count":2,"ackmode":")" + std::string(mode) + R"("})";
    const auto got = api("POST /api/queues/%2F/q/get", body);
    EXPECT_EQ(got.text("/0/payload") + got.text("/1/payload"), "12") << mode;
    EXPECT_EQ(got.text("/0/message_count"), "1");
  }
  api("POST /api/queues/%2F/q/get", R"({"ackmode":"reject_requeue_false"})");
  api("POST /api/queues/%2F/q/get", R"({"requeue":false})");
  EXPECT_EQ(api("GET /api/queues/%2F/q").text("/messages"), "0");
  EXPECT_EQ(api("POST /api/queues/%2F/dead/get", "{}").text("/0/payload"), "1");
  EXPECT_EQ(api("POST /api/queues/%2F/q/get", "{}").body, "[]");
}

TEST_F(Management, APeerThatLeavesBetweenGettingAndItsAnswerLosesNothing) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", R"({"durable":true})"), 201);
  publish("q", "x");
  const auto get =
      request("POST /api/queues/%2F/q/get", R"({"ackmode":"ack_requeue_false"})", kGuest);
  peer().give(get);
  broker_->turn();  // taken, and not durable yet
  peer_->close();
  broker_->settle_down();
  EXPECT_EQ(broker_->statistics().sessions, 0u);
  EXPECT_EQ(api("POST /api/queues/%2F/q/get", "{}").text("/0/payload"), "x");
}

TEST_F(Management, APublishThatFindsTheQueueFullIsRefusedWithATime) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q",
                   R"({"arguments":{"x-max-length":1,"x-overflow":"reject-publish"}})"),
            201);
  publish("q", "1");
  const auto refused =
      api("POST /api/exchanges/%2F/amq.default/publish",
          R"({"routing_key":"q","payload":"2","payload_encoding":"string","properties":{}})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.field("Retry-After"), "");
  EXPECT_EQ(refused.text("/error"), "service_unavailable");
}

TEST_F(Management, TheServerIsAliveWhenAMessageComesBack) {
  EXPECT_EQ(api("GET /api/aliveness-test/%2F").text("/status"), "ok");
  EXPECT_EQ(broker_->statistics().messages, 0u);
  EXPECT_EQ(status("GET /api/aliveness-test/none"), 404);
}

// ---- the one rule

// Whatever is told, the answer comes only when all that it rests on is on the disk.
TEST_F(Management, NothingIsToldBeforeItIsDurable) {
  const std::string_view asked[] = {
      "GET /api/overview",          "GET /api/queues",      "GET /api/queues/%2F/new",
      "GET /api/queues/%2F/gone",   "GET /api/exchanges",   "GET /api/exchanges/%2F/gone",
      "GET /api/bindings",          "GET /api/vhosts/gone", "GET /api/definitions",
      "GET /api/queues/gone",       "GET /api/consumers",   "GET /api/bindings/%2F/e/x/q/q/none",
      "DELETE /api/queues/%2F/none"};
  for (const auto start : asked) {
    open({});
    EXPECT_EQ(status("PUT /api/queues/%2F/q", R"({"durable":true})"), 201);
    EXPECT_EQ(status("PUT /api/exchanges/%2F/x", R"({"durable":true})"), 201);
    Peer other(*service_);
    other.give(request("PUT /api/queues/%2F/new", R"({"durable":true})", kGuest));
    Peer watcher(*service_);
    watcher.give(request(start, {}, kGuest));
    broker_->turn();
    EXPECT_EQ(watcher.take_output(), "") << start;
    broker_->settle_down();
    EXPECT_EQ(responses(watcher.take_output()).size(), 1u) << start;
  }
}

// ---- definitions

TEST_F(Management, DefinitionsComeBackAsTheyWere) {
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 201);
  EXPECT_EQ(
      status("PUT /api/queues/shop/q", R"({"durable":true,"arguments":{"x-message-ttl":60000}})"),
      201);
  ask("PUT /v1/queues/native", R"({"max_attempts":7,"max_wait":"2s"})");
  EXPECT_EQ(status("PUT /api/exchanges/shop/x", R"({"type":"topic","durable":true})"), 201);
  EXPECT_EQ(status("POST /api/bindings/shop/e/x/q/q", R"({"routing_key":"a.#"})"), 201);
  const auto before = api("GET /api/definitions").body;
  const auto of_shop = api("GET /api/definitions/shop").body;
  open({});
  EXPECT_EQ(status("POST /api/definitions", before), 204);
  EXPECT_EQ(api("GET /api/definitions").body, before);
  EXPECT_EQ(ask("GET /v1/queues/native").text("/options/max_attempts"), "7");
  EXPECT_EQ(status("POST /api/definitions", before), 204) << "again";
  open({});
  EXPECT_EQ(status("POST /api/definitions/shop", of_shop), 404);
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 201);
  EXPECT_EQ(status("POST /api/definitions/shop", of_shop), 204);
  EXPECT_EQ(api("GET /api/definitions/shop").body, of_shop);
}

TEST_F(Management, ManyDefinitionsAreTakenAndDurable) {
  std::string queues;
  for (int n = 0; n < 1000; ++n)
    queues += std::string(n == 0 ? "" : ",") + R"({"name":"q)" + std::to_string(n) +
              R"(","vhost":"/","durable":true})";
  EXPECT_EQ(status("POST /api/definitions", R"({"queues":[)" + queues + "]}"), 204);
  EXPECT_EQ(api("GET /api/overview").text("/object_totals/queues"), "1000");
  EXPECT_EQ(status("GET /api/whoami"), 200) << "the connection goes on";
}

TEST_F(Management, NothingOfDefinitionsThatCannotBeReadIsDeclared) {
  const std::string_view bad[] = {
      R"([])",
      R"({"queues":{}})",
      R"({"queues":[{"name":"a","vhost":"/","durable":true},{"name":"b"}]})",
      R"({"queues":[{"name":"a","vhost":"/","durable":true},7]})",
      R"({"queues":[{"name":"a","vhost":"/"}],"exchanges":[{"name":"x","vhost":"/","type":"no"}]})",
      R"({"queues":[{"name":"a","vhost":"/"}],"bindings":[{"source":"x","vhost":"/"}]})",
      R"({"queues":[{"name":"a","vhost":"/","arguments":{"x-max-length":"x"}}]})",
      R"({"queues":[{"name":"a","vhost":"/","penstock_options":{"max_length":"-1"}}]})",
      R"({"queues":[{"name":"a","vhost":"/","penstock_options":{"no_such":"1"}}]})",
      R"({"queues":[{"name":"a","vhost":"/","penstock_options":{"max_length":1}}]})",
      "{\"queues\":[{\"name\":\"a\\u001fb\",\"vhost\":\"/\"}]}",
      R"({"queues":[{"name":"","vhost":"/"}]})",
  };
  for (const auto body : bad) {
    refused(400, "POST /api/definitions", body);
    EXPECT_EQ(api("GET /api/queues").body, "[]") << body;
  }
}

TEST_F(Management, TheFirstDefinitionThatIsRefusedEndsTheImportAndIsNamed) {
  EXPECT_EQ(refused(404, "POST /api/definitions",
                    R"({"queues":[{"name":"a","vhost":"/"}],"bindings":[
                        {"source":"none","vhost":"/","destination":"a","routing_key":""}]})"),
            "no exchange 'none' in vhost '/'");
  EXPECT_EQ(status("GET /api/queues/%2F/a"), 200) << "it was declared before";
  EXPECT_NE(refused(404, "POST /api/definitions", R"({"queues":[{"name":"a","vhost":"none"}]})")
                .find("none"),
            std::string::npos);
  EXPECT_EQ(status("GET /api/whoami"), 200);
}

// ---- bad input

TEST_F(Management, ManyDefinitionsThatAreRefusedAtOnceAreOneAnswer) {
  EXPECT_EQ(status("POST /api/definitions",
                   R"({"queues":[{"name":"a","vhost":"none"},{"name":"b","vhost":"none"}]})"),
            404);
  EXPECT_EQ(status("GET /api/whoami"), 200) << "the connection goes on";
}

TEST_F(Management, BadInputIsRefusedWithItsReason) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", "{}"), 201);
  const std::pair<std::string_view, std::string_view> asked[] = {
      {"PUT /api/queues/%2F/a", "{"},
      {"PUT /api/queues/%2F/a", "[]"},
      {"PUT /api/queues/%2F/a", R"({"durable":1})"},
      {"PUT /api/queues/%2F/a", R"({"durable":"yes"})"},
      {"PUT /api/queues/%2F/a", R"({"arguments":[1]})"},
      {"PUT /api/queues/%2F/a", R"({"arguments":{"x-message-ttl":"soon"}})"},
      {"PUT /api/queues/%2F/a", R"({"arguments":{"n":1e400}})"},
      {"PUT /api/queues/%2F/a", R"({"arguments":{"n":18446744073709551615}})"},
      {"PUT /api/exchanges/%2F/a", R"({"type":"nosuch"})"},
      {"PUT /api/exchanges/%2F/a", R"({"type":7})"},
      {"POST /api/bindings/%2F/e/amq.topic/q/q", R"({"routing_key":7})"},
      {"POST /api/bindings/%2F/e/amq.headers/q/q", R"({"arguments":{"x-match":"some"}})"},
      {"POST /api/queues/%2F/q/get", R"({"count":0})"},
      {"POST /api/queues/%2F/q/get", R"({"count":"many"})"},
      {"POST /api/queues/%2F/q/get", R"({"ackmode":"maybe"})"},
      {"POST /api/queues/%2F/q/get", R"({"truncate":-1})"},
  };
  for (const auto& [start, body] : asked) {
    EXPECT_NE(refused(400, start, body), "(nothing)") << start << " " << body;
  }
  const std::string deep(40, '[');
  refused(400, "PUT /api/queues/%2F/a", R"({"arguments":{"x":)" + deep);
}

TEST_F(Management, AMessageThatMakesNoSenseIsNotPublished) {
  EXPECT_EQ(status("PUT /api/queues/%2F/q", "{}"), 201);
  const std::string key = R"("routing_key":"q",)", payload = R"("payload":"x",)",
                    encoding = R"("payload_encoding":"string")";
  const auto with = [&](std::string_view properties) {
    return "{" + key + payload + encoding + R"(,"properties":)" + std::string(properties) + "}";
  };
  const std::string bodies[] = {
      "{}",
      "[]",
      "{",
      "{" + key + encoding + "}",
      "{" + payload + encoding + "}",
      "{" + key + R"("payload":"x"})",
      "{" + key + payload + R"("payload_encoding":"rot13"})",
      "{" + key + payload + R"("payload_encoding":"base64"})",
      "{" + key + R"("payload":7,)" + encoding + "}",
      R"({"routing_key":")" + std::string(256, 'k') + "\"," + payload + encoding + "}",
      with("7"),
      with("[1]"),
      with(R"({"priority":-1})"),
      with(R"({"priority":"high"})"),
      with(R"({"expiration":"x"})"),
      with(R"({"headers":7})"),
      with(R"({"headers":{"CC":7}})"),
      with(R"({"message_id":")" + std::string(256, 'm') + "\"}"),
      with(R"({"reply_to":"amq.rabbitmq.reply-to"})"),
  };
  for (const auto& body : bodies)
    EXPECT_NE(refused(400, "POST /api/exchanges/%2F/amq.default/publish", body), "") << body;
  EXPECT_EQ(broker_->statistics().messages, 0u);
}

TEST_F(Management, AStreamIsNotGotFrom) {
  EXPECT_EQ(
      status("PUT /api/queues/%2F/s", R"({"durable":true,"arguments":{"x-queue-type":"stream"}})"),
      201);
  EXPECT_EQ(api("GET /api/queues/%2F/s").text("/type"), "stream");
  refused(400, "POST /api/queues/%2F/s/get", "{}");
}

// ---- who is connected

class TwoConnections final : public Connections {
 public:
  void visit(ConnectionVisitor& visitor) const override {
    for (const auto* host : {"/", "shop"}) {
      const auto name = "10.0.0.1:5000#" + std::string(host);
      if (closed.contains(name)) continue;
      const ConnectionView connection{
          .name = name, .peer = "10.0.0.1:5000", .user = "guest", .vhost = host, .channels = 1};
      visitor.on_connection(connection);
      const auto channel_name = name + " (1)";
      const ChannelView channel{.connection = connection, .name = channel_name, .number = 1};
      visitor.on_channel(channel);
      visitor.on_consumer({.channel = channel, .tag = "tag", .queue = "q"});
    }
  }
  bool close_connection(std::string_view name, std::string_view) override {
    if (!name.starts_with("10.0.0.1:5000#")) return false;
    return closed.emplace(name).second;
  }
  void close_connections_of(std::string_view vhost, std::string_view) override {
    closed.insert("10.0.0.1:5000#" + std::string(vhost));
  }

  std::set<std::string, std::less<>> closed;
};

TEST_F(Management, ConnectionsAreListedAndClosed) {
  TwoConnections connections;
  Settings settings;
  settings.connections = &connections;
  open(std::move(settings));
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 201);
  EXPECT_EQ(api("GET /api/connections").text("/1/vhost"), "shop");
  EXPECT_EQ(api("GET /api/connections").text("/0/peer_port"), "5000");
  EXPECT_EQ(api("GET /api/vhosts/shop/connections").json().as_array().size(), 1u);
  EXPECT_EQ(api("GET /api/channels").text("/0/connection_details/name"), "10.0.0.1:5000#/");
  EXPECT_EQ(api("GET /api/channels/10.0.0.1:5000%23shop%20(1)").text("/number"), "1");
  EXPECT_EQ(api("GET /api/connections/10.0.0.1:5000%23shop/channels").json().as_array().size(), 1u);
  EXPECT_EQ(api("GET /api/consumers/shop").text("/0/queue/name"), "q");
  EXPECT_EQ(api("GET /api/overview").text("/object_totals/connections"), "2");
  EXPECT_EQ(status("DELETE /api/connections/none"), 404);
  EXPECT_EQ(status("DELETE /api/connections/10.0.0.1:5000%23%2F"), 204);
  EXPECT_EQ(status("GET /api/connections/10.0.0.1:5000%23%2F"), 404);
  EXPECT_EQ(status("DELETE /api/vhosts/shop"), 204);
  EXPECT_EQ(api("GET /api/connections").body, "[]");
  peer().close();
}

}  // namespace
}  // namespace penstock::protocol::http
