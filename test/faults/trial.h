// One fixed piece of work against one server whose calls fail, or which dies, as a plan says; then
// a start without faults, in which everything that was confirmed must be there and nothing that was
// settled.
//
// Threads: one owner.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "test/crash/front.h"
#include "test/faults/control.h"
#include "test/faults/disk_image.h"
#include "test/support/server_process.h"

namespace penstock::faults {

struct Plan {
  Call call = Call::write;
  std::string action;  // as the shim has it: "EIO", "short", "before" ...
  bool sticky = false;
  std::uint64_t at = 1;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool kills() const {
    return action == "before" || action == "after" || action == "torn";
  }
  // Whether the server is to get by without anyone noticing.
  [[nodiscard]] bool harmless() const { return action == "short" || action == "EINTR"; }
};

// How the server took it.
enum class Ending : std::uint8_t { went_on, refused_to_start, died_with_message, killed };

struct Verdict {
  bool struck = false;  // false: there are fewer such calls than the plan counts
  Ending ending = Ending::went_on;
  std::uint64_t error_answers = 0;  // while it went on
  crash::Totals totals;
  std::vector<std::string> violations;
};

class Trial {
 public:
  // Works in `folder`, which is emptied, with a port that nobody else uses.
  Trial(Control& control, std::string folder, std::uint16_t port);

  // With an empty plan nothing fails, and the recording's counters tell how many calls there are.
  [[nodiscard]] Verdict run(const Plan* plan, Survivors survivors, std::uint64_t seed);

 private:
  // One life of the server, until it was stopped, or came to its end by itself: false then.
  bool live(int number);
  bool work(int number);
  void final_life();
  bool start(const std::string& plan);
  [[nodiscard]] bool declare();
  // Each of these: false when the server is gone.
  bool publish(std::uint64_t count, bool task);
  bool take(std::uint32_t count, bool task, std::uint64_t settled);
  [[nodiscard]] bool still_there();
  void ended_with(int code, bool while_starting);
  void note(const std::string& trouble);
  [[nodiscard]] bool struck() const { return control_.recording().struck != 0; }
  [[nodiscard]] std::uint64_t drain();
  void check_results();
  void violation(std::string what) { ledger_->violation(std::move(what)); }
  [[nodiscard]] std::string log_since_start() const;

  Control& control_;
  const std::string folder_, data_;
  const std::uint16_t port_;
  const Plan* plan_ = nullptr;
  std::unique_ptr<crash::Ledger> ledger_;
  std::unique_ptr<crash::Lives> lives_;
  std::unique_ptr<testing::ServerProcess> server_;
  std::unique_ptr<crash::Front> front_;
  std::size_t log_at_start_ = 0;
  bool declared_ = false;
  Verdict verdict_;
};

}  // namespace penstock::faults
