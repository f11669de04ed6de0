// The test's end of the shim: the shared recording, and what a server must be started with so that
// the shim is in it.
//
// Threads: one owner; the recording's counters may be read while the server runs.
#pragma once

#include <string>
#include <vector>

#include "test/faults/recording.h"

namespace penstock::faults {

class Control {
 public:
  // For a server that keeps its data in `directory`, which is named there in just these letters.
  explicit Control(std::string directory);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // False where the shim was not built: under sanitizers.
  [[nodiscard]] static bool available();
  // "NAME=VALUE" for the next life of the server; `plan` as shim.cc says, or nothing.
  [[nodiscard]] std::vector<std::string> environment(const std::string& plan) const;
  [[nodiscard]] Recording& recording() const { return *recording_; }

 private:
  std::string directory_, path_;
  Recording* recording_;
};

}  // namespace penstock::faults
