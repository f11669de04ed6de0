// The names of a log's files, and what a name says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::journal {

inline constexpr const char* kReserveSegment = "reserve.seg";
inline constexpr const char* kReserveCheckpoint = "reserve.ckp";
inline constexpr const char* kCheckpointTemporary = "checkpoint.tmp";
inline constexpr const char* kRepairTemporary = "repair.tmp";
inline constexpr const char* kParityTemporary = "parity.tmp";

[[nodiscard]] std::string segment_name(std::uint64_t number);     // journal-<16 hex digits>.seg
[[nodiscard]] std::string parity_name(std::uint64_t number);      // the same, .par
[[nodiscard]] std::string spare_name(std::uint64_t number);       // spare-<n>.seg
[[nodiscard]] std::string checkpoint_name(std::uint64_t number);  // checkpoint-<n>.ckp

// The number in such a name; nothing for any other name.
[[nodiscard]] std::optional<std::uint64_t> segment_number(std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> parity_number(std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> spare_number(std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> checkpoint_number(std::string_view name);

}  // namespace penstock::journal
