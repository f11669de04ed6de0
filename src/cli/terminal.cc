#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace penstock::cli {

std::size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0) return 0;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool write_out(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

namespace {

std::size_t terminal_height() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
  return known ? size.ws_row : 24;
}

// What scrolled out of sight could not be drawn over.
std::string_view first_lines(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  for (; count > 0 && end < text.size(); --count) {
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  }
  return text.substr(0, end);
}

}  // namespace

void LiveLines::draw(std::string_view text) {
  const bool live = terminal_width() > 0;
  if (live) text = first_lines(text, terminal_height() - 1);
  std::string all;
  // Up, and clear to the end of the screen, in the same write as what replaces it: no flicker.
  if (live && lines_ > 0) all = fmt::format("\x1b[{}F\x1b[J", lines_);
  all += text;
  write_out(all);
  lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

void LiveLines::clear() {
  if (terminal_width() > 0 && lines_ > 0) write_out(fmt::format("\x1b[{}F\x1b[J", lines_));
  lines_ = 0;
}

}  // namespace penstock::cli
