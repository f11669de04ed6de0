// Hashes of passwords, and checking them beside the loop.
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "net/loop.h"
#include "os/memory_directory.h"
#include "os/real_clock.h"
#include "server/password_checker.h"
#include "server/password_hash.h"

namespace penstock::server {
namespace {

using protocol::Proof;
using Question = protocol::Passwords::Question;
using Ticket = protocol::Passwords::Ticket;

TEST(PasswordHash, IsArgon2idWithASaltOfItsOwn) {
  const auto one = hash_password("secret").value();
  const auto two = hash_password("secret").value();
  EXPECT_TRUE(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << one;
  EXPECT_NE(one, two);
  EXPECT_TRUE(check_password_hash(one));
  EXPECT_TRUE(is_password(one, "secret"));
  EXPECT_FALSE(is_password(one, "Secret"));
  EXPECT_FALSE(is_password(one, ""));
  EXPECT_FALSE(is_password(one, std::string(2000, 'x')));
}

TEST(PasswordHash, IsNeverMadeOfNothing) {
  EXPECT_EQ(hash_password("").error().code, ErrorCode::invalid);
  EXPECT_EQ(hash_password(std::string(kPasswordBytesMax + 1, 'x')).error().code,
            ErrorCode::invalid);
  EXPECT_TRUE(hash_password(std::string(kPasswordBytesMax, 'x')));
}

TEST(PasswordHash, OfAnotherArgon2idIsUnderstood) {
  // From the reference implementation's own tests (version 19, t=2, m=256, p=1).
  constexpr const char* kKnown =
      "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
      "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
  EXPECT_TRUE(check_password_hash(kKnown));
  EXPECT_TRUE(is_password(kKnown, "password"));
  EXPECT_FALSE(is_password(kKnown, "passwore"));
}

TEST(PasswordHash, OfRabbitMqIsUnderstood) {
  // As rabbitmqctl hash_password makes it: salt 908DC60A, password "test12".
  constexpr const char* kKnown =
      "$rabbitmq-sha256$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
  EXPECT_TRUE(check_password_hash(kKnown));
  EXPECT_TRUE(is_password(kKnown, "test12"));
  EXPECT_FALSE(is_password(kKnown, "test13"));
}

TEST(PasswordHash, OfAnEmptyOrOverlongPasswordIsMatchedByNothing) {
  // RabbitMQ's and argon2id's of "".
  for (const auto* known : {"$rabbitmq-sha256$AAAAAN8/YZgEqS/bQFcZLcQ910jqd4rcUrxJjOgFJMAUuBEZ",
                            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
                            "2pJJeR/EF32JHSAy5fvPJUaE7Wb0wtNAIthiqgOdB88"}) {
    EXPECT_TRUE(check_password_hash(known));
    EXPECT_FALSE(is_password(known, ""));
    EXPECT_FALSE(is_password(known, std::string(kPasswordBytesMax + 1, 'x')));
  }
}

TEST(PasswordHash, ThatCostsTooMuchOrIsNoneIsRefused) {
  const std::string tail = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
  for (const auto* bad :
       {"", "secret", "$argon2id$v=19$", "$argon2i$v=19$m=256,t=2,p=1", "$argon2id$v=19$m=256,t=2",
        "$argon2id$v=19$m=4194304,t=2,p=1", "$argon2id$v=19$m=256,t=100000,p=1",
        "$argon2id$v=19$m=256,t=0,p=1", "$argon2id$v=19$m=256,t=2,p=1000",
        "$argon2id$v=19$m=-1,t=2,p=1", "$rabbitmq-sha256$AAAA", "$1$abc"}) {
    EXPECT_FALSE(check_password_hash(bad + tail)) << bad;
    EXPECT_FALSE(is_password(bad + tail, "password")) << bad;
  }
  EXPECT_FALSE(check_password_hash("$argon2id$v=19$m=256,t=2,p=1$$"));
}

TEST(PasswordHash, OfNobodyIsOneThatIsCheckedAsLong) {
  EXPECT_TRUE(check_password_hash(nobodys_hash()));
  EXPECT_FALSE(is_password(nobodys_hash(), ""));
  EXPECT_FALSE(is_password(nobodys_hash(), "password"));
}

class Silent final : public broker::ReplySink {
 public:
  void on_reply(broker::Tag, const broker::Reply&) override {}
};

class PasswordCheckerTest : public testing::Test {
 protected:
  PasswordCheckerTest() {
    broker::Options options;
    options.journal.segment_bytes = 1u << 20;
    options.journal.reserve_bytes = 0;
    broker = std::move(*broker::Broker::open(directory, *clock, *random, options));
    session = broker->open_session(sink);
    put("admin", hash_password("secret").value());
    checker.emplace(loop, *broker);
  }
  void put(std::string_view name, std::string_view hash) {
    broker->put_user(session, 1, {name, hash, engine::bit(engine::Role::administrator)});
    broker->settle_down();
  }
  // The answer, however long it takes.
  Proof check(std::string_view user, std::string_view password, bool loopback = true) {
    std::optional<Proof> answer;
    std::unique_ptr<Ticket> ticket;
    answer =
        checker->check({user, password, loopback}, ticket, [&](Proof proof) { answer = proof; });
    wait_for([&] { return answer.has_value(); });
    return *answer;
  }
  // Serves one event after the other until it is so.
  template <class Done>
  void wait_for(Done done) {
    while (!done()) loop.context().run_one();
  }
  MemoryDirectory directory;
  std::unique_ptr<Clock> clock = make_real_clock();
  std::unique_ptr<Random> random = make_real_random();
  std::unique_ptr<broker::Broker> broker;
  Silent sink;
  SessionId session;
  net::Loop loop;
  // The loop waits for the other thread, whatever else there is to do.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> waits{
      loop.context().get_executor()};
  std::optional<PasswordChecker> checker;
};

TEST_F(PasswordCheckerTest, TellsRightFromWrongAndRemembersWhatWasRight) {
  EXPECT_EQ(check("admin", "wrong"), Proof::wrong);
  EXPECT_EQ(check("nobody", "secret"), Proof::wrong);
  EXPECT_EQ(check("admin", "secret"), Proof::right);
  EXPECT_EQ(checker->statistics().remembered, 0u);
  EXPECT_EQ(check("admin", "secret"), Proof::right);
  EXPECT_EQ(checker->statistics().remembered, 1u);
  EXPECT_EQ(checker->statistics().right, 2u);
  EXPECT_EQ(checker->statistics().wrong, 2u);
}

TEST_F(PasswordCheckerTest, ForgetsWhatItRememberedWhenTheUserChanges) {
  EXPECT_EQ(check("admin", "secret"), Proof::right);
  put("admin", hash_password("other").value());
  EXPECT_EQ(check("admin", "secret"), Proof::wrong);
  EXPECT_EQ(check("admin", "other"), Proof::right);
}

TEST_F(PasswordCheckerTest, AUserWithoutAHashHasNoPasswordAndGuestComesFromHereOnly) {
  put("locked", "");
  put("guest", hash_password("guest").value());
  EXPECT_EQ(check("locked", ""), Proof::wrong);
  EXPECT_EQ(check("guest", "guest", false), Proof::wrong);
  EXPECT_EQ(check("guest", "guest", true), Proof::right);
  EXPECT_EQ(check("guest", "guest", false), Proof::wrong) << "not even when it is remembered";
}

TEST_F(PasswordCheckerTest, OnlySoManyWaitAndSomeRoomIsKeptForThisMachine) {
  std::vector<std::unique_ptr<Ticket>> tickets;
  const auto asks = [&](bool loopback, std::string_view peer = "127.0.0.1:1") {
    return checker->check({"admin", "x", loopback, peer}, tickets.emplace_back(), [](Proof) {});
  };
  std::vector<std::string> machines;
  for (int n = 0;
       machines.size() * PasswordChecker::kWaitingFromOneMax < PasswordChecker::kWaitingFromAfarMax;
       ++n) {
    const auto& machine = machines.emplace_back("192.0.2." + std::to_string(n));
    for (std::size_t k = 0; k < PasswordChecker::kWaitingFromOneMax; ++k)
      EXPECT_EQ(asks(false, machine + ":" + std::to_string(k)), std::nullopt);
    EXPECT_EQ(asks(false, machine + ":99"), Proof::busy) << "enough of that one";
  }
  EXPECT_EQ(asks(false, "198.51.100.1:1"), Proof::busy) << "enough of others";
  for (auto n = PasswordChecker::kWaitingFromAfarMax; n < PasswordChecker::kWaitingMax; ++n)
    EXPECT_EQ(asks(true), std::nullopt);
  EXPECT_EQ(asks(true), Proof::busy);
  EXPECT_EQ(checker->hash("x", tickets.emplace_back(), [](Result<std::string>) {}).error().code,
            ErrorCode::busy);
  EXPECT_EQ(checker->statistics().busy, 3u + machines.size());
}

TEST_F(PasswordCheckerTest, AQuestionThatWasTakenBackIsNotAnswered) {
  std::unique_ptr<Ticket> ticket;
  EXPECT_FALSE(checker->check({"admin", "secret", true}, ticket,
                              [](Proof) { ADD_FAILURE() << "nobody asks any more"; }));
  ticket.reset();
  EXPECT_EQ(check("admin", "secret"), Proof::right);
}

TEST_F(PasswordCheckerTest, AUserThatChangesMeanwhileIsNotLetInWithWhatItWas) {
  std::unique_ptr<Ticket> ticket;
  std::optional<Proof> answer =
      checker->check({"admin", "secret", true}, ticket, [&](Proof proof) { answer = proof; });
  put("admin", hash_password("other").value());
  wait_for([&] { return answer.has_value(); });
  EXPECT_EQ(answer, Proof::wrong);
}

TEST_F(PasswordCheckerTest, HashesWhatIsToBeKept) {
  std::unique_ptr<Ticket> ticket;
  std::optional<Result<std::string>> made;
  const auto begun =
      checker->hash("secret", ticket, [&](Result<std::string> hash) { made = std::move(hash); });
  ASSERT_TRUE(begun);
  wait_for([&] { return made.has_value(); });
  ASSERT_TRUE(*made);
  EXPECT_TRUE(is_password(**made, "secret"));
}

}  // namespace
}  // namespace penstock::server
