#include "test/faults/disk_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace penstock::faults {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::size_t kBlock = 4096;

std::string content_of_file(const std::string& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) status.st_ino = 0;
  return status;
}

[[noreturn]] void broken(const std::string& what) {
  std::fprintf(stderr, "disk image: %s\n", what.c_str());
  std::exit(3);
}

// Writes only the blocks that differ from `was`, which is what the file holds.
void rewrite(const std::string& path, const std::string& was, const std::string& is) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(is.size())) != 0) broken(path);
  for (std::size_t at = 0; at < is.size(); at += kBlock) {
    const auto block = std::string_view(is).substr(at, kBlock);
    if (at < was.size() && std::string_view(was).substr(at, kBlock) == block) continue;
    if (::pwrite(fd, block.data(), block.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(block.size()))
      broken(path);
  }
  ::close(fd);
}

void put(std::string& into, std::size_t at, std::string_view data) {
  if (into.size() < at + data.size()) into.resize(at + data.size());
  std::ranges::copy(data, into.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

const char* name_of(Survivors survivors) {
  constexpr const char* kNames[] = {"nothing", "everything", "prefix", "sectors",
                                    "garbage", "sizes",      "names",  "contents"};
  return kNames[static_cast<std::size_t>(survivors)];
}

DiskImage::DiskImage(std::string directory) : directory_(std::move(directory)) {
  load();
}

void DiskImage::load() {
  now_.clear();
  contents_.clear();
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    auto content = std::make_shared<Content>();
    content->inode = status_of(entry.path()).st_ino;
    content->durable = content->now = content_of_file(entry.path());
    now_[entry.path().filename()] = content;
    contents_.push_back(std::move(content));
  }
  durable_ = now_;
}

std::size_t DiskImage::pending() const {
  std::size_t count = pending_names_.size();
  for (const auto& content : contents_) count += content->pending.size();
  return count;
}

void DiskImage::remove(const std::string& name) {
  std::filesystem::remove(path(name));
  now_.erase(name);
  durable_.erase(name);
}

DiskImage::ContentPtr DiskImage::by_inode(std::uint64_t inode) const {
  // The newest: an inode is given to another file when its first one is gone.
  for (auto it = contents_.rbegin(); it != contents_.rend(); ++it)
    if ((*it)->inode == inode) return *it;
  broken(fmt::format("a change of a file that nobody opened, inode {}", inode));
}

void DiskImage::apply(const Change& change, std::string& to) {
  if (change.sets_size)
    to.resize(change.size);
  else
    put(to, change.offset, change.data);
}

void DiskImage::apply(const NameChange& change, Names& to) {
  to.erase(change.from);
  if (change.call == Call::create) to[change.from] = change.content;
  if (change.call == Call::rename) to[change.to] = change.content;
}

std::string DiskImage::take_in(Recording& recording) {
  if (recording.overflowed != 0) broken("the recording was too small");
  const std::uint64_t used = recording.used_bytes;
  const std::byte* at = recording.events();
  for (const std::byte* const end = at + used; at < end;) {
    const auto& event = *reinterpret_cast<const Event*>(at);
    take_in(event);
    at += event.total_bytes;
  }
  recording.used_bytes = 0;
  // Created, and dead before it could be told; nothing was written there yet.
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename();
    if (now_.contains(name)) continue;
    auto content = std::make_shared<Content>();
    content->inode = status_of(entry.path()).st_ino;
    contents_.push_back(content);
    pending_names_.push_back({++recording.moment, Call::create, name, {}, content});
    apply(pending_names_.back(), now_);
  }
  return compare();
}

std::string DiskImage::compare() const {
  std::set<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(directory_))
    there.insert(entry.path().filename());
  for (const auto& [name, content] : now_) {
    if (there.erase(name) == 0) return name + " is not there";
    const auto bytes = content_of_file(path(name));
    if (bytes == content->now) continue;
    const auto at = std::ranges::mismatch(bytes, content->now).in1 - bytes.begin();
    return fmt::format("{} differs at {}; it has {} bytes, the recording makes that {}", name, at,
                       bytes.size(), content->now.size());
  }
  return there.empty() ? "" : *there.begin() + " came from nowhere";
}

void DiskImage::take_in(const Event& event) {
  const auto* text = reinterpret_cast<const char*>(&event + 1);
  switch (event.call) {
    case Call::create:
      return take_in_create(event, text);
    case Call::rename:
    case Call::unlink:
      return take_in_name_change(event);
    case Call::write:
    case Call::fallocate:
    case Call::ftruncate:
      return take_in_write(event, *by_inode(event.inode));
    case Call::fsync:
    case Call::fdatasync:
      return take_in_sync(event);
    default:
      broken("an event of no kind that is recorded");
  }
}

void DiskImage::take_in_create(const Event& event, const std::string& name) {
  if (const auto found = now_.find(name);
      found != now_.end() && found->second->inode == event.inode)
    return;
  auto content = std::make_shared<Content>();
  content->inode = event.inode;
  contents_.push_back(content);
  pending_names_.push_back({event.began, Call::create, name, {}, content});
  apply(pending_names_.back(), now_);
}

void DiskImage::take_in_name_change(const Event& event) {
  const std::string from = reinterpret_cast<const char*>(&event + 1);
  const std::string to =
      event.call == Call::rename ? reinterpret_cast<const char*>(&event + 1) + from.size() + 1 : "";
  const auto found = now_.find(from);
  if (event.failed || found == now_.end()) return;
  NameChange change{event.done, event.call, from, to, found->second};
  if (event.done == 0) {
    // It was under way when the process died; the directory tells whether it came to pass.
    const bool done = event.call == Call::rename
                          ? status_of(path(to)).st_ino == found->second->inode
                          : !std::filesystem::exists(path(from));
    if (!done) return;
    change.done = event.began;
  }
  pending_names_.push_back(change);
  apply(change, now_);
}

void DiskImage::take_in_write(const Event& event, Content& content) {
  if (event.failed) return;
  Change change;
  change.done = event.done;
  change.offset = event.offset;
  if (event.call != Call::write) {
    change.sets_size = true;
    change.size = event.call == Call::fallocate
                      ? std::max<std::uint64_t>(content.now.size(), event.length)
                      : event.length;
  } else {
    change.data.assign(reinterpret_cast<const char*>(&event + 1), event.length);
  }
  if (event.done == 0) {
    // Under way: what the file holds there now is what was written of it.
    change.done = event.began;
    std::string bytes;
    for (const auto& [name, other] : now_)
      if (other.get() == &content) bytes = content_of_file(path(name));
    if (change.sets_size) {
      change.size = bytes.size();
    } else {
      change.data = event.offset < bytes.size() ? bytes.substr(event.offset, event.length) : "";
      if (change.data.empty()) return;
    }
  }
  apply(change, content.now);
  content.pending.push_back(std::move(change));
}

void DiskImage::take_in_sync(const Event& event) {
  if (event.done == 0) return;
  const auto covered = [&](const auto& change) {
    return change.done < event.began && !change.failed_sync;
  };
  if (event.failed) {
    // The kernel calls the pages clean, so no later sync will write them.
    for (auto& change : pending_names_)
      if (event.inode == 0 && covered(change)) change.failed_sync = true;
    if (event.inode == 0) return;
    for (auto& change : by_inode(event.inode)->pending)
      if (covered(change)) change.failed_sync = true;
    return;
  }
  if (event.inode == 0) {
    for (const auto& change : pending_names_)
      if (covered(change)) apply(change, durable_);
    std::erase_if(pending_names_, covered);
    return;
  }
  auto& content = *by_inode(event.inode);
  for (const auto& change : content.pending)
    if (covered(change)) apply(change, content.durable);
  std::erase_if(content.pending, covered);
}

// ---- the cut

std::uint64_t DiskImage::choose_moment(Survivors survivors, std::mt19937_64& random) const {
  if (survivors == Survivors::nothing || survivors == Survivors::contents) return 0;
  if (survivors == Survivors::everything || survivors == Survivors::names) return ~std::uint64_t{0};
  std::vector<std::uint64_t> moments{0};
  for (const auto& change : pending_names_) moments.push_back(change.done);
  for (const auto& content : contents_)
    for (const auto& change : content->pending) moments.push_back(change.done);
  return moments[random() % moments.size()];
}

std::string DiskImage::survived(const Content& content, Survivors survivors, std::uint64_t until,
                                std::mt19937_64& random) {
  std::string result = content.durable;
  switch (survivors) {
    case Survivors::nothing:
    case Survivors::names:
      return result;
    case Survivors::everything:
    case Survivors::contents:
      return content.now;
    case Survivors::sizes:
      result.resize(content.now.size());
      return result;
    case Survivors::prefix:
      for (const auto& change : content.pending) {
        if (change.done < until) apply(change, result);
        if (change.done != until || change.sets_size) continue;
        const auto whole = random() % (change.data.size() / kSector + 1) * kSector;
        put(result, change.offset, std::string_view(change.data).substr(0, whole));
      }
      return result;
    case Survivors::sectors:
    case Survivors::garbage:
      break;
  }
  const auto kept_of_10 = 1 + random() % 9;
  for (const auto& change : content.pending) {
    if (change.sets_size) {
      if (random() % 10 < kept_of_10) apply(change, result);
      continue;
    }
    for (std::size_t at = 0; at < change.data.size(); at += kSector) {
      auto sector = change.data.substr(at, kSector);
      if (survivors == Survivors::garbage && random() % 8 == 0)
        for (auto& letter : sector) letter = static_cast<char>(random());
      else if (random() % 10 >= kept_of_10)
        continue;
      put(result, change.offset + at, sector);
    }
  }
  if (result.size() < content.now.size() && random() % 2 == 0) result.resize(content.now.size());
  return result;
}

std::uint64_t DiskImage::cut(Survivors survivors, std::mt19937_64& random) {
  const auto until = choose_moment(survivors, random);
  auto names = durable_;
  std::uint64_t lost = 0;
  for (const auto& change : pending_names_) {
    if (change.done <= until)
      apply(change, names);
    else
      ++lost;
  }
  std::map<Content*, std::string> contents;
  for (const auto& content : contents_) {
    contents[content.get()] = survived(*content, survivors, until, random);
    if (contents[content.get()] != content->now) lost += content->pending.size();
  }
  replace_files(names, contents);
  pending_names_.clear();
  load();
  return lost;
}

void DiskImage::replace_files(const Names& names, const std::map<Content*, std::string>& contents) {
  for (const auto& [name, content] : now_) {
    const auto kept = names.find(name);
    if (kept == names.end() || kept->second != content) std::filesystem::remove(path(name));
  }
  for (const auto& [name, content] : names) {
    const auto had = now_.find(name);
    const bool same = had != now_.end() && had->second == content;
    if (!same) ::close(::open(path(name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    rewrite(path(name), same ? content->now : std::string(), contents.at(content.get()));
  }
}

}  // namespace penstock::faults
