// Opening a log that is there: finds its end, tells a torn tail from damage, replays.
//
// Recovery writes nothing that it could not write again: footer chunks of the unsealed segment, and
// a sync of what it read, and what the parity of a sealed segment gives back. The torn tail is not
// erased; the next batch, of a new epoch, takes its place.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/checkpoint.h"
#include "journal/footer.h"
#include "journal/gather.h"
#include "journal/journal.h"
#include "journal/scan.h"
#include "os/file.h"

namespace penstock::journal {

// The log's files, by what their names say.
struct Survey {
  std::vector<std::string> names;
  std::vector<std::uint64_t> segments;     // ascending
  std::vector<std::uint64_t> checkpoints;  // ascending
  std::vector<std::uint64_t> parities;     // ascending
};
[[nodiscard]] Result<Survey> survey(Directory& directory);

struct Recovered {
  Layout layout;
  std::uint64_t epoch = 1;  // of the life that begins
  ChainLink link;
  LogPosition end;
  Gather::Start start;
  FooterBuilder footer;
  std::uint64_t checkpoint_number = 0;
  LogPosition covers;
  // Per segment that is there, where its batches end (offset).
  std::map<std::uint64_t, std::uint64_t> segments;
  // Those that are needed and get no more batches, but for the last.
  std::vector<std::uint64_t> sealed;
  OpenReport report;
};

[[nodiscard]] Result<Recovered> recover(Directory& directory, const Survey& survey, Replay& replay);

// What every Error::corrupt of a journal tells its reader to do.
[[nodiscard]] std::string verify_hint(const Directory& directory);

// The header of a segment, and whether it is damaged or of a newer version.
[[nodiscard]] Result<SegmentHeader> read_segment_header(const Directory& directory,
                                                        const File& file, std::uint64_t number);
// The trailer, when it is there and whole.
[[nodiscard]] Result<std::optional<Trailer>> read_trailer(const Layout& layout, const File& file,
                                                          std::uint64_t number);

}  // namespace penstock::journal
