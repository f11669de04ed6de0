// What a penstock::Message holds: its part of what one take brought.
#pragma once

#include <memory>

#include "penstock/message.hpp"
#include "task/core.h"

namespace penstock::detail {

struct MessageState {
  std::shared_ptr<Core> core;
  std::shared_ptr<const Deliveries> taken;  // shared by all messages of the take
  const broker::Delivery* delivery = nullptr;
  Time deadline{};
  bool settled = false;

  // Throws LeaseLost, Closed.
  void settle(Settlement settlement);
};

}  // namespace penstock::detail
