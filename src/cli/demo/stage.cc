#include "cli/demo/stage.h"

#include <fmt/format.h>
#include <stdlib.h>

#include "cli/demo/events.h"

namespace penstock::cli {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

constexpr Duration kStartTime = 20s;
constexpr Duration kStopTime = 10s;
// Debian's own: the one that sees the package python3-aiosmtpd.
constexpr const char* kPython = "/usr/bin/python3";

}  // namespace

Result<std::unique_ptr<Stage>> Stage::set(const fs::path& files, double sink_delay_ms) {
  std::unique_ptr<Stage> stage(new Stage);
  std::string pattern = (fs::temp_directory_path() / "penstock-demo-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return fail(ErrorCode::io, "cannot make a folder in " + fs::temp_directory_path().string());
  }
  stage->folder_ = pattern;
  auto smtp =
      stage->start_sink(stage->smtp_, files / "smtp_sink.py", "email.record", sink_delay_ms);
  if (!smtp) {
    smtp.error().hint = "it needs Debian's python3-aiosmtpd; the log is in " + pattern;
    stage->keep();
    return fail(std::move(smtp.error()));
  }
  stage->smtp_port_ = *smtp;
  auto hook = stage->start_sink(stage->hook_, files / "hook_sink.py", "hook.record", sink_delay_ms);
  if (!hook) return fail(std::move(hook.error()));
  stage->hook_port_ = *hook;
  if (auto started = stage->start_server(); !started) {
    stage->keep();
    return fail(std::move(started.error()));
  }
  return stage;
}

Stage::~Stage() {
  server_.kill();
  stop_sinks();
  std::error_code ignored;  // a folder that stays in the temporary directory harms nobody
  if (!keep_ && !folder_.empty()) fs::remove_all(folder_, ignored);
}

Result<std::string> Stage::start_sink(Child& child, const fs::path& script,
                                      const std::string& record, double delay_ms) {
  const std::string name = script.filename().string();
  auto started = Child::start({kPython, script.string(), "--record", (folder_ / record).string(),
                               "--delay-ms", fmt::format("{}", delay_ms)},
                              Child::Ready::on_output, (folder_ / (name + ".log")).string());
  if (!started) return fail(std::move(started.error()).at("start " + name));
  child = std::move(*started);
  auto line = child.first_line(kStartTime);
  if (!line) return fail(std::move(line.error()).at("start " + name));
  return line->substr(line->find(' ') + 1);  // "ready PORT"
}

Result<void> Stage::start_server() {
  auto started =
      Child::start({own_program().string(), "serve", "--data", (folder_ / "data").string(),
                    "--listen", address_, "--ready-fd", "3"},
                   Child::Ready::on_descriptor_3, (folder_ / "server.log").string());
  if (!started) return fail(std::move(started.error()).at("start the server"));
  server_ = std::move(*started);
  auto line = server_.first_line(kStartTime);
  if (!line) {
    line.error().hint = "its log is " + (folder_ / "server.log").string();
    return fail(std::move(line.error()).at("start the server"));
  }
  address_ = *line;
  return {};
}

Result<Duration> Stage::kill_and_restart_server(Clock& clock) {
  server_.kill();
  const Time killed = clock.now();
  if (auto started = start_server(); !started) return fail(std::move(started.error()));
  return clock.now() - killed;
}

int Stage::stop_server() {
  return server_.stop(kStopTime);
}

void Stage::stop_sinks() {
  smtp_.stop(kStopTime);
  hook_.stop(kStopTime);
}

}  // namespace penstock::cli
