#include "journal/parity_maker.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "journal/footer.h"
#include "journal/names.h"

namespace penstock::journal {
namespace {

constexpr std::size_t kBatchCoveredAt = 12;  // a batch's checksum covers from here

// Reads of whole blocks, each of which must match the table: what was read again is what was read
// first.
class SameFile : public File {
 public:
  SameFile(const File& file, const Layout& layout, std::uint64_t number,
           const std::vector<std::uint32_t>& table)
      : file_(file), layout_(layout), number_(number), table_(table) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    auto count = file_.read_at(offset, into);
    for (std::uint64_t i = 0; count && i + kBlock <= *count; i += kBlock) {
      const auto block = (offset + i) / kBlock;
      if (parity_table_crc(layout_, number_, block, into.subspan(i, kBlock)) != table_[block])
        return fail(ErrorCode::corrupt, segment_name(number_) + ": offset " +
                                            std::to_string(offset + i) +
                                            ": two reads do not give the same");
    }
    return count;
  }
  Result<void> write_at(std::uint64_t /*offset*/, ByteView /*data*/) override { return refuse(); }
  Result<void> sync() override { return refuse(); }
  Result<std::uint64_t> size() const override { return file_.size(); }
  Result<void> allocate(std::uint64_t /*bytes*/) override { return refuse(); }

 private:
  static Result<void> refuse() { return fail(ErrorCode::unsupported, "for reading only"); }

  const File& file_;
  const Layout& layout_;
  const std::uint64_t number_;
  const std::vector<std::uint32_t>& table_;
};

}  // namespace

std::unexpected<Error> SegmentCheck::damaged(std::uint64_t offset, const char* what) {
  bad_at_ = offset;
  return fail(ErrorCode::corrupt,
              segment_name(number_) + ": offset " + std::to_string(offset) + ": " + what);
}

Result<void> SegmentCheck::begin_batch(std::uint64_t offset, ByteView block) {
  const auto header = decode_batch_header(layout_, layout_.position(number_, offset), block);
  if (!header) return damaged(offset, "no batch header is here");
  const bool linked = header->previous_crc == link_.crc && header->epoch >= link_.epoch;
  if (!linked || offset + header->total_bytes > trailer_.data_end)
    return damaged(offset, "the batch does not follow the one before it");
  batch_ = *header;
  begin_ = offset;
  end_ = offset + header->total_bytes;
  crc_ = crc32c(block.subspan(kBatchCoveredAt), layout_.seed(header->position));
  return {};
}

Result<void> SegmentCheck::take(std::uint64_t offset, ByteView block) {
  if (offset == 0) {
    const auto header = decode_segment_header(block).header;
    if (!header || header->number != number_ || header->log_id != layout_.log_id() ||
        header->segment_bytes != layout_.segment_bytes())
      return damaged(0, "the segment's header is damaged");
    link_ = {header->first_epoch, header->previous_crc};
    return {};
  }
  if (offset < trailer_.data_end) {
    if (offset == end_) {
      if (auto done = begin_batch(offset, block); !done) return done;
    } else {
      crc_ = crc32c(block, crc_);
    }
    if (offset + kBlock < end_) return {};
    if (crc_ != batch_.batch_crc) return damaged(begin_, "the batch's checksum does not hold");
    link_ = {batch_.epoch, batch_.chain_crc()};
  }
  if (offset + kBlock < layout_.segment_bytes()) return {};
  if (!decode_trailer(layout_, number_, block)) return damaged(offset, "the trailer is damaged");
  if (link_.crc != trailer_.last_crc || link_.epoch != trailer_.last_epoch ||
      end_ != trailer_.data_end)
    return damaged(offset, "the trailer names another last batch");
  return {};
}

Result<void> ParityMaker::begin() {
  auto file = directory_.open(segment_name(number_));
  if (!file) return fail(std::move(file).error());
  file_ = std::move(*file);
  const auto at = layout_.segment_bytes() - kBlock;
  Bytes block(kBlock);
  if (auto done = read_padded(*file_, at, block); !done) return done;
  const auto trailer = decode_trailer(layout_, number_, block);
  if (!trailer)
    return fail(ErrorCode::corrupt, segment_name(number_) + ": offset " + std::to_string(at) +
                                        ": the trailer is damaged");
  trailer_ = *trailer;
  trailer_crc_ = trailer_crc_of(block);
  check_.emplace(layout_, number_, trailer_);
  const ParityGeometry geometry(layout_.segment_bytes());
  sum_.resize(geometry.row_bytes());
  table_.resize(geometry.table_entries());
  return {};
}

void ParityMaker::take(std::uint64_t offset, ByteView block) {
  table_[offset / kBlock] = parity_table_crc(layout_, number_, offset / kBlock, block);
  add_block(std::span(sum_).subspan(offset % sum_.size(), kBlock), block);
}

Result<bool> ParityMaker::step() {
  if (!file_)
    if (auto done = begin(); !done) return fail(std::move(done).error());
  const auto bytes = layout_.segment_bytes();
  Bytes piece(std::min(kExamineBytes, bytes - at_));
  if (purpose_ == Purpose::check) file_->drop_cached(at_, piece.size());
  if (auto done = read_padded(*file_, at_, piece); !done) return fail(std::move(done).error());
  for (std::uint64_t i = 0; i < piece.size(); i += kBlock) {
    const auto block = ByteView(piece).subspan(i, kBlock);
    if (auto done = check_->take(at_ + i, block); !done) return fail(std::move(done).error());
    take(at_ + i, block);
  }
  at_ += piece.size();
  if (at_ < bytes) return false;
  if (auto done = check_footer(); !done) return fail(std::move(done).error());
  if (purpose_ == Purpose::check) return true;
  reading_ = false;
  auto written = write_file();
  // The first error is what counts; a half-made file is removed at the next start too.
  if (!written) static_cast<void>(directory_.remove(kParityTemporary));
  if (!written) return fail(std::move(written).error().at("write parity"));
  return true;
}

Result<void> ParityMaker::check_footer() {
  const SameFile same(*file_, layout_, number_, table_);
  auto entries = load_footer(layout_, same, trailer_);
  if (!entries) return fail(std::move(entries).error().at(segment_name(number_)));
  return {};
}

Result<void> ParityMaker::write_file() {
  const ParityGeometry geometry(layout_.segment_bytes());
  for (std::uint64_t stripe = 0; stripe < geometry.stripes(); ++stripe) {
    const auto block = geometry.blocks() + stripe;
    table_[block] =
        parity_table_crc(layout_, number_, block, ByteView(sum_).subspan(stripe * kBlock, kBlock));
  }
  Bytes table(geometry.table_bytes());
  std::memcpy(table.data(), table_.data(), table_.size() * sizeof(std::uint32_t));
  const auto header = encode(ParityHeader{.log_id = layout_.log_id(),
                                          .number = number_,
                                          .segment_bytes = layout_.segment_bytes(),
                                          .trailer_crc = trailer_crc_,
                                          .table_crc = crc32c(table, layout_.seed(number_))});
  auto file = directory_.create(kParityTemporary);
  if (!file) return fail(std::move(file).error());
  if (auto done = (*file)->allocate(geometry.file_bytes()); !done) return done;
  if (auto done = (*file)->write_at(geometry.parity_at(), sum_); !done) return done;
  for (const int copy : {0, 1}) {
    if (auto done = (*file)->write_at(geometry.header_at(copy), header); !done) return done;
    if (auto done = (*file)->write_at(geometry.table_at(copy), table); !done) return done;
  }
  return (*file)->sync();
}

}  // namespace penstock::journal
