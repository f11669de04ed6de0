// Penstock: durable tasks and messages for C++. Start at app.hpp.
#pragma once

#include "penstock/app.hpp"
#include "penstock/context.hpp"
#include "penstock/error.hpp"
#include "penstock/job.hpp"
#include "penstock/json.hpp"
#include "penstock/message.hpp"
#include "penstock/middleware.hpp"
#include "penstock/options.hpp"
#include "penstock/retry.hpp"
#include "penstock/schedule.hpp"
#include "penstock/task.hpp"
#include "penstock/trace.hpp"
#include "penstock/workers.hpp"
#include "penstock/workflow.hpp"
