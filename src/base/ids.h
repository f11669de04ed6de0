// Different things have different types: none of these converts into another.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace penstock {

template <class Tag, class Rep>
struct Id {
  Rep value{};
  constexpr Id() = default;
  constexpr explicit Id(Rep v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != 0; }  // 0 is "none" everywhere
};

// One message, for ever: given out in order of publishing, from 1.
using MessageId = Id<struct MessageIdTag, std::uint64_t>;
// One queue, for ever: a name declared anew after a delete has another id.
using QueueId = Id<struct QueueIdTag, std::uint32_t>;
// One connection, or one user of the library, while the process lives.
using SessionId = Id<struct SessionIdTag, std::uint32_t>;
// A byte's place in the endless log: the only notion of order there is.
using LogPosition = Id<struct LogPositionTag, std::uint64_t>;
inline constexpr LogPosition kNowhereInLog{~0ull};  // behind all others

}  // namespace penstock

template <class Tag, class Rep>
struct std::hash<penstock::Id<Tag, Rep>> {
  std::size_t operator()(penstock::Id<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
