#include "cli/password.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "os/file.h"

namespace penstock::cli {
namespace {

constexpr std::size_t kFileBytesMax = 4096;

// A terminal that does not show what is typed, for as long as it lives.
class Blind {
 public:
  explicit Blind(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(terminal_, TCSAFLUSH, &silent) == 0;
  }
  ~Blind() {
    if (changed_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  Blind(const Blind&) = delete;
  Blind& operator=(const Blind&) = delete;

 private:
  int terminal_;
  termios before_{};
  bool changed_ = false;
};

void write_all(int to, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(to, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string first_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

void warn_of_readers(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0)
    fmt::print(stderr, "penstock: {} can be read by others; chmod 600 {}\n", path, path);
}

}  // namespace

Result<std::string> ask_password(const std::string& prompt) {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0)
    return fail(ErrorCode::invalid, "a password is needed, and there is no terminal to ask at",
                "set PENSTOCK_PASSWORD, or say --user NAME:PASSWORD");
  std::string line;
  {
    const Blind blind(terminal);
    write_all(terminal, prompt);
    for (char c = 0; ::read(terminal, &c, 1) == 1 && c != '\n';) line.push_back(c);
    write_all(terminal, "\n");
  }
  ::close(terminal);
  return line;
}

Result<std::string> new_password(const std::string& path, const std::string& user) {
  if (!path.empty() && path != "-") {
    warn_of_readers(path);
    auto text = read_small_file(path, kFileBytesMax);
    if (!text) return fail(std::move(text.error()));
    return first_line(std::move(*text));
  }
  if (path == "-" || ::isatty(STDIN_FILENO) == 0) {
    std::string line;
    if (!std::getline(std::cin, line))
      return fail(ErrorCode::invalid, "a password is needed, and standard input is empty",
                  "pipe it in, or say --password-file FILE");
    return first_line(std::move(line));
  }
  auto password = ask_password(fmt::format("Password for {}: ", user));
  if (!password) return password;
  const auto again = ask_password("The same again: ");
  if (!again) return again;
  if (*password != *again) return fail(ErrorCode::invalid, "the two passwords differ");
  return password;
}

}  // namespace penstock::cli
