// A File on a descriptor of the operating system.
#pragma once

#include <string>

#include "os/file.h"

namespace penstock {

// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// What is aligned to kDirectAlignment in memory, place and size is written past the page cache,
// where the file system can: copying it there costs more than all that is done to a message before.
class PosixFile : public File {
 public:
  static constexpr std::size_t kDirectAlignment = 4096;

  // `direct`: a second descriptor of the same file, opened with O_DIRECT; -1 when there is none.
  PosixFile(Descriptor fd, Descriptor direct, std::string path)
      : fd_(std::move(fd)), direct_(std::move(direct)), path_(std::move(path)) {}

  Result<void> write_at(std::uint64_t offset, ByteView data) override;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override;
  Result<void> sync() override;
  Result<std::uint64_t> size() const override;
  Result<void> allocate(std::uint64_t bytes) override;
  void drop_cached(std::uint64_t offset, std::uint64_t bytes) const override;

 private:
  [[nodiscard]] Result<void> fill_with_zeros(std::uint64_t bytes);

  Descriptor fd_;
  Descriptor direct_;
  std::string path_;
};

}  // namespace penstock
