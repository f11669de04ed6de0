// Calls from many threads into the broker's one, gathered so that many cost one wake-up.
//
// A caller makes an Operation on its stack and hands it to OperationQueue::run(), which blocks
// until the broker has answered all of its commands. Operations that come while the broker is busy
// are started together, in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "broker/broker.h"
#include "broker/driver.h"

namespace penstock::detail {

class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;

  // Broker's thread: gives the broker commands with tag(index), and returns how many.
  virtual std::uint32_t start(broker::Broker& broker) = 0;
  // Broker's thread; once for each command.
  virtual void on_reply(std::uint32_t index, const broker::Reply& reply) = 0;

 protected:
  // Only one command (index 0) unless parts are prepared, before run(), with this.
  void prepare_parts(std::uint32_t count);
  [[nodiscard]] broker::Tag tag(std::uint32_t index = 0);

 private:
  friend class OperationQueue;
  // What a tag points to.
  struct Part {
    Operation* operation = nullptr;
    std::uint32_t index = 0;
  };

  Part first_{this, 0};
  std::vector<Part> parts_;
  Operation* next_ = nullptr;  // in the queue
  // Broker's thread: those that wait for replies.
  Operation* in_flight_before_ = nullptr;
  Operation* in_flight_after_ = nullptr;
  std::uint32_t replies_due_ = 0;

  std::mutex mutex_;
  std::condition_variable finished_;
  bool is_finished_ = false;
  bool is_closed_ = false;
};

class OperationQueue final : public broker::ReplySink {
 public:
  explicit OperationQueue(broker::Driver& driver) : driver_(driver) {}

  // Any thread. False when the queue is or was meanwhile closed; the operation may still have
  // happened.
  [[nodiscard]] bool run(Operation& operation);
  // Starts nothing more, stops the driver, and ends all that still waits. Once.
  void close();

  void on_reply(broker::Tag tag, const broker::Reply& reply) override;

 private:
  [[nodiscard]] bool push(Operation& operation);
  void start_all(broker::Broker& broker, Operation* newest);
  void finish(Operation& operation, bool closed);

  broker::Driver& driver_;
  std::atomic<Operation*> newest_{nullptr};
  std::atomic<std::uint32_t> posting_{0};  // callers between their push and their post
  Operation* in_flight_ = nullptr;
};

}  // namespace penstock::detail
