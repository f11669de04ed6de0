// Users and permissions by way of RabbitMQ's management API, and as a part of definitions.
#include "test/protocol/http_access_fixture.h"

namespace penstock::protocol::http {
namespace {

const std::string kGuest = as("guest", "guest");

class ManagementAccess : public HttpAccess {
 protected:
  int status(std::string_view start, std::string_view body = {}) {
    return ask_as(kAdmin, start, body).status;
  }
  std::string told(std::string_view start) {
    const auto response = ask_as(kAdmin, start);
    EXPECT_EQ(response.status, 200) << start << ": " << response.body;
    return response.body;
  }
  std::string refused(int wanted, std::string_view start, std::string_view body = {}) {
    const auto response = ask_as(kAdmin, start, body);
    EXPECT_EQ(response.status, wanted) << start << " " << body << ": " << response.body;
    return response.text("/reason");
  }
};

TEST_F(ManagementAccess, UsersAreMadeListedChangedAndDeleted) {
  add_users(*broker_);
  EXPECT_EQ(status("PUT /api/users/new", R"({"password":"new","tags":"monitoring,management"})"),
            201);
  EXPECT_EQ(told("GET /api/users/new"),
            R"({"name":"new","hashing_algorithm":"argon2id","tags":["monitoring","management"],)"
            R"("limits":{}})");
  EXPECT_EQ(ask_as(as("new", "new"), "GET /api/whoami").text("/name"), "new");
  EXPECT_EQ(status("PUT /api/users/new", R"({"password":"other","tags":["management"]})"), 204);
  EXPECT_EQ(ask_as(as("new", "new"), "GET /api/whoami").status, 401);
  EXPECT_EQ(ask_as(as("new", "other"), "GET /api/nodes").status, 401) << "no monitoring any more";
  EXPECT_NE(told("GET /api/users").find(R"("name":"new")"), std::string::npos);
  EXPECT_NE(told("GET /api/users/without-permissions").find(R"("name":"new")"), std::string::npos);
  EXPECT_EQ(told("GET /api/users/without-permissions").find(R"("name":"app")"), std::string::npos);
  EXPECT_EQ(status("PUT /api/users/new", R"({"tags":"management"})"), 204);
  EXPECT_EQ(ask_as(as("new", ""), "GET /api/whoami").status, 401) << "it has no password";
  EXPECT_EQ(status("DELETE /api/users/new"), 204);
  EXPECT_EQ(refused(404, "DELETE /api/users/new"), R"(there is no user "new")");
  EXPECT_EQ(refused(404, "GET /api/users/new"), R"(there is no user "new")");
}

TEST_F(ManagementAccess, AUserThatMakesNoSenseIsRefused) {
  add_users(*broker_);
  const std::pair<std::string_view, std::string_view> bad[] = {
      {R"({"password":"x"})", "the body: tags must be a string or a list of them"},
      {R"({"password":"x","tags":7})", "the body: tags must be a string or a list of them"},
      {R"({"password":"x","tags":[7]})", "the body: tags must be a string or a list of them"},
      {R"({"password":"x","tags":"root"})", R"(the body: "root" is no tag of a user; they are )"
                                            "administrator, monitoring, policymaker, management"},
      {R"({"password":7,"tags":""})", "the body: password must be a string"},
      {R"({"password":"x","password_hash":"AAAA","tags":""})",
       "the body has both password and password_hash; give one of them"},
      {R"({"password_hash":"bad","hashing_algorithm":"argon2id","tags":""})",
       "the body: a hash of no known form"},
      {R"({"password_hash":"AAAA","hashing_algorithm":"md5","tags":""})",
       "the body: hashing_algorithm \"md5\" is neither rabbit_password_hashing_sha256 nor "
       "argon2id"},
  };
  for (const auto& [body, why] : bad)
    EXPECT_EQ(refused(400, "PUT /api/users/new", body), why) << body;
  EXPECT_EQ(status("GET /api/users/new"), 404);
  EXPECT_EQ(passwords.hashed, 0);
}

TEST_F(ManagementAccess, PermissionsAreMadeListedAndTakenAway) {
  add_users(*broker_);
  EXPECT_EQ(status("PUT /api/vhosts/shop"), 201);
  constexpr std::string_view kPatterns = R"({"configure":".*","write":"^w","read":"^r"})";
  EXPECT_EQ(status("PUT /api/permissions/shop/app", kPatterns), 201);
  EXPECT_EQ(status("PUT /api/permissions/shop/app", kPatterns), 204);
  const std::string row =
      R"({"user":"app","vhost":"shop","configure":".*","write":"^w","read":"^r"})";
  EXPECT_EQ(told("GET /api/permissions/shop/app"), row);
  EXPECT_EQ(told("GET /api/vhosts/shop/permissions"), "[" + row + "]");
  for (const auto* all : {"GET /api/permissions", "GET /api/users/app/permissions"})
    EXPECT_TRUE(told(all).ends_with("," + row + "]")) << all;
  EXPECT_EQ(status("DELETE /api/permissions/shop/app"), 204);
  EXPECT_EQ(status("DELETE /api/permissions/shop/app"), 404);
  EXPECT_EQ(refused(404, "GET /api/permissions/shop/app"),
            R"(user "app" has no permission in vhost "shop")");
  EXPECT_EQ(status("PUT /api/permissions/none/app", kPatterns), 404);
  EXPECT_EQ(status("PUT /api/permissions/shop/none", kPatterns), 404);
  EXPECT_EQ(refused(400, "PUT /api/permissions/shop/app", R"({"configure":"","write":""})"),
            "the body: read must be given");
  EXPECT_EQ(status("PUT /api/permissions/shop/app", R"({"configure":"(","write":"","read":""})"),
            400);
}

TEST_F(ManagementAccess, TopicPermissionsAreMadeListedAndTakenAway) {
  add_users(*broker_);
  constexpr std::string_view kPath = " /api/topic-permissions/%2F/app";
  const auto at = [&](std::string_view method) { return std::string(method).append(kPath); };
  EXPECT_EQ(status(at("PUT"), R"({"exchange":"amq.topic","write":"^a","read":"^b"})"), 201);
  EXPECT_EQ(status(at("PUT"), R"({"exchange":"amq.topic","write":"^a","read":"^c"})"), 204);
  EXPECT_EQ(status(at("PUT"), R"({"exchange":"other","write":"","read":""})"), 201);
  const std::string rows =
      R"([{"user":"app","vhost":"/","exchange":"amq.topic","write":"^a","read":"^c"},)"
      R"({"user":"app","vhost":"/","exchange":"other","write":"","read":""}])";
  for (const auto& one : {at("GET"), std::string("GET /api/topic-permissions"),
                          std::string("GET /api/users/app/topic-permissions"),
                          std::string("GET /api/vhosts/%2F/topic-permissions")})
    EXPECT_EQ(told(one), rows) << one;
  EXPECT_EQ(status(at("DELETE")), 204);
  EXPECT_EQ(told(at("GET")), "[]");
  EXPECT_EQ(refused(404, at("DELETE")), R"(user "app" has no topic permission in vhost "/")");
}

TEST_F(ManagementAccess, UsersAreAnAdministratorsAndHashesAreToldWithDefinitionsOnly) {
  add_users(*broker_);
  EXPECT_EQ(status("PUT /api/users/watch", R"({"password":"watch","tags":"monitoring"})"), 201);
  for (const auto& route : management_routes().routes) {
    const std::string pattern(route.pattern);
    if (pattern.find("users") == std::string::npos &&
        pattern.find("permissions") == std::string::npos &&
        pattern.find("definitions") == std::string::npos)
      continue;
    std::string start(wire::http::name_of(route.method));
    start.append(" ").append(pattern);
    for (const auto& [braces, value] : {std::pair("{vhost}", "%2F"), std::pair("{user}", "app")})
      if (const auto place = start.find(braces); place != std::string::npos)
        start.replace(place, std::string_view(braces).size(), value);
    for (const auto& who : {as("watch", "watch"), kApp})
      EXPECT_EQ(ask_as(who, start, "{}").status, 401) << start;
  }
  EXPECT_EQ(told("GET /api/users").find("password"), std::string::npos);
  EXPECT_NE(told("GET /api/definitions").find(R"("password_hash":"watch")"), std::string::npos);
}

TEST_F(ManagementAccess, DefinitionsBringUsersAndWhatTheyMay) {
  const auto definitions = R"({
    "users":[{"name":"app","password_hash":"app","hashing_algorithm":"argon2id","tags":""},
             {"name":"admin","password_hash":"admin","hashing_algorithm":"argon2id",
              "tags":["administrator"]},
             {"name":"old","password_hash":"kI3GCg==","tags":"management"}],
    "vhosts":[{"name":"/"},{"name":"shop"}],
    "permissions":[{"user":"app","vhost":"shop","configure":"","write":"","read":"^q"}],
    "topic_permissions":[{"user":"app","vhost":"/","exchange":"x","write":"^a","read":"^b"}],
    "queues":[{"name":"q","vhost":"shop","durable":true}]})";
  EXPECT_EQ(ask_as(kGuest, "POST /api/definitions", definitions).status, 204);
  EXPECT_EQ(ask_as(kGuest, "GET /api/whoami").status, 401) << "from now on there are users";
  EXPECT_EQ(*broker_->password_of("old"), "$rabbitmq-sha256$kI3GCg==");
  const auto out = told("GET /api/definitions");
  EXPECT_NE(out.find(R"({"name":"old","password_hash":"kI3GCg==",)"
                     R"("hashing_algorithm":"rabbit_password_hashing_sha256",)"
                     R"("tags":["management"],"limits":{}})"),
            std::string::npos)
      << out;
  EXPECT_EQ(status("POST /api/definitions", out), 204) << "again, without a permission of its own";
  EXPECT_EQ(told("GET /api/definitions"), out);
}

TEST_F(ManagementAccess, DefinitionsWithoutAnAdministratorLeaveTheServerOpen) {
  const auto answer = ask_as(kGuest, "POST /api/definitions",
                             R"({"users":[{"name":"app","password_hash":"","tags":""}],
                                 "queues":[{"name":"q","vhost":"/"}]})");
  EXPECT_EQ(answer.text("/reason"), "the first user has to be an administrator");
  EXPECT_FALSE(broker_->has_users());
  EXPECT_EQ(ask_as(kGuest, "GET /api/queues/%2F/q").status, 200);
}

TEST_F(ManagementAccess, OnlyTheImportItselfIsMoreThanTheUserMay) {
  add_users(*broker_);
  Peer& same = peer();
  EXPECT_EQ(status("POST /api/definitions", R"({"queues":[{"name":"q","vhost":"/"}]})"), 204);
  EXPECT_EQ(refused(401, "DELETE /api/queues/%2F/q"),
            "access to queue 'q' in vhost '/' refused for user 'admin'");
  EXPECT_EQ(status("POST /api/definitions", R"({"bindings":[
      {"source":"none","vhost":"/","destination":"q","routing_key":""}]})"),
            404);
  EXPECT_EQ(ask_as(kApp, "GET /v1/users").status, 403) << "after one that was broken off, too";
  EXPECT_EQ(&peer(), &same);
}

}  // namespace
}  // namespace penstock::protocol::http
