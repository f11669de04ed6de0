#include "sim/disk.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace penstock::sim {
namespace {

constexpr std::size_t kSyncsRemembered = 8;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  auto z = (a ^ (b + 0x9e3779b97f4a7c15 + (a << 6) + (a >> 2))) * 0xbf58476d1ce4e5b9;
  return z ^ (z >> 29);
}

SectorId sector_of(const FileImage& file, std::uint64_t sector) {
  return sector < file.sectors.size() ? file.sectors[sector] : 0;
}

void put_sector(FileImage& file, std::uint64_t sector, SectorId content) {
  if (file.sectors.size() <= sector) file.sectors.resize(sector + 1);
  file.sectors[sector] = content;
}

// A file of an image that is being made: copied before its first change.
FileImage& own(std::vector<FileRef>& inodes, std::vector<FileImage*>& owned, std::uint32_t inode) {
  if (owned[inode] == nullptr) {
    auto copy = std::make_shared<FileImage>(*inodes[inode]);
    owned[inode] = copy.get();
    inodes[inode] = std::move(copy);
  }
  return *owned[inode];
}

}  // namespace

// ---- sectors

SectorStore::SectorStore() {
  const Content zeros{};
  static_cast<void>(intern(zeros.data()));
}

SectorId SectorStore::intern(const std::byte* bytes) {
  const ByteView view(bytes, kSectorBytes);
  const std::uint64_t hash = (std::uint64_t{crc32c(view)} << 32) | crc32c(view.first(496), 77);
  for (auto [at, end] = by_hash_.equal_range(hash); at != end; ++at)
    if (std::memcmp(contents_[at->second].data(), bytes, kSectorBytes) == 0) return at->second;
  const auto id = static_cast<SectorId>(contents_.size());
  std::memcpy(contents_.emplace_back().data(), bytes, kSectorBytes);
  by_hash_.emplace(hash, id);
  return id;
}

const std::byte* SectorStore::bytes(SectorId sector) const {
  return contents_[sector].data();
}

SectorId SectorStore::garbage(Random& random) {
  Content content;
  for (auto& byte : content) byte = static_cast<std::byte>(random.next());
  return intern(content.data());
}

SectorId SectorStore::torn(SectorId before, SectorId after) {
  Content content = contents_[before];
  std::memcpy(content.data(), contents_[after].data(), kSectorBytes / 2);
  return intern(content.data());
}

SectorId SectorStore::flipped(SectorId sector, unsigned bit) {
  Content content = contents_[sector];
  content[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  return intern(content.data());
}

std::uint64_t hash_of(const Image& image) {
  std::uint64_t hash = 1;
  for (const auto& [name, file] : image) {
    hash = mix(hash, std::hash<std::string>{}(name));
    hash = mix(hash, file->size);
    // Contents behind the end do not show.
    const auto visible = std::min<std::uint64_t>(file->sectors.size(),
                                                 (file->size + kSectorBytes - 1) / kSectorBytes);
    for (std::uint64_t n = 0; n < visible; ++n)
      if (file->sectors[n] != 0) hash = mix(hash, (n << 32) | file->sectors[n]);
  }
  return hash;
}

// ---- what survives

Image DiskState::image(const std::vector<bool>& keep) const {
  auto now_names = names;
  auto now_inodes = inodes;
  std::vector<FileImage*> owned(inodes.size());
  for (std::size_t n = 0; n < pending.size(); ++n) {
    if (!keep[n]) continue;
    const auto& change = pending[n];
    switch (change.kind) {
      case Change::Kind::sector:
        put_sector(own(now_inodes, owned, change.inode), change.sector, change.content);
        break;
      case Change::Kind::size:
        own(now_inodes, owned, change.inode).size = change.size;
        break;
      case Change::Kind::create:
        now_names[change.name] = change.inode;
        break;
      case Change::Kind::remove:
        now_names.erase(change.name);
        break;
      case Change::Kind::rename:
        if (now_names.erase(change.name) > 0) now_names[change.to] = change.inode;
        break;
    }
  }
  Image image;
  for (const auto& [name, inode] : now_names) image.emplace(name, now_inodes[inode]);
  return image;
}

std::string_view name_of(Persistence model) {
  constexpr std::string_view kNames[] = {"nothing",    "everything",   "prefix",     "any_sectors",
                                         "sizes_only", "torn_sectors", "names_apart"};
  return kNames[static_cast<std::size_t>(model)];
}

Image SimDisk::crash(Persistence model, Random& random) const {
  DiskState state = durable_;
  auto& pending = state.pending;
  std::vector<bool> keep(pending.size(), model == Persistence::everything);
  const auto is_name = [](const Change& change) {
    return change.kind != Change::Kind::sector && change.kind != Change::Kind::size;
  };
  const auto prefix = random.below(pending.size() + 1);
  const bool names_early = random.below(2) == 0;
  for (std::size_t n = 0; n < pending.size(); ++n) {
    auto& change = pending[n];
    switch (model) {
      case Persistence::nothing:
      case Persistence::everything:
        break;
      case Persistence::prefix:
        keep[n] = n < prefix;
        break;
      case Persistence::sizes_only:
        keep[n] = change.kind != Change::Kind::sector && n < prefix;
        break;
      case Persistence::any_sectors:
        keep[n] = random.below(2) == 0;
        break;
      case Persistence::torn_sectors: {
        const auto luck = random.below(6);
        keep[n] = luck > 1;
        if (change.kind != Change::Kind::sector || luck < 4) break;
        const auto before = sector_of(*state.inodes[change.inode], change.sector);
        change.content = luck == 4 ? store_.torn(before, change.content) : store_.garbage(random);
        break;
      }
      case Persistence::names_apart:
        keep[n] = is_name(change) == names_early;
        break;
    }
  }
  return state.image(keep);
}

Image SimDisk::lie(std::size_t back) const {
  DiskState state = durable_;
  std::vector<FileImage*> owned(state.inodes.size());
  for (const auto& written : synced_[synced_.size() - 1 - back])
    if (sector_of(*state.inodes[written.inode], written.sector) == written.after)
      put_sector(own(state.inodes, owned, written.inode), written.sector, written.before);
  return state.image(std::vector<bool>(state.pending.size(), false));
}

// ---- the directory

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, std::uint32_t inode, std::string name)
      : disk_(disk), inode_(inode), name_(std::move(name)) {}

  Result<void> write_at(std::uint64_t offset, ByteView data) override {
    if (auto error = disk_.begin("write", name_)) return fail(*std::move(error));
    if (auto grown = disk_.grow(inode_, offset + data.size(), "write", name_); !grown) return grown;
    std::array<std::byte, kSectorBytes> sector;
    while (!data.empty()) {
      const auto number = offset / kSectorBytes;
      const auto begin = offset % kSectorBytes;
      const auto count = std::min<std::uint64_t>(kSectorBytes - begin, data.size());
      if (count < kSectorBytes)
        std::memcpy(sector.data(), disk_.store_.bytes(sector_of(content(), number)), kSectorBytes);
      std::memcpy(sector.data() + begin, data.data(), count);
      disk_.set_sector(inode_, static_cast<std::uint32_t>(number),
                       disk_.store_.intern(sector.data()));
      data = data.subspan(count);
      offset += count;
    }
    disk_.end();
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    if (++disk_.reads_ == disk_.faults.fail_read_at) disk_.failed_ = true;
    if (disk_.reads_ == disk_.faults.fail_read_at)
      return fail(ErrorCode::io, "read " + name_ + ": Input/output error");
    if (offset >= content().size) return 0;
    const auto wanted = std::min<std::uint64_t>(into.size(), content().size - offset);
    for (std::uint64_t done = 0; done < wanted;) {
      const auto begin = (offset + done) % kSectorBytes;
      const auto count = std::min(kSectorBytes - begin, wanted - done);
      const auto sector = sector_of(content(), (offset + done) / kSectorBytes);
      if (sector == 0)
        std::memset(into.data() + done, 0, count);
      else
        std::memcpy(into.data() + done, disk_.store_.bytes(sector) + begin, count);
      done += count;
    }
    return wanted;
  }

  Result<void> sync() override {
    if (auto error = disk_.begin("sync", name_)) return fail(*std::move(error));
    disk_.end();
    disk_.make_durable(inode_);
    return {};
  }

  Result<std::uint64_t> size() const override { return content().size; }

  Result<void> allocate(std::uint64_t bytes) override {
    if (auto error = disk_.begin("allocate", name_)) return fail(*std::move(error));
    if (auto grown = disk_.grow(inode_, bytes, "allocate", name_); !grown) return grown;
    disk_.end();
    return {};
  }

 private:
  [[nodiscard]] const FileImage& content() const { return disk_.inodes_[inode_].current; }

  SimDisk& disk_;
  std::uint32_t inode_;
  std::string name_;
};

namespace {
class SimLock final : public DirectoryLock {
 public:
  explicit SimLock(bool& locked) : locked_(locked) { locked_ = true; }
  ~SimLock() override { locked_ = false; }

 private:
  bool& locked_;
};
}  // namespace

SimDisk::SimDisk(SectorStore& store, const Image& image) : store_(store) {
  for (const auto& [name, file] : image) {
    const auto inode = adopt(file);
    inodes_[inode].current = *file;
    used_bytes_ += file->size;
    names_[name] = durable_.names[name] = inode;
  }
}

SimDisk::SimDisk(SectorStore& store, const DiskState& state) : store_(store), durable_(state) {
  names_ = state.names;
  for (const auto& content : state.inodes) inodes_.emplace_back().current = *content;
  for (const auto& change : state.pending) {
    switch (change.kind) {
      case Change::Kind::sector:
        put_sector(inodes_[change.inode].current, change.sector, change.content);
        break;
      case Change::Kind::size:
        inodes_[change.inode].current.size = change.size;
        break;
      case Change::Kind::create:
        names_[change.name] = change.inode;
        break;
      case Change::Kind::remove:
        names_.erase(change.name);
        break;
      case Change::Kind::rename:
        names_.erase(change.name);
        names_[change.to] = change.inode;
        break;
    }
  }
  for (auto& inode : inodes_) inode.linked = false;
  for (const auto& [name, inode] : names_) {
    inodes_[inode].linked = true;
    used_bytes_ += inodes_[inode].current.size;
  }
}

std::uint32_t SimDisk::adopt(FileRef content) {
  durable_.inodes.push_back(std::move(content));
  inodes_.emplace_back();
  return static_cast<std::uint32_t>(inodes_.size() - 1);
}

std::optional<Error> SimDisk::begin(std::string_view what, const std::string& name) {
  ++operations_;
  const bool fails = faults.fail_at != 0 && (operations_ == faults.fail_at ||
                                             (faults.sticky && operations_ > faults.fail_at));
  if (!fails) return std::nullopt;
  failed_ = true;
  return Error{faults.fail_with, std::string(what) + " " + name + ": injected failure", {}};
}

void SimDisk::end() {
  if (after_operation) after_operation();
  if (faults.cut_power_at != 0 && operations_ >= faults.cut_power_at) throw PowerCut{};
}

void SimDisk::set_sector(std::uint32_t inode, std::uint32_t sector, SectorId content) {
  auto& file = inodes_[inode].current;
  if (sector_of(file, sector) == content) return;
  put_sector(file, sector, content);
  durable_.pending.push_back({Change::Kind::sector, inode, sector, content, 0, {}, {}});
}

Result<void> SimDisk::grow(std::uint32_t inode, std::uint64_t size, std::string_view what,
                           const std::string& name) {
  auto& file = inodes_[inode];
  if (size <= file.current.size) return {};
  if (file.linked && used_bytes_ + (size - file.current.size) > capacity_bytes)
    return fail(ErrorCode::full, std::string(what) + " " + name + ": No space left on device");
  if (file.linked) used_bytes_ += size - file.current.size;
  file.current.size = size;
  durable_.pending.push_back({Change::Kind::size, inode, 0, 0, size, {}, {}});
  return {};
}

void SimDisk::make_durable(std::uint32_t inode) {
  auto content = std::make_shared<FileImage>(*durable_.inodes[inode]);
  std::vector<Written> written;
  std::erase_if(durable_.pending, [&](const Change& change) {
    if (change.inode != inode) return false;
    if (change.kind == Change::Kind::size) content->size = change.size;
    if (change.kind == Change::Kind::sector) {
      written.push_back({inode, change.sector, sector_of(*content, change.sector), change.content});
      put_sector(*content, change.sector, change.content);
    }
    return change.kind == Change::Kind::size || change.kind == Change::Kind::sector;
  });
  durable_.inodes[inode] = std::move(content);
  if (written.empty()) return;
  ++syncs_;
  synced_.push_back(std::move(written));
  if (synced_.size() > kSyncsRemembered) synced_.pop_front();
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end())
    return fail(ErrorCode::not_found, "open " + name + ": No such file or directory");
  return std::make_unique<SimFile>(*this, found->second, name);
}

Result<std::unique_ptr<File>> SimDisk::create(const std::string& name) {
  if (auto error = begin("create", name)) return fail(*std::move(error));
  if (names_.contains(name)) return fail(ErrorCode::conflict, "create " + name + ": File exists");
  const auto inode = adopt(std::make_shared<FileImage>());
  names_[name] = inode;
  durable_.pending.push_back({Change::Kind::create, inode, 0, 0, 0, name, {}});
  end();
  return std::make_unique<SimFile>(*this, inode, name);
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  if (auto error = begin("rename", from)) return fail(*std::move(error));
  const auto found = names_.find(from);
  if (found == names_.end())
    return fail(ErrorCode::not_found, "rename " + from + ": No such file or directory");
  const auto inode = found->second;
  names_.erase(found);
  if (const auto old = names_.find(to); old != names_.end()) {
    used_bytes_ -= inodes_[old->second].current.size;
    inodes_[old->second].linked = false;
  }
  names_[to] = inode;
  durable_.pending.push_back({Change::Kind::rename, inode, 0, 0, 0, from, to});
  end();
  return {};
}

Result<void> SimDisk::remove(const std::string& name) {
  if (auto error = begin("remove", name)) return fail(*std::move(error));
  const auto found = names_.find(name);
  if (found == names_.end())
    return fail(ErrorCode::not_found, "remove " + name + ": No such file or directory");
  used_bytes_ -= inodes_[found->second].current.size;
  inodes_[found->second].linked = false;
  durable_.pending.push_back({Change::Kind::remove, found->second, 0, 0, 0, name, {}});
  names_.erase(found);
  end();
  return {};
}

Result<std::vector<std::string>> SimDisk::list() {
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_) names.push_back(name);
  return names;
}

Result<void> SimDisk::sync() {
  if (auto error = begin("sync", "directory")) return fail(*std::move(error));
  end();
  std::erase_if(durable_.pending, [&](const Change& change) {
    switch (change.kind) {
      case Change::Kind::create:
        durable_.names[change.name] = change.inode;
        return true;
      case Change::Kind::remove:
        durable_.names.erase(change.name);
        return true;
      case Change::Kind::rename:
        durable_.names.erase(change.name);
        durable_.names[change.to] = change.inode;
        return true;
      default:
        return false;
    }
  });
  return {};
}

Result<std::uint64_t> SimDisk::free_bytes() {
  return used_bytes_ < capacity_bytes ? capacity_bytes - used_bytes_ : 0;
}

Result<std::unique_ptr<DirectoryLock>> SimDisk::lock() {
  if (locked_) return fail(ErrorCode::conflict, "disk is in use by process 1");
  return std::make_unique<SimLock>(locked_);
}

}  // namespace penstock::sim
