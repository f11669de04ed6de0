#include "server/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "base/text.h"

namespace penstock::server {
namespace {

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  // Refused: the server accepts fewer connections at a time, and pauses accepting beyond.
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

std::string listed(const std::vector<net::Address>& addresses, std::string_view separator) {
  std::string text;
  for (const net::Address& address : addresses) {
    if (!text.empty()) text += separator;
    text += net::to_text(address);
  }
  return text;
}

Result<void> write_all(int fd, std::string_view text, std::string_view what) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return fail(ErrorCode::io,
                  fmt::format("{}: {}", what, std::generic_category().message(errno)));
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

// Whoever waits for the file must never see half of it.
Result<void> write_ready_file(const std::string& path, std::string_view text) {
  const std::string unfinished = path + ".new";
  const int fd = open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string what = fmt::format("ready file {}", path);
  if (fd < 0) {
    return fail(ErrorCode::io, fmt::format("{}: {}", what, std::generic_category().message(errno)));
  }
  auto written = write_all(fd, text, what);
  close(fd);
  if (!written) return written;
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::io, fmt::format("{}: {}", what, std::generic_category().message(errno)));
  }
  return {};
}

void log_recovery(const journal::OpenReport& report) {
  for (const journal::RepairedRange& range : report.repaired) {
    spdlog::warn(
        "{} at offset {}: {} byte(s) were damaged and have been repaired from the parity; "
        "look at the disk",
        range.file, range.offset, range.bytes);
  }
  if (report.created || report.clean) return;
  if (report.torn_bytes != 0) {
    spdlog::warn(
        "the last run ended without closing its journal: cut {} of an unfinished write, which "
        "nobody "
        "had been told is safe; replayed {} record(s)",
        format_bytes(report.torn_bytes), report.records);
  } else {
    spdlog::info("the last run ended without closing its journal: replayed {} record(s), lost none",
                 report.records);
  }
}

}  // namespace

void prepare_process(const std::string& log_level) {
  raise_descriptor_limit();
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  umask(077);
  auto logger = spdlog::stderr_logger_mt("penstock");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l: %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(log_level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

Result<void> announce_ready(const Server& server, const Settings& settings, Duration took) {
  log_recovery(server.open_report());
  spdlog::info("penstock {} ready: listening on {}, data in {} (started in {} ms)",
               PENSTOCK_VERSION, listed(server.addresses(), ", "), settings.data,
               std::chrono::ceil<std::chrono::milliseconds>(took).count());
  const std::string lines = listed(server.addresses(), "\n") + "\n";
  if (!settings.ready_file.empty()) {
    if (auto told = write_ready_file(settings.ready_file, lines); !told) return told;
  }
  if (settings.ready_fd >= 0) {
    if (auto told = write_all(settings.ready_fd, lines, "ready descriptor"); !told) return told;
    close(settings.ready_fd);
  }
  return {};
}

}  // namespace penstock::server
