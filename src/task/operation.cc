#include "task/operation.h"

#include "base/check.h"

namespace penstock::detail {
namespace {

// Stands in OperationQueue::newest_ when nothing more may come in.
class ClosedMark final : public Operation {
 public:
  std::uint32_t start(broker::Broker&) override { return 0; }
  void on_reply(std::uint32_t, const broker::Reply&) override {}
};
Operation* closed_mark() {
  static ClosedMark mark;
  return &mark;
}

}  // namespace

void Operation::prepare_parts(std::uint32_t count) {
  parts_.resize(count);
  for (std::uint32_t index = 0; index < count; ++index) parts_[index] = {this, index};
}

broker::Tag Operation::tag(std::uint32_t index) {
  const Part* part = parts_.empty() ? &first_ : &parts_[index];
  return reinterpret_cast<broker::Tag>(part);
}

bool OperationQueue::run(Operation& operation) {
  // Until this is undone, close() does not let the driver go.
  posting_.fetch_add(1);
  const bool in = push(operation);
  if (posting_.fetch_sub(1) == 1) posting_.notify_all();
  if (!in) return false;
  std::unique_lock lock(operation.mutex_);
  operation.finished_.wait(lock, [&] { return operation.is_finished_; });
  return !operation.is_closed_;
}

bool OperationQueue::push(Operation& operation) {
  Operation* newest = newest_.load();
  do {
    if (newest == closed_mark()) return false;
    operation.next_ = newest;
  } while (!newest_.compare_exchange_weak(newest, &operation, std::memory_order_release,
                                          std::memory_order_relaxed));
  // Whoever finds the queue empty wakes the broker; those after it go along.
  if (newest == nullptr) {
    driver_->post([this](broker::Broker& broker) {
      Operation* taken = newest_.load(std::memory_order_relaxed);
      do {
        if (taken == closed_mark()) return;
      } while (!newest_.compare_exchange_weak(taken, nullptr, std::memory_order_acquire,
                                              std::memory_order_relaxed));
      start_all(broker, taken);
    });
  }
  return true;
}

void OperationQueue::start_all(broker::Broker& broker, Operation* newest) {
  Operation* oldest = nullptr;
  while (newest != nullptr) {
    Operation* following = newest->next_;
    newest->next_ = oldest;
    oldest = newest;
    newest = following;
  }
  while (oldest != nullptr) {
    Operation& operation = *oldest;
    oldest = operation.next_;
    operation.replies_due_ = operation.start(broker);
    if (operation.replies_due_ == 0) {
      finish(operation, false);
      continue;
    }
    operation.in_flight_after_ = in_flight_;
    if (in_flight_ != nullptr) in_flight_->in_flight_before_ = &operation;
    in_flight_ = &operation;
  }
}

void OperationQueue::on_reply(broker::Tag tag, const broker::Reply& reply) {
  const auto& part = *reinterpret_cast<const Operation::Part*>(tag);
  Operation& operation = *part.operation;
  CHECK(operation.replies_due_ > 0);
  operation.on_reply(part.index, reply);
  if (--operation.replies_due_ > 0) return;
  if (operation.in_flight_before_ != nullptr)
    operation.in_flight_before_->in_flight_after_ = operation.in_flight_after_;
  else
    in_flight_ = operation.in_flight_after_;
  if (operation.in_flight_after_ != nullptr)
    operation.in_flight_after_->in_flight_before_ = operation.in_flight_before_;
  finish(operation, false);
}

void OperationQueue::finish(Operation& operation, bool closed) {
  // Notified under the lock: the caller's stack, and the operation with it, is gone right after.
  const std::lock_guard lock(operation.mutex_);
  operation.is_closed_ = closed;
  operation.is_finished_ = true;
  operation.finished_.notify_one();
}

void OperationQueue::close() {
  Operation* last = newest_.exchange(closed_mark());
  driver_->post([this, last](broker::Broker& broker) { start_all(broker, last); });
  while (const auto posting = posting_.load()) posting_.wait(posting);
  driver_->stop();
  // The broker's thread has ended: what is left waits for something that will not come.
  while (in_flight_ != nullptr) {
    Operation& operation = *in_flight_;
    in_flight_ = operation.in_flight_after_;
    finish(operation, true);
  }
  driver_.reset();
}

// ---- on the caller's thread

bool DirectOperations::run(Operation& operation) {
  if (broker_ == nullptr) return false;
  operation.replies_due_ = operation.start(*broker_);
  broker_->settle_down();
  broker_->maintain();
  CHECK(operation.replies_due_ == 0);  // whoever may have to wait does not come here
  return true;
}

void DirectOperations::on_reply(broker::Tag tag, const broker::Reply& reply) {
  const auto& part = *reinterpret_cast<const Operation::Part*>(tag);
  CHECK(part.operation->replies_due_ > 0);
  --part.operation->replies_due_;
  part.operation->on_reply(part.index, reply);
}

void DirectOperations::close() {
  if (broker_ == nullptr) return;
  broker_->close();
  broker_.reset();
}

}  // namespace penstock::detail
