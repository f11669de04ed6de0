// A directory of which one call fails: the Nth that is made of it and of its files, reads and
// questions included. Otherwise it is the directory it was given.
// Threads: one. Lifetime: both directories outlive the files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "os/file.h"

namespace penstock::testing_support {

class FailingDirectory : public Directory {
 public:
  FailingDirectory(Directory& inner, std::uint64_t call, ErrorCode code)
      : inner_(inner), fail_at_(call), code_(code) {}

  // What failed: "read journal-00000001"; empty when the call was never made.
  [[nodiscard]] const std::string& failed() const { return failed_; }

  Result<std::unique_ptr<File>> open(const std::string& name) override {
    return hand_out(name, "open", [&] { return inner_.open(name); });
  }
  Result<std::unique_ptr<File>> create(const std::string& name) override {
    return hand_out(name, "create", [&] { return inner_.create(name); });
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return call("rename", from, [&] { return inner_.rename(from, to); });
  }
  Result<void> remove(const std::string& name) override {
    return call("remove", name, [&] { return inner_.remove(name); });
  }
  Result<std::vector<std::string>> list() override {
    return call("list", path(), [&] { return inner_.list(); });
  }
  Result<void> sync() override {
    return call("sync", path(), [&] { return inner_.sync(); });
  }
  Result<std::uint64_t> free_bytes() override {
    return call("ask for the space of", path(), [&] { return inner_.free_bytes(); });
  }
  Result<std::unique_ptr<DirectoryLock>> lock() override {
    return call("lock", path(), [&] { return inner_.lock(); });
  }
  std::string path() const override { return inner_.path(); }

 private:
  class Watched : public File {
   public:
    Watched(FailingDirectory& directory, std::unique_ptr<File> file, std::string name)
        : directory_(directory), file_(std::move(file)), name_(std::move(name)) {}
    Result<void> write_at(std::uint64_t at, ByteView data) override {
      return directory_.call("write", name_, [&] { return file_->write_at(at, data); });
    }
    Result<std::size_t> read_at(std::uint64_t at, std::span<std::byte> into) const override {
      return directory_.call("read", name_, [&] { return file_->read_at(at, into); });
    }
    Result<void> sync() override {
      return directory_.call("sync", name_, [&] { return file_->sync(); });
    }
    Result<std::uint64_t> size() const override {
      return directory_.call("ask for the size of", name_, [&] { return file_->size(); });
    }
    Result<void> allocate(std::uint64_t bytes) override {
      return directory_.call("allocate", name_, [&] { return file_->allocate(bytes); });
    }

   private:
    FailingDirectory& directory_;
    std::unique_ptr<File> file_;
    std::string name_;
  };

  template <class Do>
  auto call(const char* what, const std::string& name, const Do& work) -> decltype(work()) {
    if (++calls_ != fail_at_) return work();
    failed_ = std::string(what) + " " + name;
    return fail(code_, failed_ + ": injected failure");
  }
  template <class Do>
  [[nodiscard]] Result<std::unique_ptr<File>> hand_out(const std::string& name, const char* what,
                                                       const Do& work) {
    auto file = call(what, name, work);
    if (!file) return file;
    return std::make_unique<Watched>(*this, std::move(*file), name);
  }

  Directory& inner_;
  const std::uint64_t fail_at_;
  const ErrorCode code_;
  std::uint64_t calls_ = 0;
  std::string failed_;
};

// While one lives, fatal() throws its text as a Death instead of ending the process.
struct Death {
  std::string what;
};
class MortalProcess {
 public:
  MortalProcess() {
    set_fatal_handler([](std::string_view what, std::string_view why) {
      throw Death{std::string(what) + ": " + std::string(why)};
    });
  }
  ~MortalProcess() { set_fatal_handler(nullptr); }
  MortalProcess(const MortalProcess&) = delete;
  MortalProcess& operator=(const MortalProcess&) = delete;
};

}  // namespace penstock::testing_support
