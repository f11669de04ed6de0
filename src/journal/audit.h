// One segment, read in full: what holds, what does not, and the segment as it ought to be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/footer.h"
#include "journal/format.h"
#include "journal/scan.h"
#include "os/file.h"

namespace penstock::journal {

// What the rest of the log says of a segment.
struct AuditContext {
  std::uint64_t number = 0;
  std::optional<ChainLink> link;      // of the segment before it, when that is known
  std::uint64_t previous_end = 0;     // position
  std::optional<SegmentHeader> next;  // the header of the segment behind it
  std::uint64_t durable_end = 0;      // offset: a checkpoint says it was durable up to here
};

// A place without a valid batch, where one was durable.
struct Hole {
  std::uint64_t from = 0, to = 0;  // offsets
  std::uint32_t next_crc = 0;      // what is behind it names this as its predecessor
  std::uint64_t epoch = 0;
  std::uint32_t previous_crc = 0;
  std::uint64_t saved = 0;  // records inside that are whole
  std::string why{};
  Bytes batch{};  // to stand there from now on
};

struct Audit {
  std::optional<SegmentHeader> header;  // rebuilt when it was damaged
  bool header_damaged = false;
  bool footer_damaged = false;
  std::vector<Hole> holes;
  std::uint64_t data_end = kBlock;
  ChainLink link;
  bool sealed = false;
  std::uint64_t torn_bytes = 0;
  std::uint64_t batches = 0, records = 0;
  std::vector<std::uint32_t> offsets;  // of the records that are whole
  std::vector<FooterChunk> chunks;     // the footer as it ought to be
  Trailer trailer;
  [[nodiscard]] bool healthy() const { return !header_damaged && !footer_damaged && holes.empty(); }
};

// `file` may be null: a segment that is missing, of which everything is lost.
[[nodiscard]] Result<Audit> audit_segment(const Layout& layout, const File* file,
                                          const AuditContext& context);
// Writes the segment as it ought to be into `to`: what holds is taken from `from`, when that is
// there.
[[nodiscard]] Result<void> write_repaired(const Layout& layout, const File* from,
                                          const Audit& audit, File& to);

}  // namespace penstock::journal
