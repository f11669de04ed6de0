// Logging in over AMQP, entering a virtual host, and what is said when that is refused.
#include <gtest/gtest.h>

#include "os/memory_directory.h"
#include "protocol/amqp/service.h"
#include "test/protocol/fake_passwords.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/method.h"

namespace penstock::protocol::amqp {
namespace {

namespace wa = wire::amqp;

class ManualClock final : public Clock {
 public:
  Time now() override { return time_from_micros(1'700'000'000'000'000); }
};
class CountingRandom final : public Random {
 public:
  std::uint64_t next() override { return ++value_ * 0x9e3779b97f4a7c15; }

 private:
  std::uint64_t value_ = 0;
};

class Peer final : public Host {
 public:
  Peer(Service& service, broker::Broker& broker, bool loopback = true)
      : loopback_(loopback), broker_(broker), conversation_(service.converse(*this)) {}
  void wake() override {}
  void wake_at(Time) override {}
  bool peer_is_loopback() const override { return loopback_; }
  std::string peer() const override { return "192.0.2.1:50000"; }

  void give(std::string_view bytes) {
    held_.append(bytes);
    while (!held_.empty() && conversation_->wants_input()) {
      const auto taken = conversation_->receive(as_bytes(held_));
      if (taken == 0) return;
      held_.erase(0, taken);
    }
  }
  template <class Method>
  void say(const Method& method) {
    std::string bytes;
    wa::encode_method(bytes, 0, method);
    give(bytes);
  }
  // The name of each method that came, with the text of those that close.
  std::vector<std::string> heard() {
    broker_.settle_down();
    std::vector<std::string> names;
    const auto output = conversation_->output();
    for (auto rest = output; !rest.empty();) {
      const auto read = wa::read_frame(rest, 131'072);
      if (read.status != wa::ReadFrame::Status::frame) break;
      rest = rest.subspan(read.consumed);
      const auto method = wa::decode_method(read.frame.payload);
      if (!method) continue;
      std::visit([&](const auto& one) { names.push_back(text_of(one)); }, *method);
    }
    conversation_->sent(output.size());
    return names;
  }
  void log_in(std::string_view user, std::string_view password) {
    give(wa::kProtocolHeader);
    heard();
    const auto response = std::string(1, '\0').append(user).append(1, '\0').append(password);
    wa::ConnectionStartOk start;
    std::string capabilities;  // {"capabilities": {"authentication_failure_close": true}}
    capabilities.append("\x0c").append("capabilities").append("F").append("\0\0\0\x1f", 4);
    capabilities.append("\x1c").append("authentication_failure_close").append("t\x01");
    start.client_properties = *wa::TableView::parse(as_bytes(capabilities));
    start.mechanism = "PLAIN";
    start.response = response;
    start.locale = "en_US";
    say(start);
  }
  void open(std::string_view host) {
    say(wa::ConnectionTuneOk{2047, 131'072, 0});
    wa::ConnectionOpen method;
    method.virtual_host = host;
    say(method);
  }
  void close() { conversation_.reset(); }
  [[nodiscard]] Conversation& conversation() { return *conversation_; }

 private:
  template <class Method>
  static std::string text_of(const Method& method) {
    std::string text(Method::kName);
    if constexpr (std::is_same_v<Method, wa::ConnectionClose>)
      text.append(" ").append(method.reply_text);
    return text;
  }
  bool loopback_;
  broker::Broker& broker_;
  std::string held_;
  std::unique_ptr<Conversation> conversation_;
};

class AmqpAccess : public testing::Test {
 protected:
  AmqpAccess() {
    broker::Options options;
    options.journal.segment_bytes = 1u << 20;
    options.journal.reserve_bytes = 0;
    auto opened = broker::Broker::open(directory, clock, random, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    broker = std::move(*opened);
    passwords.broker = broker.get();
    Settings settings;
    settings.passwords = &passwords;
    service = std::make_unique<Service>(*broker, random, std::move(settings));
  }
  using Strings = std::vector<std::string>;
  static inline const std::string kRefused =
      "connection.close ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
      "For details see the broker logfile.";

  MemoryDirectory directory;
  ManualClock clock;
  CountingRandom random;
  FakePasswords passwords;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<Service> service;
};

TEST_F(AmqpAccess, WithoutUsersGuestComesInFromThisMachineOnly) {
  Peer here(*service, *broker), elsewhere(*service, *broker, false), other(*service, *broker);
  here.log_in("guest", "guest");
  EXPECT_EQ(here.heard(), Strings{"connection.tune"});
  elsewhere.log_in("guest", "guest");
  EXPECT_EQ(elsewhere.heard(), Strings{kRefused});
  other.log_in("app", "app");
  EXPECT_EQ(other.heard(), Strings{kRefused});
}

TEST_F(AmqpAccess, WithUsersGuestIsNobodyAndPasswordsCount) {
  add_users(*broker);
  for (const auto& [user, password] : {std::pair("guest", "guest"), std::pair("app", "no"),
                                       std::pair("app", ""), std::pair("", "")}) {
    Peer peer(*service, *broker);
    peer.log_in(user, password);
    EXPECT_EQ(peer.heard(), Strings{kRefused}) << user;
  }
  EXPECT_EQ(service->statistics().refused_logins, 4u);
  Peer peer(*service, *broker, false);
  peer.log_in("app", "app");
  peer.open("/");
  EXPECT_EQ(peer.heard(), (Strings{"connection.tune", "connection.open-ok"}));
}

TEST_F(AmqpAccess, AVirtualHostIsEnteredWithAPermissionThere) {
  add_users(*broker);
  Peer peer(*service, *broker);
  peer.log_in("admin", "admin");
  peer.open("/");
  EXPECT_EQ(peer.heard(),
            (Strings{"connection.tune",
                     "connection.close NOT_ALLOWED - access to vhost '/' refused for user "
                     "'admin'"}));
}

TEST_F(AmqpAccess, NothingIsTakenInWhileThePasswordIsChecked) {
  add_users(*broker);
  passwords.at_once = false;
  Peer peer(*service, *broker);
  peer.log_in("app", "app");
  peer.open("/");
  EXPECT_EQ(peer.heard(), Strings{});
  passwords.answer_all();
  peer.give("");
  EXPECT_EQ(peer.heard(), (Strings{"connection.tune", "connection.open-ok"}));
  Peer gone(*service, *broker);
  gone.log_in("app", "app");
  gone.close();
  passwords.answer_all();
}

TEST_F(AmqpAccess, ADeletedUsersConnectionIsClosedAndToldWhy) {
  add_users(*broker);
  Peer peer(*service, *broker);
  peer.log_in("app", "app");
  peer.open("/");
  peer.heard();
  NoReplies sink;
  broker->remove_user(broker->open_session(sink), 1, "app");
  broker->settle_down();
  EXPECT_EQ(peer.heard(), Strings{"connection.close CONNECTION_FORCED - user 'app' was deleted"});
}

}  // namespace
}  // namespace penstock::protocol::amqp
