// One Setup (command.h) for each subcommand; each is defined in the file of its name.
#pragma once

#include "cli/command.h"

namespace penstock::cli {

Action set_up_serve(CLI::App& app);
Action set_up_send(CLI::App& app);
Action set_up_receive(CLI::App& app);
Action set_up_run(CLI::App& app);
Action set_up_worker(CLI::App& app);
Action set_up_workers(CLI::App& app);
Action set_up_queue(CLI::App& app);
Action set_up_task(CLI::App& app);
Action set_up_schedule(CLI::App& app);
Action set_up_user(CLI::App& app);
Action set_up_vhost(CLI::App& app);
Action set_up_workflow(CLI::App& app);
Action set_up_status(CLI::App& app);
Action set_up_plan(CLI::App& app);
Action set_up_bench(CLI::App& app);
Action set_up_demo(CLI::App& app);
Action set_up_import(CLI::App& app);
Action set_up_verify(CLI::App& app);
Action set_up_version(CLI::App& app);
Action set_up_completion(CLI::App& app);

}  // namespace penstock::cli
