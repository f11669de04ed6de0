// The client's end of a session with consumers: what each of them was sent.
#pragma once

#include "test/broker/fixture.h"

namespace penstock::broker {

struct Receiver final : ReplySink {
  void on_reply(Tag tag, const Reply& reply) override {
    if (const auto* delivered = std::get_if<Delivered>(&reply)) {
      for (const auto& message : delivered->messages) {
        bodies[tag].emplace_back(as_text(message.body));
        leases.push_back(message.lease);
        redelivered += message.redelivered;
      }
    } else if (std::get_if<Error>(&reply) != nullptr) {
      errors.push_back(tag);
    }
  }
  std::map<Tag, std::vector<std::string>> bodies;
  std::vector<engine::LeaseToken> leases;
  std::vector<Tag> errors;
  int redelivered = 0;
};

}  // namespace penstock::broker
