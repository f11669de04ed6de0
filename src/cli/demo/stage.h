// What the demonstration plays on: a folder, the sinks, and a server that can be killed and started
// again on the same data and the same port.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cli/demo/child.h"

namespace penstock::cli {

// Threads: one. Lifetime: the destructor ends all programs, and removes the folder unless keep()
// was called.
class Stage {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Stage>> set(const std::filesystem::path& files,
                                                          double sink_delay_ms);
  ~Stage();

  // SIGKILL, and a new start; how long it took until the new one was ready.
  [[nodiscard]] Result<Duration> kill_and_restart_server(Clock& clock);
  // SIGTERM; its exit code.
  [[nodiscard]] int stop_server();
  void stop_sinks();
  void keep() { keep_ = true; }

  [[nodiscard]] pid_t server_pid() const { return server_.pid(); }
  [[nodiscard]] const std::string& server_address() const { return address_; }  // host:port
  [[nodiscard]] std::string smtp_url() const { return "smtp://127.0.0.1:" + smtp_port_; }
  [[nodiscard]] std::string hook_url(std::string_view channel) const {
    return "http://127.0.0.1:" + hook_port_ + "/" + std::string(channel);
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  Stage() = default;
  [[nodiscard]] Result<void> start_server();
  [[nodiscard]] Result<std::string> start_sink(Child& child, const std::filesystem::path& script,
                                               const std::string& record, double delay_ms);

  std::filesystem::path folder_;
  Child server_, smtp_, hook_;
  std::string address_ = "127.0.0.1:0";
  std::string smtp_port_, hook_port_;
  bool keep_ = false;
};

}  // namespace penstock::cli
