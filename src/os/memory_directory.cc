#include "os/memory_directory.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/check.h"

namespace penstock {

namespace {
constexpr std::uint64_t kSector = 512;
}

struct MemoryDirectory::Node {
  Bytes durable, current;
  std::vector<std::uint64_t> dirty;  // sectors, in the order of first writing
  std::set<std::uint64_t> dirty_set;
  bool size_changed = false;
  bool reads_fail = false;
  std::set<std::uint64_t> bad_sectors;

  [[nodiscard]] bool readable(std::uint64_t offset, std::uint64_t bytes) const {
    const auto bad = bad_sectors.lower_bound(offset / kSector);
    return !reads_fail &&
           (bytes == 0 || bad == bad_sectors.end() || *bad * kSector >= offset + bytes);
  }
  void touch(std::uint64_t sector) {
    if (!bad_sectors.empty()) bad_sectors.erase(sector);
    if (dirty_set.insert(sector).second) dirty.push_back(sector);
  }
  void resize(std::uint64_t size) {
    current.resize(size);
    size_changed = true;
  }
  void make_durable() {
    if (size_changed) durable.resize(current.size());
    for (const auto sector : dirty) copy_sector(sector);
    forget();
  }
  void copy_sector(std::uint64_t sector) {
    const auto at = sector * kSector;
    if (at >= current.size()) return;
    const auto count = std::min<std::uint64_t>(kSector, current.size() - at);
    if (durable.size() < at + count) durable.resize(at + count);
    std::memcpy(durable.data() + at, current.data() + at, count);
  }
  void garble_sector(std::uint64_t sector, Random& random) {
    const auto at = sector * kSector;
    for (auto i = at; i < std::min<std::uint64_t>(at + kSector, durable.size()); ++i)
      durable[i] = static_cast<std::byte>(random.next());
  }
  void forget() {
    dirty.clear();
    dirty_set.clear();
    size_changed = false;
  }
  void crash(Survivors survivors, Random& random);
};

void MemoryDirectory::Node::crash(Survivors survivors, Random& random) {
  if (survivors == Survivors::everything) make_durable();
  if (survivors != Survivors::nothing && survivors != Survivors::everything) {
    // A size may reach the disk before the data: what lies between reads as zeros.
    if (size_changed && random.below(2) == 0) durable.resize(current.size());
    std::size_t prefix = dirty.size();
    if (survivors == Survivors::prefix) prefix = random.below(dirty.size() + 1);
    for (std::size_t i = 0; i < prefix; ++i) {
      const auto luck = random.below(survivors == Survivors::random_garbage ? 3 : 2);
      if (survivors == Survivors::prefix || luck > 0) copy_sector(dirty[i]);
      if (survivors == Survivors::random_garbage && luck == 2 && random.below(4) == 0)
        garble_sector(dirty[i], random);
    }
  }
  current = durable;
  forget();
}

class MemoryFile : public File {
 public:
  MemoryFile(MemoryDirectory& directory, std::shared_ptr<MemoryDirectory::Node> node,
             std::string name)
      : directory_(directory), node_(std::move(node)), name_(std::move(name)) {}

  Result<void> write_at(std::uint64_t offset, ByteView data) override {
    const std::scoped_lock guard(directory_.mutex_);
    if (auto error = directory_.begin_operation("write", name_)) return fail(*std::move(error));
    if (auto grown = grow(offset + data.size(), "write"); !grown) return grown;
    if (!data.empty()) {
      std::memcpy(node_->current.data() + offset, data.data(), data.size());
      for (auto s = offset / kSector; s <= (offset + data.size() - 1) / kSector; ++s)
        node_->touch(s);
    }
    directory_.end_operation();
    return {};
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    const std::scoped_lock guard(directory_.mutex_);
    if (!node_->readable(offset, into.size()))
      return fail(ErrorCode::io, "read " + name_ + ": Input/output error");
    if (offset >= node_->current.size()) return 0;
    const auto count = std::min<std::uint64_t>(into.size(), node_->current.size() - offset);
    if (count > 0) std::memcpy(into.data(), node_->current.data() + offset, count);
    return count;
  }
  Result<void> sync() override {
    const std::scoped_lock guard(directory_.mutex_);
    if (auto error = directory_.begin_operation("sync", name_)) return fail(*std::move(error));
    directory_.end_operation();
    node_->make_durable();
    return {};
  }
  Result<std::uint64_t> size() const override {
    const std::scoped_lock guard(directory_.mutex_);
    return node_->current.size();
  }
  Result<void> allocate(std::uint64_t bytes) override {
    const std::scoped_lock guard(directory_.mutex_);
    if (auto error = directory_.begin_operation("allocate", name_)) return fail(*std::move(error));
    if (auto grown = grow(bytes, "allocate"); !grown) return grown;
    directory_.end_operation();
    return {};
  }

 private:
  Result<void> grow(std::uint64_t size, const char* what) {
    if (size <= node_->current.size()) return {};
    if (directory_.used_bytes() + (size - node_->current.size()) > directory_.capacity_)
      return fail(ErrorCode::full, std::string(what) + " " + name_ + ": No space left on device");
    node_->resize(size);
    return {};
  }

  MemoryDirectory& directory_;
  std::shared_ptr<MemoryDirectory::Node> node_;  // shared: an open file outlives its name
  std::string name_;
};

namespace {
class MemoryLock : public DirectoryLock {
 public:
  explicit MemoryLock(bool& locked) : locked_(locked) { locked_ = true; }
  ~MemoryLock() override { locked_ = false; }

 private:
  bool& locked_;
};
}  // namespace

MemoryDirectory::MemoryDirectory(std::uint64_t capacity_bytes) : capacity_(capacity_bytes) {}
MemoryDirectory::~MemoryDirectory() = default;

std::optional<Error> MemoryDirectory::begin_operation(const char* what, const std::string& name) {
  ++operations_;
  const bool fails =
      fail_at_ != 0 && (operations_ == fail_at_ || (fail_sticky_ && operations_ > fail_at_));
  if (!fails) return std::nullopt;
  return Error{fail_code_, std::string(what) + " " + name + ": injected failure"};
}

void MemoryDirectory::end_operation() const {
  if (cut_at_ != 0 && operations_ >= cut_at_) throw PowerCut{};
}

std::uint64_t MemoryDirectory::used_bytes() const {
  std::uint64_t total = 0;
  for (const auto& [name, node] : current_) total += node->current.size();
  return total;
}

void MemoryDirectory::apply(Names& names, const Change& change) {
  switch (change.kind) {
    case Change::Kind::create:
      names[change.name] = change.node;
      break;
    case Change::Kind::remove:
      names.erase(change.name);
      break;
    case Change::Kind::rename:
      names.erase(change.name);
      names[change.to] = change.node;
      break;
  }
}

Result<std::unique_ptr<File>> MemoryDirectory::open(const std::string& name) {
  const std::scoped_lock guard(mutex_);
  const auto found = current_.find(name);
  if (found == current_.end())
    return fail(ErrorCode::not_found, "open " + name + ": No such file or directory");
  return std::make_unique<MemoryFile>(*this, found->second, name);
}

Result<std::unique_ptr<File>> MemoryDirectory::create(const std::string& name) {
  const std::scoped_lock guard(mutex_);
  if (auto error = begin_operation("create", name)) return fail(*std::move(error));
  if (current_.contains(name)) return fail(ErrorCode::conflict, "create " + name + ": File exists");
  auto node = std::make_shared<Node>();
  changes_.push_back({Change::Kind::create, name, {}, node});
  apply(current_, changes_.back());
  end_operation();
  return std::make_unique<MemoryFile>(*this, std::move(node), name);
}

Result<void> MemoryDirectory::rename(const std::string& from, const std::string& to) {
  const std::scoped_lock guard(mutex_);
  if (auto error = begin_operation("rename", from)) return fail(*std::move(error));
  const auto found = current_.find(from);
  if (found == current_.end())
    return fail(ErrorCode::not_found, "rename " + from + ": No such file or directory");
  changes_.push_back({Change::Kind::rename, from, to, found->second});
  apply(current_, changes_.back());
  end_operation();
  return {};
}

Result<void> MemoryDirectory::remove(const std::string& name) {
  const std::scoped_lock guard(mutex_);
  if (auto error = begin_operation("remove", name)) return fail(*std::move(error));
  if (!current_.contains(name))
    return fail(ErrorCode::not_found, "remove " + name + ": No such file or directory");
  changes_.push_back({Change::Kind::remove, name, {}, nullptr});
  apply(current_, changes_.back());
  end_operation();
  return {};
}

Result<std::vector<std::string>> MemoryDirectory::list() {
  const std::scoped_lock guard(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, node] : current_) names.push_back(name);
  return names;
}

Result<void> MemoryDirectory::sync() {
  const std::scoped_lock guard(mutex_);
  if (auto error = begin_operation("sync", "directory")) return fail(*std::move(error));
  end_operation();
  for (const auto& change : changes_) apply(durable_, change);
  changes_.clear();
  return {};
}

Result<std::uint64_t> MemoryDirectory::free_bytes() {
  const std::scoped_lock guard(mutex_);
  const auto used = used_bytes();
  const auto capacity = std::max(capacity_, pretended_);
  return used < capacity ? capacity - used : 0;
}

Result<std::unique_ptr<DirectoryLock>> MemoryDirectory::lock() {
  const std::scoped_lock guard(mutex_);
  if (locked_)
    return fail(ErrorCode::conflict, "memory is in use by process 1",
                "stop that process, or choose another data directory");
  return std::make_unique<MemoryLock>(locked_);
}

std::uint64_t MemoryDirectory::operations() const {
  const std::scoped_lock guard(mutex_);
  return operations_;
}

void MemoryDirectory::cut_power_at(std::uint64_t operation) {
  const std::scoped_lock guard(mutex_);
  cut_at_ = operation;
}

void MemoryDirectory::fail_at(std::uint64_t operation, ErrorCode code, bool sticky) {
  const std::scoped_lock guard(mutex_);
  fail_at_ = operation, fail_code_ = code, fail_sticky_ = sticky;
}

void MemoryDirectory::fail_reads_of(const std::string& name) {
  const std::scoped_lock guard(mutex_);
  current_.at(name)->reads_fail = true;
}

void MemoryDirectory::fail_reads_of(const std::string& name, std::uint64_t offset,
                                    std::uint64_t bytes) {
  const std::scoped_lock guard(mutex_);
  auto& bad = current_.at(name)->bad_sectors;
  for (auto sector = offset / kSector; sector * kSector < offset + bytes; ++sector)
    bad.insert(sector);
}

void MemoryDirectory::clear_faults() {
  const std::scoped_lock guard(mutex_);
  cut_at_ = 0, fail_at_ = 0, fail_sticky_ = false;
  for (const auto& [name, node] : current_) {
    node->reads_fail = false;
    node->bad_sectors.clear();
  }
}

void MemoryDirectory::crash(Survivors survivors, Random& random) {
  const std::scoped_lock guard(mutex_);
  CHECK(!locked_);
  std::size_t kept = 0;
  if (survivors == Survivors::everything)
    kept = changes_.size();
  else if (survivors != Survivors::nothing)
    kept = random.below(changes_.size() + 1);
  for (std::size_t i = 0; i < kept; ++i) apply(durable_, changes_[i]);
  changes_.clear();
  current_ = durable_;
  for (const auto& [name, node] : current_) node->crash(survivors, random);
  cut_at_ = 0, fail_at_ = 0, fail_sticky_ = false;
}

void MemoryDirectory::process_death() {
  const std::scoped_lock guard(mutex_);
  CHECK(!locked_);
  cut_at_ = 0, fail_at_ = 0, fail_sticky_ = false;
}

void MemoryDirectory::set_capacity(std::uint64_t bytes) {
  const std::scoped_lock guard(mutex_);
  capacity_ = bytes;
}

void MemoryDirectory::pretend_capacity(std::uint64_t bytes) {
  const std::scoped_lock guard(mutex_);
  pretended_ = bytes;
}

bool MemoryDirectory::exists(const std::string& name) const {
  const std::scoped_lock guard(mutex_);
  return current_.contains(name);
}

Bytes MemoryDirectory::contents(const std::string& name) const {
  const std::scoped_lock guard(mutex_);
  const auto found = current_.find(name);
  return found == current_.end() ? Bytes{} : found->second->current;
}

void MemoryDirectory::set_contents(const std::string& name, Bytes bytes) {
  const std::scoped_lock guard(mutex_);
  auto node = std::make_shared<Node>();
  node->durable = bytes;
  node->current = std::move(bytes);
  current_[name] = node;
  durable_[name] = std::move(node);
}

std::map<std::string, Bytes> MemoryDirectory::snapshot() const {
  const std::scoped_lock guard(mutex_);
  std::map<std::string, Bytes> files;
  for (const auto& [name, node] : current_) files.emplace(name, node->current);
  return files;
}

void MemoryDirectory::restore(const std::map<std::string, Bytes>& files) {
  {
    const std::scoped_lock guard(mutex_);
    durable_.clear();
    current_.clear();
    changes_.clear();
  }
  for (const auto& [name, bytes] : files) set_contents(name, bytes);
}

}  // namespace penstock
