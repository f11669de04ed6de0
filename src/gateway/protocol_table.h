// Which protocols are spoken here. A new protocol is one more row.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "protocol/conversation.h"
#include "wire/sniff.h"

namespace penstock::gateway {

// Begins a conversation on the connection that `host` stands for; the host outlives it.
using Converse = std::function<std::unique_ptr<protocol::Conversation>(protocol::Host& host)>;

class ProtocolTable {
 public:
  ProtocolTable& add(wire::Protocol protocol, Converse converse) {
    rows_.emplace_back(protocol, std::move(converse));
    return *this;
  }
  // Null when it is not spoken here.
  [[nodiscard]] const Converse* find(wire::Protocol protocol) const {
    for (const auto& [name, converse] : rows_) {
      if (name == protocol) return &converse;
    }
    return nullptr;
  }

 private:
  std::vector<std::pair<wire::Protocol, Converse>> rows_;  // a handful, given at the start
};

}  // namespace penstock::gateway
