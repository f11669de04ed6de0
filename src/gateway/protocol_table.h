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

struct ProtocolRow {
  wire::Protocol protocol;
  Converse converse;
  // The conversation watches the clock over half a message itself, and may leave whole ones
  // unconsumed; otherwise input that it leaves is half a message, and the gateway watches.
  bool watches_input = false;
};

class ProtocolTable {
 public:
  ProtocolTable& add(ProtocolRow row) {
    rows_.push_back(std::move(row));
    return *this;
  }
  // Null when it is not spoken here.
  [[nodiscard]] const ProtocolRow* find(wire::Protocol protocol) const {
    for (const ProtocolRow& row : rows_) {
      if (row.protocol == protocol) return &row;
    }
    return nullptr;
  }

 private:
  std::vector<ProtocolRow> rows_;  // a handful, given at the start
};

}  // namespace penstock::gateway
