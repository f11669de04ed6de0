// Does to a directory what its arguments say, through the same code as the server does; for the
// test of the shim.
//
//   scribbler DIRECTORY STEP...
//
//   create:F  open:F  write:F:OFFSET:BYTES:LETTER  sync:F  allocate:F:BYTES  rename:F:TO  remove:F
//   sync-directory  lock  many:F (writes and syncs until it is killed)  die (SIGKILL)
//
// Prints "ok" or the error for each step.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "os/file.h"
#include "os/posix_file.h"

namespace penstock {
namespace {

constexpr std::size_t kBlock = 4096;

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words{""};
  for (const char letter : text) {
    if (letter == ':')
      words.emplace_back();
    else
      words.back() += letter;
  }
  return words;
}

// A whole block of one letter, at an address that allows direct writes.
struct AlignedBlocks {
  AlignedBlocks(std::size_t size, char letter)
      : bytes(static_cast<std::byte*>(std::aligned_alloc(kBlock, (size / kBlock + 1) * kBlock))),
        view(bytes, size) {
    std::fill_n(bytes, size, static_cast<std::byte>(letter));
  }
  ~AlignedBlocks() { std::free(bytes); }
  AlignedBlocks(const AlignedBlocks&) = delete;
  AlignedBlocks& operator=(const AlignedBlocks&) = delete;
  std::byte* bytes;
  ByteView view;
};

class Scribbler {
 public:
  explicit Scribbler(Directory& directory) : directory_(directory) {}

  Result<void> step(const std::vector<std::string>& words) {
    const auto& what = words[0];
    if (what == "die") ::kill(::getpid(), SIGKILL);
    if (what == "sync-directory") return directory_.sync();
    if (what == "lock") {
      auto lock = directory_.lock();
      return lock ? Result<void>{} : fail(lock.error());
    }
    if (what == "rename") return directory_.rename(words.at(1), words.at(2));
    if (what == "remove") return directory_.remove(words.at(1));
    if (what == "create" || what == "open") {
      auto file = what == "create" ? directory_.create(words.at(1)) : directory_.open(words.at(1));
      if (!file) return fail(file.error());
      files_[words.at(1)] = std::move(*file);
      return {};
    }
    auto& file = *files_.at(words.at(1));
    if (what == "sync") return file.sync();
    if (what == "allocate") return file.allocate(std::stoull(words.at(2)));
    if (what == "write") {
      const AlignedBlocks blocks(std::stoull(words.at(3)), words.at(4)[0]);
      return file.write_at(std::stoull(words.at(2)), blocks.view);
    }
    if (what == "many") {
      threads_.emplace_back([&file] { write_many(file); });
      return {};
    }
    return fail(ErrorCode::invalid, "no such step: " + what);
  }
  void wait() {
    for (auto& thread : threads_) thread.join();
  }

 private:
  // Block n holds the letter n; what is said to be synced is printed.
  static void write_many(File& file) {
    for (std::uint64_t n = 0;; ++n) {
      const AlignedBlocks block(kBlock, static_cast<char>('a' + n % 26));
      if (!file.write_at(n * kBlock, block.view) || (n % 4 == 3 && !file.sync())) std::abort();
    }
  }

  Directory& directory_;
  std::map<std::string, std::unique_ptr<File>> files_;
  std::vector<std::jthread> threads_;
};

int run(int count, char** arguments) {
  auto directory = open_directory(arguments[1]);
  if (!directory) {
    std::printf("%s\n", directory.error().message.c_str());
    return 1;
  }
  Scribbler scribbler(**directory);
  for (int at = 2; at < count; ++at) {
    const auto done = scribbler.step(words_of(arguments[at]));
    std::printf("%s\n", done ? "ok" : done.error().message.c_str());
    std::fflush(stdout);
  }
  scribbler.wait();
  return 0;
}

}  // namespace
}  // namespace penstock

int main(int count, char** arguments) {
  return count < 2 ? 2 : penstock::run(count, arguments);
}
