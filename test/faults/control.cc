#include "test/faults/control.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "test/support/server_process.h"

namespace penstock::faults {
namespace {

std::string library() {
  return std::filesystem::path(testing::program_nearby()).parent_path() /
         "test/faults/libpenstock_faults.so";
}

// In memory where that is possible: it is written more than the journal is.
std::string recording_path() {
  const char* folder = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  return std::string(folder) + "/penstock-faults-XXXXXX";
}

}  // namespace

Control::Control(std::string directory)
    : directory_(std::move(directory)), path_(recording_path()) {
  const int fd = ::mkostemp(path_.data(), O_CLOEXEC);
  void* memory = MAP_FAILED;
  if (fd >= 0 && ::ftruncate(fd, kRecordingBytes) == 0)
    memory = ::mmap(nullptr, kRecordingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "the recording %s cannot be made\n", path_.c_str());
    std::exit(3);
  }
  ::close(fd);
  recording_ = static_cast<Recording*>(memory);
  recording_->magic = kRecordingMagic;
}

Control::~Control() {
  ::munmap(recording_, kRecordingBytes);
  ::unlink(path_.c_str());
}

bool Control::available() {
  return std::filesystem::exists(library());
}

std::vector<std::string> Control::environment(const std::string& plan) const {
  return {"LD_PRELOAD=" + library(), std::string(kRecordingVariable) + "=" + path_,
          std::string(kDirectoryVariable) + "=" + directory_,
          std::string(kPlanVariable) + "=" + plan};
}

}  // namespace penstock::faults
