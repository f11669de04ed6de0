// Bytes in, lines out. A line ends with \n, \r or both; empty ones are none; what is longer than
// the server keeps is cut.
#pragma once

#include <string>
#include <string_view>

#include "engine/task_log.h"

namespace penstock::cli {

class LineCutter {
 public:
  template <class Use>
  void feed(std::string_view bytes, Use use) {
    for (;;) {
      const auto end = bytes.find_first_of("\r\n");
      const auto room = engine::kLogLineBytesMax - line_.size();
      line_.append(bytes.substr(0, end).substr(0, room));
      if (end == std::string_view::npos) return;
      finish(use);
      bytes.remove_prefix(end + 1);
    }
  }
  // The last line may have no end.
  template <class Use>
  void finish(Use use) {
    if (!line_.empty()) use(std::string_view(line_));
    line_.clear();
  }

 private:
  std::string line_;
};

}  // namespace penstock::cli
