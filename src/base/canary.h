// Deliberate bugs, each the kind that a broker really had. They are compiled in only where
// PENSTOCK_CANARIES is defined, which is the simulator's second build: there each one is switched
// on and must be found. In every other build CANARY(name) is the constant false.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace penstock {

enum class Canary : std::uint8_t {
  none,
  reply_before_sync,     // a reply leaves when its records are written, not when they are synced
  skip_directory_sync,   // a new segment's name is not made durable
  skip_recovery_sync,    // what recovery read counts as durable without a sync
  accept_stale_record,   // a recycled segment's former batches pass for new ones
  drop_reservation,      // no disk is kept for settles: a full disk stops them
  double_settle,         // a lease that ran out still settles
  forget_live_record,    // a checkpoint leaves out a record that still counts
  lose_dedup_key,        // a checkpoint leaves out the idempotency keys
  lose_unique_key,       // a checkpoint leaves out the keys of limits
  end_step_twice,        // a step's result that cleaning writes anew ends the step again
  forget_fire,           // what a schedule published is journalled, and not that it fired
  forget_group_setting,  // a checkpoint leaves out what was set for groups
  ignore_weight,         // groups take turns of one message, whatever they weigh
  overspend_rate,        // a delivery takes half of what it should from its group's bucket
  waste_group_limit,     // one fewer of a group is worked on than may be
  exceed_group_limit,    // one more of a group is worked on than may be
  forget_cause,          // a checkpoint leaves out of what attempts ended
  miscount_cause,        // an attempt counts for every cause
  stretch_unique_time,   // after a restart the time of a unique key is longer
  forget_run,            // a checkpoint leaves out which run a schedule's next one waits for
  forget_pause,          // a checkpoint leaves out that a schedule is paused
  forget_resize,         // a checkpoint leaves out to how many slots workers were told to change
  miscount_missed,       // what was missed is left out, and not counted
  lose_workflow_key,     // a workflow's idempotency key is known and not written
  crowd_suspects,        // a worker gets more than it has slots beside what a worker was lost with
};

inline constexpr std::array<std::string_view, 26> kCanaryNames{"none",
                                                               "reply_before_sync",
                                                               "skip_directory_sync",
                                                               "skip_recovery_sync",
                                                               "accept_stale_record",
                                                               "drop_reservation",
                                                               "double_settle",
                                                               "forget_live_record",
                                                               "lose_dedup_key",
                                                               "lose_unique_key",
                                                               "end_step_twice",
                                                               "forget_fire",
                                                               "forget_group_setting",
                                                               "ignore_weight",
                                                               "overspend_rate",
                                                               "waste_group_limit",
                                                               "exceed_group_limit",
                                                               "forget_cause",
                                                               "miscount_cause",
                                                               "stretch_unique_time",
                                                               "forget_run",
                                                               "forget_pause",
                                                               "forget_resize",
                                                               "miscount_missed",
                                                               "lose_workflow_key",
                                                               "crowd_suspects"};

#ifdef PENSTOCK_CANARIES
inline Canary active_canary = Canary::none;
#define CANARY(name) (::penstock::active_canary == ::penstock::Canary::name)
#else
#define CANARY(name) false
#endif

}  // namespace penstock
