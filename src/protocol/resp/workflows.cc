// WORKFLOW.*, and workflows in the place of tasks.
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/leases.h"
#include "protocol/resp/options.h"
#include "protocol/workflow_spec.h"

namespace penstock::protocol::resp {
namespace {

constexpr std::uint32_t kListDefault = 100;
constexpr std::uint32_t kListMax = 1000;

struct ListOptions {
  MessageId after;
  std::uint32_t limit = kListDefault;
};
constexpr Option<ListOptions> kListOptions[] = {
    {"AFTER", 1,
     [](ListOptions& into, Args values) -> Result<void> {
       const auto id = read_id(values[0]);
       if (!id) return fail(id.error());
       into.after = *id;
       return {};
     }},
    {"LIMIT", 1,
     [](ListOptions& into, Args values) -> Result<void> {
       const auto limit = read_count(values[0], 1, kListMax);
       if (!limit) return fail(limit.error());
       into.limit = *limit;
       return {};
     }},
};

struct SubmitOptions {
  std::string_view key;
};
constexpr Option<SubmitOptions> kSubmitOptions[] = {
    {"KEY", 1,
     [](SubmitOptions& into, Args values) -> Result<void> {
       if (values[0].empty()) return fail(ErrorCode::invalid, "is empty");
       into.key = values[0];
       return {};
     }},
};

}  // namespace

Result<void> workflow_submit(Session& session, Args args) {
  SubmitOptions options;
  if (auto read = read_options(args, 2, kSubmitOptions, options); !read) return fail(read.error());
  WorkflowSpec spec;
  if (auto read = spec.read(args[1], session.broker().now(), options.key); !read) return read;
  session.broker().submit(session.id(), session.ask(encode_id), spec.input());
  return {};
}

Result<void> workflow_resume(Session& session, Args args) {
  const auto id = read_id(args[1]);
  if (!id) return fail(id.error());
  session.broker().resume_workflow(session.id(), session.ask(encode_count), *id);
  return {};
}

Result<void> workflow_list(Session& session, Args args) {
  ListOptions options;
  if (auto read = read_options(args, 1, kListOptions, options); !read) return fail(read.error());
  session.broker().workflows(session.id(), session.ask(encode_task_statuses), options.after,
                             options.limit);
  return {};
}

Result<void> task_replace(Session& session, Args args) {
  WorkflowSpec spec;
  if (auto read = spec.read(args[2], session.broker().now()); !read) return read;
  engine::Settle settle;
  settle.replacement = &spec.input();
  return settle_one(session, args[1], settle);
}

}  // namespace penstock::protocol::resp
