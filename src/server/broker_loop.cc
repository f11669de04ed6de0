#include "server/broker_loop.h"

#include <algorithm>

#include "base/check.h"
#include "os/process_info.h"

namespace penstock::server {
namespace {

// While batches are written, segments are used up and become free: then it is looked at often.
constexpr Duration kMaintenanceBusy = std::chrono::milliseconds(20);
constexpr Duration kMaintenanceIdle = std::chrono::seconds(1);

}  // namespace

BrokerLoop::BrokerLoop(net::Loop& loop, broker::Broker& broker)
    : loop_(loop),
      broker_(broker),
      next_maintenance_(broker.now()),
      preparer_(broker),
      committer_(broker, [this](journal::Batch& batch) { written(batch); }) {
  preparer_.poke();
}

void BrokerLoop::turn() {
  do broker_.turn();
  while (writing_ == nullptr && commit());
}

bool BrokerLoop::commit() {
  auto* batch = broker_.seal();
  if (batch == nullptr) return false;
  if (!committer_.submit(*batch)) {
    writing_ = batch;
    return false;
  }
  wrote_ = true;
  broker_.complete(*batch);
  return true;
}

void BrokerLoop::written(journal::Batch& batch) {
  loop_.post([this, &batch] {
    CHECK(writing_ == &batch);
    writing_ = nullptr;
    wrote_ = true;
    broker_.complete(batch);
  });
}

void BrokerLoop::maintain(Time now) {
  // The broker can do nothing of this while a batch is being written; the end of the write comes
  // here too.
  if (now < next_maintenance_ || writing_ != nullptr) return;
  broker_.maintain();
  if (wrote_) {
    preparer_.poke();
    rest_at_ = now + broker::Broker::kRestAfter;
  } else if (now >= rest_at_) {
    rest_at_ = Time::max();
    broker_.rest();
    give_back_free_memory();
  }
  next_maintenance_ = now + (wrote_ ? kMaintenanceBusy : kMaintenanceIdle);
  wrote_ = false;
}

Time BrokerLoop::next_due() const {
  return writing_ == nullptr ? std::min(broker_.next_timer(), next_maintenance_)
                             : broker_.next_timer();
}

}  // namespace penstock::server
