// The footer of a segment: the heads of all its records, so that reopening reads no bodies.
//
// What it is: a stream of entries, cut into chunks of one size that are written as they fill, from
// the
//   segment's end downwards, while batches grow upwards. The trailer (format.h), written last,
//   makes them valid. So the footer costs neither memory nor a long write when a segment is sealed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "journal/format.h"
#include "os/file.h"

namespace penstock::journal {

inline constexpr std::uint32_t kChunkHeaderBytes = 16;
// Of one entry, beyond its head: offset, kind, two lengths.
inline constexpr std::uint32_t kEntryOverheadBytes = 16;

struct FooterChunk {
  std::uint32_t index = 0;
  Bytes bytes;
};

// Where chunk `index` of any segment begins.
[[nodiscard]] inline std::uint64_t chunk_offset(const Layout& layout, std::uint64_t index) {
  return layout.segment_bytes() - kBlock - (index + 1) * layout.chunk_bytes();
}

// Collects the entries of one segment. Threads: one.
class FooterBuilder {
 public:
  FooterBuilder(const Layout& layout, std::uint64_t segment) { reset(layout, segment); }
  void reset(const Layout& layout, std::uint64_t segment);

  // Adds an entry; chunks that became full are moved into `full`.
  void add(std::uint32_t offset, std::uint8_t kind, ByteView head, std::uint32_t body_bytes,
           std::vector<FooterChunk>& full);
  // The last chunk, if any entry is in it, and what the trailer says of the footer.
  void finish(Trailer& trailer, std::vector<FooterChunk>& full);

  // Offset up to which batches may go when `bytes` of entries more are to fit.
  [[nodiscard]] std::uint64_t data_limit(std::uint64_t bytes) const;
  [[nodiscard]] std::uint32_t record_count() const { return record_count_; }

 private:
  void put(ByteView bytes, std::vector<FooterChunk>& full);
  void close_chunk(std::vector<FooterChunk>& full);

  std::uint64_t segment_bytes_ = 0;
  std::uint32_t chunk_bytes_ = 0;
  std::uint32_t seed_ = 0;
  std::uint32_t chunks_ = 0;  // closed ones
  std::uint32_t chunks_crc_ = 0;
  std::uint32_t record_count_ = 0;
  std::uint32_t last_offset_ = 0;
  std::uint64_t footer_bytes_ = 0;
  Bytes chunk_;  // the open one, with room for its header
};

// The entries of a sealed segment, checked as a whole. Error::corrupt when any part is damaged.
[[nodiscard]] Result<Bytes> load_footer(const Layout& layout, const File& file,
                                        const Trailer& trailer);
// Visits what load_footer() gave.
[[nodiscard]] Result<void> for_each_entry(
    const Layout& layout, std::uint64_t segment, ByteView entries,
    const std::function<Result<void>(const RecordHead&)>& visit);

}  // namespace penstock::journal
