#include "engine/statistics.h"

namespace penstock::engine {
namespace {

using Q = QueueStatistics;

constexpr QueueCounter kCounters[] = {
    {"published", "messages that came in", &Q::published},
    {"duplicates", "publishes answered with an earlier id, for their idempotency key",
     &Q::duplicates},
    {"delivered", "leases given", &Q::delivered},
    {"acked", "messages done", &Q::acked},
    {"nacked", "attempts that failed and are tried again", &Q::nacked},
    {"rejected", "messages that are not to be tried again", &Q::rejected},
    {"raised", "attempts that ended with an error", &Q::raised},
    {"timed_out", "attempts that ended at a time-out", &Q::timed_out},
    {"worker_lost", "attempts whose lease ran out, or whose connection ended", &Q::worker_lost},
    {"killed", "attempts that a signal or an exit ended", &Q::killed},
    {"out_of_memory", "attempts that ended for want of memory", &Q::out_of_memory},
    {"declined", "tasks that whoever took them could not run", &Q::declined},
    {"returned", "leases that ran out, or whose connection ended", &Q::returned},
    {"spared", "of those, messages that were not charged for the loss of their worker", &Q::spared},
    {"held_back", "takes that had to wait, or got less, for the sake of what was lost or declined",
     &Q::held_back},
    {"expired", "messages whose time was over", &Q::expired},
    {"dropped", "messages discarded to make room", &Q::dropped},
    {"dead_lettered", "messages moved to the dead letters", &Q::dead_lettered},
    {"purged", "messages purged", &Q::purged},
    {"redriven", "dead letters sent back", &Q::redriven},
    {"refused_length", "publishes refused by max_length", &Q::refused_length},
    {"refused_bytes", "publishes refused by max_bytes", &Q::refused_bytes},
    {"refused_wait", "publishes refused by max_wait", &Q::refused_wait},
    {"refused_dedup", "publishes refused because the dedup window is full", &Q::refused_dedup},
    {"refused_unique", "publishes refused because another message has their unique key",
     &Q::refused_unique},
    {"refused_throttle", "publishes refused by their throttle", &Q::refused_throttle},
    {"replaced", "messages that one with the same key took the place of", &Q::replaced},
    {"dead_letter_refused", "dead letters that found no room and will be tried again",
     &Q::dead_letter_refused},
};

}  // namespace

std::span<const QueueCounter> queue_counters() {
  return kCounters;
}

}  // namespace penstock::engine
