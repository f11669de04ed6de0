// Checkpoints: the file, and the engine's state in it. The file's checksum is made right unless the
// first byte says otherwise; the state may be nonsense all the same.
#include "journal/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/crc32c.h"
#include "engine/state.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "journal/names.h"
#include "os/memory_directory.h"

namespace penstock::fuzz {
namespace {

constexpr std::size_t kCrcAt = 12;
constexpr std::size_t kCoveredAt = 16;

void check_file(ByteView input, bool sealed) {
  Bytes bytes(input.begin(), input.end());
  if (sealed && bytes.size() > kCoveredAt) {
    const auto crc = crc32c(ByteView(bytes).subspan(kCoveredAt));
    std::memcpy(bytes.data() + kCrcAt, &crc, sizeof crc);
  }
  MemoryDirectory directory;
  directory.set_contents(journal::checkpoint_name(1), bytes);
  const Meter meter;
  const auto read = journal::read_checkpoint_file(directory, 1);
  meter.check_memory(bytes.size(), 8, 64u << 10);
  if (!read) return check_line(read.error().message);
  CHECK(journal::write_checkpoint_file(directory, *read, read->state, read->live));
  const auto again = journal::read_checkpoint_file(directory, read->number);
  CHECK(again && again->state == read->state && again->covers == read->covers);
  CHECK(again->live.size() == read->live.size());
  for (std::size_t i = 0; i < read->live.size(); ++i) {
    CHECK(again->live[i].number == read->live[i].number);
    CHECK(again->live[i].offsets == read->live[i].offsets);
  }
}

// The checkpoint and, behind it, the live records that segments would hand over.
Result<void> restore(engine::State& state, ByteView checkpoint, std::span<const ByteView> live) {
  if (auto restored = state.restore_checkpoint(checkpoint); !restored) return restored;
  engine::IdList ids;
  std::uint64_t position = 4096;
  for (const auto head : live) {
    engine::PublishEvent event;
    if (!decode(head, event, ids)) continue;
    if (auto restored = state.restore_live(event, LogPosition(position), 100); !restored)
      return restored;
    position += 512;
  }
  return state.restore_done();
}

void check_state(ByteView input) {
  Choices choices(input);
  std::vector<ByteView> live(choices.below(8));
  for (auto& head : live) head = choices.piece();
  const Meter meter;
  engine::State state(Time{}, {});
  const auto restored = restore(state, choices.rest(), live);
  // Slabs and tables begin with some room; the rest follows the bytes.
  meter.check_memory(input.size(), 64, 4u << 20);
  if (!restored) return check_line(restored.error().message);
  state.check();
  Bytes written;
  state.encode_checkpoint(written);
  engine::State again(Time{}, {});
  CHECK(restore(again, written, live));
  again.check();
  Bytes rewritten;
  again.encode_checkpoint(rewritten);
  CHECK(rewritten == written);
}

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  const auto way = choices.below(4);
  if (way == 0) return check_file(choices.rest(), false);
  if (way == 1) return check_file(choices.rest(), true);
  check_state(choices.rest());
}

}  // namespace penstock::fuzz
