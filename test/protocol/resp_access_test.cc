// AUTH, HELLO AUTH, and what is answered to those who may not.
#include "protocol/resp/command_table.h"
#include "test/protocol/fake_passwords.h"
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

class RespAccess : public RespTest {
 protected:
  void SetUp() override {
    Settings settings;
    settings.passwords = &passwords;
    open(std::move(settings));
    passwords.broker = broker_.get();
    add_users(*broker_);
  }
  FakePasswords passwords;
};

TEST_F(RespAccess, WithoutUsersAuthIsAnErrorAndNotNeeded) {
  open({});
  Talker client(*service_, *broker_);
  EXPECT_EQ(client.text({"AUTH", "x"}),
            "ERR AUTH: no users are configured on this server; connect without a user and a "
            "password");
  EXPECT_EQ(client.text({"PING"}), "PONG");
}

TEST_F(RespAccess, NothingIsDoneForNobody) {
  Talker client(*service_, *broker_);
  for (const auto& words : std::initializer_list<std::initializer_list<std::string_view>>{
           {"PING"}, {"SEND", "app", "x"}, {"CLIENT", "LIST"}, {"STATUS"}, {"COMMAND"}})
    EXPECT_EQ(client.text(words), "NOAUTH Authentication required: AUTH user password");
  EXPECT_TRUE(client.text({"HELLO", "3"}).starts_with("NOAUTH HELLO must be called"));
  EXPECT_EQ(client.text({"QUIT"}), "OK");
}

TEST_F(RespAccess, EveryCommandButFourAsksWhoItIs) {
  std::vector<std::string_view> free;
  for (const auto& command : commands())
    if (command.for_everybody) free.push_back(command.name);
  EXPECT_EQ(free, (std::vector<std::string_view>{"HELLO", "AUTH", "RESET", "QUIT"}));
}

TEST_F(RespAccess, WhoIsNobodyCannotFillTheMemory) {
  Talker client(*service_, *broker_);
  EXPECT_TRUE(client.raw("*2\r\n$4\r\nECHO\r\n$1000000\r\n").starts_with("-ERR Protocol error"));
  EXPECT_TRUE(client.conversation().finished());
  Talker known(*service_, *broker_);
  EXPECT_EQ(known.text({"AUTH", "app", "app"}), "OK");
  EXPECT_EQ(known.text({"ECHO", std::string(100'000, 'x')}).size(), 100'000u);
}

TEST_F(RespAccess, WhoLogsInMayWhatItsPatternsSay) {
  Talker client(*service_, *broker_);
  EXPECT_EQ(client.text({"AUTH", "app", "app"}), "OK");
  EXPECT_EQ(client.say({"SEND", "app-q", "x"}).type, ReplyType::bulk);
  EXPECT_TRUE(client.text({"SEND", "other", "x"})
                  .starts_with("NOPERM access to queue 'other' in vhost '/' refused for user "
                               "'app'"));
  EXPECT_EQ(client.text({"RESET"}), "RESET");
  EXPECT_TRUE(client.text({"PING"}).starts_with("NOAUTH"));
}

TEST_F(RespAccess, HelloLogsInAndAnswersInTheVersionAskedFor) {
  Talker client(*service_, *broker_);
  const auto hello = client.say({"HELLO", "3", "AUTH", "app", "app", "SETNAME", "me"});
  EXPECT_EQ(hello.type, ReplyType::map);
  EXPECT_EQ(at(hello, "proto").integer, 3);
  EXPECT_EQ(client.text({"CLIENT", "GETNAME"}), "me");
}

TEST_F(RespAccess, AWrongPasswordChangesNothingAndThreeEndTheConnection) {
  Talker client(*service_, *broker_);
  const std::string wrong = "WRONGPASS invalid username-password pair or user is disabled.";
  EXPECT_EQ(client.text({"HELLO", "3", "AUTH", "app", "no", "SETNAME", "me"}), wrong);
  EXPECT_EQ(client.text({"AUTH", "nobody", "app"}), wrong);
  EXPECT_FALSE(client.conversation().finished());
  EXPECT_EQ(client.text({"AUTH", "app"}), wrong) << "that is the user named default";
  EXPECT_TRUE(client.conversation().finished());
  EXPECT_EQ(service_->statistics().refused_logins, 3u);
}

TEST_F(RespAccess, WhatFollowsAuthWaitsForIt) {
  passwords.at_once = false;
  Talker client(*service_, *broker_);
  const auto both = encoded({"AUTH", "app", "app"}) + encoded({"CLIENT", "ID"});
  EXPECT_EQ(client.raw(both), "");
  EXPECT_FALSE(client.conversation().wants_input());
  passwords.answer_all();
  client.feed();
  const auto replies = decoded(client.take_output());
  ASSERT_EQ(replies.size(), 2u);
  EXPECT_EQ(replies[0].text, "OK");
  EXPECT_EQ(replies[1].type, ReplyType::integer);
}

TEST_F(RespAccess, WhoGoesWhileThePasswordIsCheckedIsForgotten) {
  passwords.at_once = false;
  Talker client(*service_, *broker_);
  client.raw(encoded({"AUTH", "app", "app"}));
  client.close();
  passwords.answer_all();
}

TEST_F(RespAccess, OneSeesOnesOwnConnectionsAndTheServersFiguresTakeATag) {
  Talker app(*service_, *broker_), admin(*service_, *broker_);
  app.say({"AUTH", "app", "app"});
  admin.say({"AUTH", "admin", "admin"});
  EXPECT_EQ(app.text({"CLIENT", "LIST"}).find("user=admin"), std::string::npos);
  EXPECT_NE(admin.text({"CLIENT", "LIST"}).find("user=app"), std::string::npos);
  EXPECT_EQ(at(app.say({"STATUS"}), "messages").type, ReplyType::null);
  EXPECT_EQ(at(admin.say({"STATUS"}), "messages").type, ReplyType::integer);
  EXPECT_EQ(app.say({"CLIENT", "UNBLOCK", "2"}).integer, 0);
}

TEST_F(RespAccess, ADeletedUsersConnectionEnds) {
  Talker client(*service_, *broker_);
  client.say({"AUTH", "app", "app"});
  NoReplies sink;
  const auto session = broker_->open_session(sink);
  broker_->remove_user(session, 1, "app");
  settle();
  EXPECT_TRUE(client.conversation().finished());
}

}  // namespace
}  // namespace penstock::protocol::resp
