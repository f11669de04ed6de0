// Calls from many threads into the broker's one, gathered so that many cost one wake-up.
//
// A caller makes an Operation on its stack and hands it to OperationQueue::run(), which blocks
// until the broker has answered all of its commands. Operations that come while the broker is busy
// are started together, in order.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
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
  friend class DirectOperations;
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

// Who has operations carried out.
class OperationRunner : public broker::ReplySink {
 public:
  ~OperationRunner() override = default;
  // False when the runner is or was meanwhile closed; the operation may still have happened.
  [[nodiscard]] virtual bool run(Operation& operation) = 0;
  // Starts nothing more, and ends all that still waits. Once.
  virtual void close() = 0;
  // Whether an operation may wait for what others do.
  [[nodiscard]] virtual bool waits() const = 0;
};

// On a driver's thread. Any thread may call run().
class OperationQueue final : public OperationRunner {
 public:
  explicit OperationQueue(std::unique_ptr<broker::Driver> driver) : driver_(std::move(driver)) {}

  [[nodiscard]] bool run(Operation& operation) override;
  // Lets the driver go, and with it the directory.
  void close() override;
  [[nodiscard]] bool waits() const override { return true; }

  void on_reply(broker::Tag tag, const broker::Reply& reply) override;

 private:
  [[nodiscard]] bool push(Operation& operation);
  void start_all(broker::Broker& broker, Operation* newest);
  void finish(Operation& operation, bool closed);

  std::unique_ptr<broker::Driver> driver_;
  std::atomic<Operation*> newest_{nullptr};
  std::atomic<std::uint32_t> posting_{0};  // callers between their push and their post
  Operation* in_flight_ = nullptr;
};

// On the caller's own thread, of which there is one. Time stands still meanwhile.
class DirectOperations final : public OperationRunner {
 public:
  explicit DirectOperations(std::unique_ptr<broker::Broker> broker) : broker_(std::move(broker)) {}

  [[nodiscard]] bool run(Operation& operation) override;
  void close() override;
  [[nodiscard]] bool waits() const override { return false; }

  void on_reply(broker::Tag tag, const broker::Reply& reply) override;

 private:
  std::unique_ptr<broker::Broker> broker_;
};

}  // namespace penstock::detail
