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

class PosixFile : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> write_at(std::uint64_t offset, ByteView data) override;
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override;
  Result<void> sync() override;
  Result<std::uint64_t> size() const override;
  Result<void> allocate(std::uint64_t bytes) override;

 private:
  Result<void> fill_with_zeros(std::uint64_t bytes);

  Descriptor fd_;
  std::string path_;
};

}  // namespace penstock
