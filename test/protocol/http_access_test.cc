// Who may ask what over HTTP.
#include "test/protocol/http_access_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpAccess, WithoutUsersNobodyIsAsked) {
  EXPECT_EQ(ask("PUT /v1/queues/q").status, 201);
  EXPECT_EQ(ask("PUT /v1/queues/q", {}, kAdmin).status, 200);
}

TEST_F(HttpAccess, TheFirstUserIsMadeByWhoeverIsThereAndIsAnAdministrator) {
  EXPECT_EQ(ask_as("", "PUT /v1/users/app", R"({"password":"x"})").text("/error/message"),
            "the first user has to be an administrator");
  const auto made =
      ask_as("", "PUT /v1/users/admin", R"({"password":"admin","tags":["administrator"]})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(ask("GET /v1/queues").status, 401);
  EXPECT_EQ(ask_as(kAdmin, "GET /v1/queues").status, 200);
}

TEST_F(HttpAccess, NobodyAndWrongPasswordsGet401AndAreToldHow) {
  add_users(*broker_);
  for (const auto& who : {std::string(), as("app", "other"), as("nobody", "x"), as("app", ""),
                          std::string("Authorization: Bearer abc\r\n"),
                          std::string("Authorization: Basic !!!\r\n")}) {
    const auto refused = ask_as(who, "POST /v1/queues/app/messages", "x");
    EXPECT_EQ(refused.status, 401) << who;
    EXPECT_EQ(refused.field("WWW-Authenticate"), "Basic realm=\"penstock\", charset=\"UTF-8\"");
    EXPECT_TRUE(peer_->conversation().finished());
  }
  EXPECT_EQ(service_->counters().unauthorized, 6u);
}

TEST_F(HttpAccess, HealthNeedsNoUserAndStatisticsNeedTheirTag) {
  add_users(*broker_);
  for (const auto* path : {"GET /", "GET /healthz", "GET /readyz"})
    EXPECT_EQ(ask(path).status, 200) << path;
  for (const auto* path : {"GET /metrics", "GET /v1/status", "GET /v1/events"}) {
    EXPECT_EQ(ask(path).status, 401) << path;
    EXPECT_EQ(ask_as(kApp, path).status, 403) << path;
  }
  EXPECT_EQ(ask_as(kAdmin, "GET /metrics").status, 200);
}

TEST_F(HttpAccess, AUserMayWhatItsPatternsSay) {
  add_users(*broker_);
  EXPECT_EQ(ask_as(kApp, "PUT /v1/queues/app-q").status, 201);
  EXPECT_EQ(ask_as(kApp, "POST /v1/queues/app-q/messages", "x").status, 202);
  const auto refused = ask_as(kApp, "POST /v1/queues/other/messages", "x");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.text("/error/message"),
            "access to queue 'other' in vhost '/' refused for user 'app'");
}

TEST_F(HttpAccess, EachRequestIsFromWhomItSays) {
  add_users(*broker_);
  EXPECT_EQ(ask_as(kApp, "PUT /v1/queues/app-q").status, 201);
  Peer& same = peer();
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/queues/app-q").status, 403) << "no permission in /";
  EXPECT_EQ(&peer(), &same);
  EXPECT_EQ(ask_as(kApp, "GET /v1/queues/app-q").status, 200);
}

TEST_F(HttpAccess, TheBodyIsNotTakenInBeforeThePasswordIsKnown) {
  add_users(*broker_);
  passwords.at_once = false;
  const auto bytes = request("POST /v1/queues/app-q/messages", std::string(1000, 'x'), kApp);
  const auto head = bytes.find("\r\n\r\n") + 4;
  EXPECT_EQ(raw(bytes.substr(0, head + 10)), "");
  EXPECT_FALSE(peer_->conversation().wants_input());
  EXPECT_EQ(peer_->held(), 10u);
  passwords.answer_all();
  settle();
  EXPECT_EQ(responses(raw(bytes.substr(head + 10))).front().status, 202);
}

TEST_F(HttpAccess, AWrongPasswordIsAnsweredWithoutTheBody) {
  add_users(*broker_);
  passwords.at_once = false;
  const auto bytes =
      request("POST /v1/queues/app-q/messages", std::string(1000, 'x'), as("app", "no"));
  EXPECT_EQ(raw(bytes.substr(0, bytes.find("\r\n\r\n") + 4)), "");
  passwords.answer_all();
  EXPECT_EQ(responses(peer_->take_output()).front().status, 401);
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpAccess, WhoGoesWhileThePasswordIsCheckedIsForgotten) {
  add_users(*broker_);
  passwords.at_once = false;
  EXPECT_EQ(raw(request("GET /v1/queues", {}, kApp)), "");
  peer_->close();
  passwords.answer_all();
}

TEST_F(HttpAccess, TooManyChecksAreTurnedAwayForAMoment) {
  add_users(*broker_);
  passwords.busy = true;
  const auto refused = ask_as(kApp, "GET /v1/queues");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.field("Retry-After"), "1");
}

TEST_F(HttpAccess, UsersAreMadeChangedShownAndDeletedByAdministratorsOnly) {
  add_users(*broker_);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new", R"({"password":"new"})").status, 201);
  EXPECT_EQ(
      ask_as(kAdmin, "PUT /v1/users/new/permissions", R"({"configure":"a","write":"","read":"c"})")
          .status,
      204);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new/topic_permissions",
                   R"({"exchange":"amq.topic","write":"w","read":"r"})")
                .status,
            204);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new", R"({"tags":["monitoring"]})").status, 200);
  const auto shown = ask_as(kAdmin, "GET /v1/users/new");
  EXPECT_EQ(shown.body,
            R"({"name":"new","tags":["monitoring"],"permissions":[{"vhost":"/","configure":"a",)"
            R"("write":"","read":"c"}],"topic_permissions":[{"vhost":"/","exchange":"amq.topic",)"
            R"("write":"w","read":"r"}]})");
  EXPECT_EQ(ask_as(kAdmin, "GET /v1/users").json().at("users").as_array().size(), 3u);
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/users/new/permissions?vhost=/").status, 204);
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/users/new/topic_permissions?exchange=amq.topic").status,
            204);
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/users/new").status, 204);
  EXPECT_EQ(ask_as(kAdmin, "GET /v1/users/new").status, 404);

  const auto before = passwords.hashed;
  for (const auto* start : {"PUT /v1/users/new", "PUT /v1/users/admin"})
    EXPECT_EQ(ask_as(kApp, start, R"({"password":"x"})").status, 403);
  EXPECT_EQ(ask_as(kApp, "PUT /v1/users/app", R"({"password":"x","tags":[]})").status, 403);
  EXPECT_EQ(passwords.hashed, before) << "nothing is hashed for who may not store it";
  for (const auto* start : {"GET /v1/users", "GET /v1/users/app", "DELETE /v1/users/app"})
    EXPECT_EQ(ask_as(kApp, start).status, 403) << start;
  EXPECT_EQ(ask_as(kApp, "PUT /v1/users/app", R"({"password":"mine"})").status, 200);
  EXPECT_EQ(ask_as(kApp, "GET /v1/queues").status, 401);
  EXPECT_EQ(ask_as(as("app", "mine"), "GET /v1/queues").status, 200);
}

TEST_F(HttpAccess, AHashOfSomebodyElseIsTakenIfItIsUnderstood) {
  add_users(*broker_);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new", R"({"password_hash":"bad"})").status, 400);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new", R"({"password_hash":"new"})").status, 201);
  EXPECT_EQ(ask_as(as("new", "new"), "GET /v1/queues").status, 200);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/users/new", R"({"tags":["root"]})").code(), "invalid");
}

TEST_F(HttpAccess, VirtualHostsAreAnAdministratorsAndSeenByWhoMayEnter) {
  add_users(*broker_);
  EXPECT_EQ(ask_as(kAdmin, "PUT /v1/vhosts/shop").status, 201);
  EXPECT_EQ(ask_as(kAdmin, "GET /v1/vhosts").body, R"({"vhosts":[{"name":"/"},{"name":"shop"}]})");
  EXPECT_EQ(ask_as(kApp, "GET /v1/vhosts").body, R"({"vhosts":[{"name":"/"}]})");
  EXPECT_EQ(ask_as(kApp, "PUT /v1/vhosts/more").status, 403);
  EXPECT_EQ(ask_as(kApp, "DELETE /v1/vhosts/shop").status, 403);
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/vhosts/shop").status, 204);
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/vhosts/%2F").status, 403);
}

TEST_F(HttpAccess, AWatcherWhoseTagIsTakenSeesNothingMore) {
  add_users(*broker_);
  ask_as(kAdmin, "PUT /v1/users/app", R"({"tags":["monitoring"]})");
  auto watcher = std::make_unique<Peer>(*service_);
  watcher->give(request("GET /v1/events", {}, kApp));
  EXPECT_NE(watcher->take_output().find("200 OK"), std::string::npos);
  ask_as(kAdmin, "PUT /v1/users/app", R"({"tags":[]})");
  EXPECT_TRUE(watcher->conversation().finished());
}

TEST_F(HttpAccess, ADeletedUsersWaitEnds) {
  add_users(*broker_);
  Peer waiting(*service_);
  waiting.give(request("POST /v1/queues/app-q/lease", R"({"wait":"60s"})", kApp));
  broker_->settle_down();
  EXPECT_EQ(waiting.take_output(), "");
  EXPECT_EQ(ask_as(kAdmin, "DELETE /v1/users/app").status, 204);
  broker_->settle_down();
  EXPECT_EQ(responses(waiting.take_output()).front().text("/messages"), "[]");
}

}  // namespace
}  // namespace penstock::protocol::http
