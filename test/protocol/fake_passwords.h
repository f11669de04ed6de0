// Passwords whose hash is the password itself, and whose check takes until a test says so.
#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "broker/broker.h"
#include "protocol/passwords.h"

namespace penstock::protocol {

class FakePasswords final : public Passwords {
 public:
  std::optional<Proof> check(const Question& question, std::unique_ptr<Ticket>& ticket,
                             std::move_only_function<void(Proof)> then) override {
    if (busy) return Proof::busy;
    const auto* hash = broker->password_of(question.user);
    const auto proof = hash != nullptr && !hash->empty() && *hash == question.password
                           ? Proof::right
                           : Proof::wrong;
    if (at_once) return proof;
    waiting.push_back([then = std::move(then), proof]() mutable { then(proof); });
    ticket = std::make_unique<Held>(*this, waiting.size() - 1);
    return std::nullopt;
  }
  Result<void> hash(std::string_view password, std::unique_ptr<Ticket>& ticket,
                    Hashed then) override {
    if (busy) return fail(ErrorCode::busy, "too many");
    ++hashed;
    waiting.push_back([then = std::move(then), text = std::string(password)]() mutable {
      then(std::move(text));
    });
    ticket = std::make_unique<Held>(*this, waiting.size() - 1);
    return {};
  }
  Result<void> accepts(std::string_view hash) const override {
    if (hash == "bad") return fail(ErrorCode::invalid, "a hash of no known form");
    return {};
  }
  const Statistics& statistics() const override { return statistics_; }

  // Everything that waits is known now.
  void answer_all() {
    auto all = std::exchange(waiting, {});
    for (auto& one : all)
      if (one) one();
  }

  broker::Broker* broker = nullptr;
  bool at_once = true, busy = false;
  int hashed = 0;
  std::vector<std::move_only_function<void()>> waiting;

 private:
  class Held final : public Ticket {
   public:
    Held(FakePasswords& of, std::size_t place) : of_(of), place_(place) {}
    ~Held() override {
      if (place_ < of_.waiting.size()) of_.waiting[place_] = nullptr;
    }

   private:
    FakePasswords& of_;
    std::size_t place_;
  };
  Statistics statistics_;
};

// For answers that are no matter.
class NoReplies final : public broker::ReplySink {
 public:
  void on_reply(broker::Tag, const broker::Reply& reply) override {
    if (const auto* error = std::get_if<Error>(&reply)) ADD_FAILURE() << error->message;
  }
};

// An administrator `admin`, and `app`, which may use what begins with "app"; their passwords are
// their names.
inline void add_users(broker::Broker& broker) {
  NoReplies sink;
  const auto session = broker.open_session(sink);
  broker.put_user(session, 1, {"admin", "admin", engine::bit(engine::Role::administrator)});
  broker.put_user(session, 2, {"app", "app", engine::Roles{0}});
  broker.grant(session, 3, {"app", "/", "^app", "^(app|amq.default$)", "^app"});
  broker.settle_down();
  broker.close_session(session);
}

}  // namespace penstock::protocol
