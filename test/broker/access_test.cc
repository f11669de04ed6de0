// Users, what they may, what becomes of them after a power cut and a checkpoint, and what happens
// to those who are connected when their rights are taken.
#include "engine/names.h"
#include "test/broker/access_fixture.h"

namespace penstock::broker {
namespace {

TEST_F(AccessTest, WithoutUsersGuestsMayDoEverything) {
  const auto client = guest();
  EXPECT_EQ(send_as(*client, "q", "a").kind, "published");
  EXPECT_FALSE(broker->has_users());
}

TEST_F(AccessTest, TheFirstUserIsAnAdministratorAndThereIsAlwaysOne) {
  EXPECT_EQ(put_user("app").error.message, "the first user has to be an administrator");
  EXPECT_TRUE(put_user("admin", engine::bit(Role::administrator)).created);
  EXPECT_EQ(remove_user("admin").error.message, "that would leave no administrator");
  EXPECT_EQ(put_user("admin", engine::Roles{0}, {}).error.code, ErrorCode::conflict);
  put_user("other", engine::bit(Role::administrator));
  EXPECT_EQ(remove_user("admin").kind, "done");
  EXPECT_EQ(remove_user("other").error.code, ErrorCode::conflict);
}

TEST_F(AccessTest, TheFirstUserEndsWhatGuestsWereDoing) {
  const auto client = guest();
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 10s;
  broker->take(client->session, 1, take);
  broker->put_user(client->session, 2, {"admin", "hash", engine::bit(Role::administrator)});
  EXPECT_EQ(wait(2, client->sink).kind, "done");
  EXPECT_TRUE(wait(1, client->sink).messages.empty());
  EXPECT_EQ(client->sink.ended, "this server has users from now on");
  const auto refused = send_as(*client, "q", "a");
  EXPECT_TRUE(is_denied(refused));
  EXPECT_EQ(refused.error.message, "nobody is logged in, and this server has users");
}

TEST_F(AccessTest, TheProgramItselfNeedsNoUser) {
  add_administrator();
  EXPECT_EQ(send("q", "a").kind, "published");
}

TEST_F(AccessTest, PatternsAreLookedForAnywhereInANameAndAnEmptyOneIsInNone) {
  add_administrator();
  put_user("app");
  grant("app", "", "mail", "^in$|^log\\.");
  const auto client = as("app");
  for (const auto* name : {"x", "in", "in2", "log.a", "a.log.b", "my mailbox"}) declare(name, {});
  const auto reads = [&](std::string_view queue) {
    broker->browse(client->session, ++tag, queue, 1);
    return !is_denied(wait(tag, client->sink));
  };
  EXPECT_TRUE(reads("in"));
  EXPECT_FALSE(reads("in2"));
  EXPECT_TRUE(reads("log.a"));
  EXPECT_FALSE(reads("a.log.b"));
  EXPECT_EQ(send_as(*client, "my mailbox", "a").kind, "published");
  EXPECT_TRUE(is_denied(send_as(*client, "x", "a")));
  EXPECT_TRUE(is_denied(declare_as(*client, "mail")));
}

TEST_F(AccessTest, ADenialSaysToWhatAndToWhom) {
  add_administrator();
  put_user("app");
  const auto client = as("app");
  EXPECT_EQ(send_as(*client, "q", "a").error.message,
            "access to queue 'q' in vhost '/' refused for user 'app'");
  EXPECT_EQ(route_as(*client, "", {"q"}).error.message,
            "access to exchange 'amq.default' in vhost '/' refused for user 'app'");
  grant("app", ".*", ".*", ".*");
  grant_topic("app", "^a\\.", "");
  const auto again = as("app");
  EXPECT_EQ(route_as(*again, "amq.topic", {"b.c"}).error.message,
            "access to topic 'b.c' in exchange 'amq.topic' in vhost '/' refused for user 'app'");
  EXPECT_EQ(broker->may_enter(again->session, "shop").error().message,
            "access to vhost 'shop' refused for user 'app'");
  EXPECT_EQ(broker->statistics().denied, 4u);
}

TEST_F(AccessTest, ABadPatternIsRefusedAndSaysWhatIsWrong) {
  add_administrator();
  put_user("app");
  EXPECT_EQ(grant("app", "(", "", "").error.message,
            "the pattern \"(\" is no regular expression: missing ): (");
  EXPECT_EQ(grant("app", "(a)\\1", "", "").error.code, ErrorCode::invalid);
  EXPECT_EQ(grant("app", std::string(1025, 'a'), "", "").error.code, ErrorCode::too_large);
  EXPECT_EQ(grant("app", "((((a{100}){100}){100}){100})", "", "").kind, "error");
  EXPECT_EQ(grant("app", "", "", "", "nowhere").error.code, ErrorCode::not_found);
  EXPECT_EQ(grant("nobody", "", "", "").error.code, ErrorCode::not_found);
}

TEST_F(AccessTest, MatchingTakesTimeThatGrowsWithTheNameAlone) {
  // What makes a backtracking matcher take 2^30 steps.
  const auto pattern = engine::Pattern::compile("^(a+)+(a|a)*(a*)*b$");
  ASSERT_TRUE(pattern);
  EXPECT_FALSE(pattern->matches(std::string(255, 'a')));
}

TEST_F(AccessTest, TopicPermissionsLimitTheKeysOfTopicExchangesOnly) {
  add_administrator();
  put_user("app");
  grant("app", ".*", ".*", ".*");
  grant_topic("app", "^allowed\\.", "^allowed\\.");
  const auto client = as("app");
  declare("q", {});
  EXPECT_EQ(bind_as(*client, "amq.topic", "q", "allowed.#").kind, "done");
  EXPECT_TRUE(is_denied(bind_as(*client, "amq.topic", "q", "#")));
  EXPECT_EQ(route_as(*client, "amq.topic", {"allowed.a"}).kind, "published");
  EXPECT_TRUE(is_denied(route_as(*client, "amq.topic", {"other"})));
  EXPECT_TRUE(is_denied(route_as(*client, "amq.topic", {"allowed.a", "other"}))) << "CC counts";
  EXPECT_EQ(route_as(*client, "amq.direct", {"other"}).kind, "published");
}

TEST(ScopedName, OfANameWithASeparatorIsNoOtherHosts) {
  EXPECT_EQ(engine::scoped_name("/", "q"), "q");
  const auto made_up = engine::scoped_name("/", "shop\x1forders");
  EXPECT_EQ(engine::split_name(made_up).host, "/");
  EXPECT_FALSE(engine::valid_scoped_name(made_up, "queue name"));
}

TEST_F(AccessTest, AKeyDoesNotReachIntoAnotherVirtualHost) {
  broker->declare_host(session, ++tag, "shop");
  declare("shop\x1forders", {});
  const auto got = [&] {
    const auto client = guest();
    return route_as(*client, "", {"shop\x1forders"});
  }();
  EXPECT_EQ(got.kind, "published");
  EXPECT_TRUE(got.ids.empty());
  EXPECT_EQ(statistics("shop\x1forders").ready, 0u);
}

TEST_F(AccessTest, UsersAndPermissionsOutliveAPowerCutAndACheckpoint) {
  broker->declare_host(session, ++tag, "shop");
  add_administrator();
  put_user("app");
  put_user("gone");
  grant("gone", ".*", ".*", ".*");
  grant("app", "^mine-", "^mine-", "^mine-");
  grant("app", ".*", ".*", ".*", "shop");
  grant_topic("app", "^a", "^b");
  remove_user("gone");
  for (const auto again : {1, 2, 3}) {
    EXPECT_EQ(broker->password_of("gone"), nullptr) << again;
    ASSERT_NE(broker->password_of("app"), nullptr) << again;
    EXPECT_EQ(*broker->password_of("app"), "hash");
    const auto client = as("app");
    EXPECT_EQ(declare_as(*client, "mine-q").kind, "done") << again;
    EXPECT_TRUE(is_denied(declare_as(*client, "yours"))) << again;
    EXPECT_EQ(declare_as(*client, "shop\x1fyours").kind, "done") << again;
    EXPECT_TRUE(is_denied(route_as(*client, "amq.topic", {"b"}))) << again;
    EXPECT_TRUE(broker->may_as(as("admin")->session, Role::administrator)) << again;
    again == 1 ? crash() : restart();
  }
}

TEST_F(AccessTest, ARevokedPermissionDoesNotComeBackAfterAPowerCut) {
  add_administrator();
  put_user("app");
  grant("app", ".*", ".*", ".*");
  restart();  // it is in a checkpoint
  revoke("app");
  crash();
  EXPECT_TRUE(is_denied(send_as(*as("app"), "q", "a")));
  grant("app", ".*", ".*", ".*");
  crash();
  EXPECT_EQ(send_as(*as("app"), "q", "a").kind, "published");
}

TEST_F(AccessTest, ADeletedHostTakesItsPermissionsAlong) {
  broker->declare_host(session, ++tag, "shop");
  add_administrator();
  put_user("app");
  grant("app", ".*", ".*", ".*", "shop");
  broker->remove_host(session, ++tag, "shop");
  broker->declare_host(session, ++tag, "shop");
  broker->settle_down();
  crash();
  EXPECT_TRUE(is_denied(declare_as(*as("app"), "shop\x1fq")));
}

// What a connected user has in hand when it is taken away.
class RevokedTest : public AccessTest {
 protected:
  RevokedTest() {
    add_administrator();
    put_user("app");
    grant("app", ".*", ".*", ".*");
    client = as("app");
    declare("q", {{"max_attempts", "0"}});
    declare("full", {{"overflow", "block"}, {"max_length", "1"}});
    send("full", "a");
    engine::Consume consume;
    consume.queue = "q";
    consume.credit = 10;
    consume.bytes = 1 << 20;
    broker->consume(client->session, 1, kConsumer, consume);
    const Input messages[]{input("held back")};
    broker->publish_wait(client->session, 2, {"full", messages}, clock.now() + 60s);
    send("q", "in hand");
    EXPECT_EQ(wait(kConsumer, client->sink).messages.size(), 1u);
  }
  void expect_ended(std::string_view reason) {
    broker->settle_down();
    EXPECT_EQ(client->sink.ended, reason);
    EXPECT_EQ(statistics("q").consumers, 0u);
    EXPECT_EQ(bodies(take("q")), std::vector<std::string>{"in hand"});
    settle({take("full").messages[0].lease});
    EXPECT_EQ(statistics("full").ready, 0u) << "what was held back is not published";
    EXPECT_TRUE(is_denied(send_as(*client, "q", "a")));
  }
  static constexpr Tag kConsumer = 1'000'000;
  std::unique_ptr<Client> client;
};

TEST_F(RevokedTest, ADeletedUsersSessionsEndAndGiveBackWhatTheyHold) {
  remove_user("app");
  expect_ended("user 'app' was deleted");
}
TEST_F(RevokedTest, ATakenPermissionEndsThem) {
  revoke("app");
  expect_ended("the permissions of user 'app' were changed");
}
TEST_F(RevokedTest, AnotherPermissionInItsPlaceEndsThem) {
  grant("app", "", "", "");
  expect_ended("the permissions of user 'app' were changed");
}
TEST_F(RevokedTest, AnotherPasswordEndsThem) {
  put_user("app", {}, "another");
  expect_ended("user 'app' was changed");
}

TEST_F(RevokedTest, WhatWasOnItsWayIsNotGivenToIt) {
  send_tag("q", {input("later")});
  broker->browse(client->session, 3, "q", 10);
  broker->remove_user(session, ++tag, "app");
  broker->settle_down();
  for (const auto& [of, reply] : client->sink.replies)
    EXPECT_TRUE(reply.messages.empty()) << of << " " << reply.kind;
  EXPECT_TRUE(is_denied(client->sink.replies.at(3)));
  EXPECT_EQ(bodies(take("q", 10)), (std::vector<std::string>{"in hand", "later"}));
}

TEST_F(RevokedTest, NoAnswerOfAnyKindIsGivenToItAnyMore) {
  auto work = input("{\"args\":[]}");
  work.task = true;
  const auto id = MessageId(send("work", std::vector{work}).ids.at(0));
  const auto lease = take("work").messages.at(0).lease;
  const std::string_view lines[]{"said"};
  broker->log_task(session, ++tag, lease, lines);
  wait(tag);
  send_tag("q", {input("keeps the disk busy")});
  broker->task(client->session, 3, id, Time{});
  broker->task_log(client->session, 4, id, 0, Time{});
  broker->queues(client->session, 5);
  broker->turn();
  broker->remove_user(session, ++tag, "app");
  broker->settle_down();
  for (const Tag asked : {3, 4, 5}) EXPECT_TRUE(is_denied(client->sink.replies.at(asked))) << asked;
}

TEST_F(RevokedTest, WhatIsAddedEndsNothing) {
  broker->declare_host(session, ++tag, "shop");
  grant("app", ".*", ".*", ".*", "shop");
  grant("app", ".*", ".*", ".*");
  put_user("app", engine::bit(Role::monitoring), {});
  EXPECT_EQ(client->sink.ended, "");
  EXPECT_EQ(statistics("q").consumers, 1u);
  EXPECT_TRUE(broker->may_as(client->session, Role::monitoring));
}

TEST_F(AccessTest, AUserMayChangeItsOwnPasswordAndNothingElse) {
  add_administrator();
  put_user("app");
  put_user("other");
  auto client = as("app");
  const auto put = [&](engine::UserChange change) {
    broker->put_user(client->session, ++tag, change);
    return wait(tag, client->sink);
  };
  EXPECT_TRUE(is_denied(put({"app", {}, engine::bit(Role::administrator)})));
  EXPECT_TRUE(is_denied(put({"app", "mine", engine::Roles{0}})));
  EXPECT_TRUE(is_denied(put({"other", "mine", {}})));
  EXPECT_TRUE(is_denied(put({"new", "mine", engine::Roles{0}})));
  EXPECT_EQ(put({"app", "mine", {}}).kind, "done");
  EXPECT_EQ(*broker->password_of("app"), "mine");
}

TEST_F(AccessTest, AListOfQueuesShowsThoseOfTheHostsThatOneMayEnter) {
  broker->declare_host(session, ++tag, "shop");
  add_administrator();
  put_user("app");
  put_user("watcher", engine::bit(Role::monitoring));
  grant("app", "", "", "");
  declare("here", {});
  declare("shop\x1fthere", {});
  const auto listed = [&](Client& client) {
    broker->queues(client.session, ++tag);
    std::vector<std::string> names;
    for (const auto& queue : wait(tag, client.sink).queues) names.push_back(queue.name);
    return names;
  };
  EXPECT_EQ(listed(*as("app")), std::vector<std::string>{"here"});
  EXPECT_EQ(listed(*as("watcher")).size(), 2u);
}

TEST_F(AccessTest, RolesAreReadAsTheyAreWritten) {
  EXPECT_EQ(engine::roles_text(engine::parse_roles("monitoring, administrator").value()),
            "administrator,monitoring");
  EXPECT_EQ(engine::parse_roles("").value(), 0);
  EXPECT_EQ(engine::parse_roles("root").error().code, ErrorCode::invalid);
}

// What it asked for was nobody's then.
TEST_F(AccessTest, AnAnswerThatWaitedForItsReaderIsForWhoMaySeeItWhenItComes) {
  add_administrator();
  put_user("app");
  grant("app", "^mine", "^mine", "^mine");
  auto client = as("app");
  auto work = input("{\"args\":[]}");
  work.task = true;
  const auto next = send("mine", "a").ids.at(0) + 1;
  client->sink.reads = false;
  broker->task(client->session, 1, MessageId(next), Time{});
  broker->task_log(client->session, 2, MessageId(next), 0, Time{});
  broker->task(client->session, 3, MessageId(next + 1), Time{});
  broker->task_log(client->session, 4, MessageId(next + 1), 0, Time{});
  broker->settle_down();
  EXPECT_TRUE(client->sink.replies.empty());
  EXPECT_EQ(send("secret", std::vector{work}).ids.at(0), next);
  EXPECT_EQ(send("mine", std::vector{work}).ids.at(0), next + 1);
  client->sink.reads = true;
  broker->resume(client->session);
  broker->settle_down();
  EXPECT_TRUE(is_denied(client->sink.replies.at(1)));
  EXPECT_TRUE(is_denied(client->sink.replies.at(2)));
  EXPECT_EQ(client->sink.replies.at(3).state, engine::TaskState::queued);
  EXPECT_EQ(client->sink.replies.at(4).kind, "log");
}

TEST_F(AccessTest, OfATaskThatHasEndedItsSubmitterLearnsWhatCameOfIt) {
  add_administrator();
  put_user("app");
  grant("app", "", "^mine", "");
  auto client = as("app");
  const auto ended = [&](std::string_view queue) {
    auto work = input("{\"args\":[]}");
    work.task = true;
    const auto id = send(queue, std::vector{work}).ids.at(0);
    settle({take(std::string(queue)).messages.at(0).lease}, engine::Outcome::ack, {}, {}, "1");
    broker->task(client->session, ++tag, MessageId(id), Time{});
    return wait(tag, client->sink);
  };
  EXPECT_EQ(ended("mine").result, "1");
  EXPECT_TRUE(is_denied(ended("secret")));
  broker->task(client->session, ++tag, MessageId(99'999), Time{});
  EXPECT_EQ(wait(tag, client->sink).state, engine::TaskState::unknown) << "nobody's";
}

TEST_F(AccessTest, WhoIsNobodySeesNothing) {
  add_administrator();
  auto stranger = guest();
  EXPECT_EQ(broker->log_in(stranger->session, "nobody").error().code, ErrorCode::denied);
  EXPECT_FALSE(broker->sees(stranger->session, "/"));
  EXPECT_FALSE(broker->schedules(stranger->session));
  EXPECT_FALSE(broker->workers(stranger->session));
  engine::WorkerSpec worker;
  worker.id = 1;
  worker.name = "w";
  worker.queues = {"q"};
  broker->announce_worker(stranger->session, ++tag, worker);
  EXPECT_TRUE(is_denied(wait(tag, stranger->sink)));
  broker->beat_worker(stranger->session, ++tag, {});
  EXPECT_TRUE(is_denied(wait(tag, stranger->sink)));
}

TEST_F(AccessTest, SchedulesAndWorkersAreShownOfTheHostsThatOneMayEnter) {
  broker->declare_host(session, ++tag, "shop");
  add_administrator();
  put_user("app");
  put_user("clerk");
  grant("app", ".*", ".*", ".*");
  grant("clerk", ".*", ".*", ".*", "shop");
  engine::ScheduleSpec schedule;
  schedule.name = schedule.queue = "tick";
  schedule.when = "@hourly";
  broker->put_schedule(session, ++tag, schedule);
  EXPECT_EQ(wait(tag).kind, "done");
  engine::WorkerSpec worker;
  worker.id = 1;
  worker.name = "w";
  worker.queues = {"q"};
  broker->announce_worker(session, ++tag, worker);
  EXPECT_EQ(wait(tag).kind, "told");
  const auto app = as("app"), clerk = as("clerk");
  EXPECT_EQ(broker->schedules(app->session)->size(), 1u);
  EXPECT_EQ(broker->workers(app->session)->size(), 1u);
  EXPECT_TRUE(broker->schedules(clerk->session)->empty());
  EXPECT_TRUE(broker->workers(clerk->session)->empty());
}

TEST_F(AccessTest, WaitingAtAQueueTakesTheRightToDeclareItOnlyWhereItIsNotThere) {
  add_administrator();
  put_user("app");
  grant("app", "", "", ".*");
  auto client = as("app");
  const auto wait_at = [&](std::string_view queue) {
    engine::Take take;
    take.queues = {std::string(queue)};
    take.wait_until = clock.now() + 10s;
    broker->take(client->session, ++tag, take);
    return wait(tag, client->sink).kind;
  };
  declare("q", {});
  EXPECT_EQ(wait_at("q"), "nothing") << "it waits";
  EXPECT_EQ(wait_at("new"), "error");
}

// What was decided before by somebody who might is not asked for again.
TEST_F(AccessTest, ADeclarationAsksForTheDeadLettersOnlyWhenItSaysAnythingNewOfThem) {
  add_administrator();
  put_user("app");
  grant("app", ".*", "", "");
  declare("q", {{"dead_letter", "grave"}});
  declare("x", {{"dead_letter_exchange", "dlx"}});
  auto client = as("app");
  const struct {
    std::string_view queue, option, value;
    bool denied;
  } rows[] = {{"q", "dead_letter", "grave", false},
              {"q", "dead_letter", "-", false},
              {"q", "dead_letter", "other", true},
              {"x", "dead_letter_exchange", "dlx", false},
              {"x", "dead_letter_exchange", "y", true}};
  for (const auto& [queue, option, value, denied] : rows)
    EXPECT_EQ(is_denied(declare_as(*client, queue, {{option, value}, {"max_length", "5"}})), denied)
        << queue << " " << option << " " << value;
}

TEST_F(AccessTest, DeadLettersGoWhereTheQueueSendsThemWhoeverRejects) {
  add_administrator();
  put_user("app");
  grant("app", "", "", "^q$");
  declare("dead", {});
  declare("q", {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "dead"}});
  send("q", "bad");
  auto client = as("app");
  engine::Take take;
  take.queues = {"q"};
  broker->take(client->session, ++tag, take);
  const auto lease = wait(tag, client->sink).messages.at(0).lease;
  engine::Settle reject;
  reject.leases = std::span(&lease, 1);
  reject.outcome = engine::Outcome::reject;
  broker->settle(client->session, ++tag, reject);
  EXPECT_EQ(wait(tag, client->sink).kind, "settled");
  EXPECT_TRUE(is_denied(send_as(*client, "dead", "x")));
  EXPECT_EQ(bodies(this->take("dead")), std::vector<std::string>{"bad"});
}

TEST_F(AccessTest, ABindingFromNowhereIsNotFoundByWhoMayReadIt) {
  add_administrator();
  put_user("app");
  grant("app", "", ".*", ".*");
  declare("q", {});
  auto client = as("app");
  EXPECT_EQ(bind_as(*client, "nowhere", "q", "k").error.code, ErrorCode::not_found);
}

}  // namespace
}  // namespace penstock::broker
