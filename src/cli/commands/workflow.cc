#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "client/await.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kListed = 100;

struct Options {
  std::string url, file = "-", key;
  bool json = false;
  std::uint64_t id = 0;
  bool submitted = false;  // by this command
  std::uint64_t after = 0;
  Duration wait{0};
};

std::string text_in(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string().c_str())
                                                : std::string();
}
std::int64_t number_in(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// A line for each node, indented by its depth.
void draw(const json::value& value, std::string_view role, std::size_t depth, std::string& out) {
  const auto* node = value.if_object();
  if (node == nullptr) return;
  const auto kind = text_in(*node, "kind");
  out.append(2 * depth, ' ').append(role);
  if (kind == "step") {
    out += fmt::format("{} {}  {}", shown(text_in(*node, "task")), text_in(*node, "id"),
                       text_in(*node, "state"));
    if (number_in(*node, "attempts") > 1)
      out += fmt::format(", attempt {}", number_in(*node, "attempts"));
    if (const auto error = text_in(*node, "error"); !error.empty())
      out += fmt::format(": {}", shown(error));
  } else {
    out += fmt::format("{} of {}  {}, {} done", kind, number_in(*node, "total"),
                       text_in(*node, "state"), number_in(*node, "succeeded"));
    if (const auto failed = number_in(*node, "failed"); failed > 0)
      out += fmt::format(", {} failed", failed);
  }
  out += '\n';
  constexpr std::pair<std::string_view, std::string_view> kChildren[] = {
      {"members", ""}, {"on_success", "on success: "}, {"on_error", "on error: "}};
  for (const auto& [field, words] : kChildren)
    if (const auto* children = node->if_contains(field);
        children != nullptr && children->is_array())
      for (const auto& child : children->get_array()) draw(child, words, depth + 1, out);
  if (const auto more = number_in(*node, "left_out"); more > 0)
    out.append(2 * depth + 2, ' ') += fmt::format("... and {} more\n", more);
}

std::string text_of(const client::TaskStatus& status) {
  std::string text;
  const auto line = [&](std::string_view name, std::string_view value) {
    if (!value.empty() && value != "-") text += fmt::format("{:<12}{}\n", name, shown(value));
  };
  const auto workflow = parsed_or_string(status.workflow);
  const json::object none;
  const auto& object = workflow.is_object() ? workflow.get_object() : none;
  line("workflow", std::to_string(status.id.value));
  line("name", status.name);
  line("state", text_in(object, "state"));
  line("on failure", text_in(object, "on_failure"));
  line("steps", fmt::format("{} of {} done, {} failed, {} running or queued",
                            number_in(object, "done"), number_in(object, "steps"),
                            number_in(object, "failed"), number_in(object, "active")));
  line("submitted", human_time(status.enqueued_at));
  line("ended", human_time(status.finished_at));
  if (status.state == "done") line("value", status.result);
  line("error", status.error);
  if (const auto* tree = object.if_contains("tree")) draw(*tree, "", 1, text);
  return text;
}

int show(client::Client& client, const Options& options) {
  Interrupt interrupt;
  const auto status =
      client::await_task(client, MessageId(options.id),
                         {.wait = options.wait, .away = say_server_gone}, interrupt.token());
  if (!status)
    return options.submitted ? report_unwatched(status.error(), "workflow", MessageId(options.id),
                                                "workflow show")
                             : report_failure(status.error());
  if (status->workflow.empty())
    return report(Error{ErrorCode::not_found, fmt::format("there is no workflow {}", options.id),
                        "it never was, or it ended and its ttl is over"});
  if (options.json)
    print_json(to_json(*status));
  else
    write_out(text_of(*status));
  if (!status->ended()) return options.wait > Duration(0) ? kExitTimeout : kExitOk;
  return status->state != "done" ? kExitFailed : kExitOk;
}

int submit(client::Client& client, Options options) {
  std::string text;
  if (options.file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream file(options.file, std::ios::binary);
    if (!file)
      return report(Error{ErrorCode::not_found, fmt::format("cannot read {}", options.file),
                          "give the file of a workflow in JSON, or - for standard input"});
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto id = client.call(client::submit_workflow(text, options.key));
  if (!id) return report_failure(id.error());
  if (options.wait == Duration(0)) {
    write_out(fmt::format("{}\n", id->value));
    return kExitOk;
  }
  options.id = id->value;
  options.submitted = true;
  return show(client, options);
}

int list(client::Client& client, const Options& options) {
  const auto all = client.call(client::workflows(MessageId(options.after), kListed));
  if (!all) return report_failure(all.error());
  Table table({{"ID"},
               {"NAME"},
               {"STATE"},
               {"STEPS", Align::right},
               {"DONE", Align::right},
               {"FAILED", Align::right},
               {"SUBMITTED"}});
  for (const auto& status : *all) {
    if (options.json) {
      print_json(to_json(status));
      continue;
    }
    const auto workflow = parsed_or_string(status.workflow);
    if (!workflow.is_object()) continue;
    const auto& object = workflow.get_object();
    table.add({std::to_string(status.id.value), shown(status.name), text_in(object, "state"),
               std::to_string(number_in(object, "steps")),
               std::to_string(number_in(object, "done")),
               std::to_string(number_in(object, "failed")), human_time(status.enqueued_at)});
  }
  if (!options.json) write_out(table.text(terminal_width()));
  return kExitOk;
}

int settle(client::Client& client, const client::Request<std::uint64_t>& request) {
  const auto done = client.call(request);
  return done ? kExitOk : report_failure(done.error());
}

}  // namespace

Action set_up_workflow(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  CLI::App* submit_app = app.add_subcommand("submit", "Submit a workflow, as JSON; prints its id");
  submit_app->footer("EXAMPLE\n  penstock workflow submit flow.json --wait 1m");
  submit_app->add_option("file", options->file, "the file, or - for standard input");
  submit_app->add_option("--key", options->key, "idempotency key: makes a repeat harmless")
      ->check(not_empty());
  CLI::App* show_app = app.add_subcommand("show", "A workflow's state, tree and value");
  show_app->footer("EXAMPLE\n  penstock workflow show 17 --wait 10s");
  CLI::App* list_app = app.add_subcommand("list", "Workflows by id");
  list_app->footer("EXAMPLE\n  penstock workflow list --after 17");
  list_app->add_option("--after", options->after, "only those with a greater id");
  CLI::App* cancel_app = app.add_subcommand("cancel", "Cancel all of it that has not ended");
  cancel_app->footer("EXAMPLE\n  penstock workflow cancel 17");
  CLI::App* resume_app =
      app.add_subcommand("resume", "Do again what failed, and what follows from it");
  resume_app->footer("EXAMPLE\n  penstock workflow resume 17");
  for (CLI::App* sub : {submit_app, show_app}) {
    add_duration_option(*sub, "-w,--wait", options->wait, "wait for its end, at most so long");
    add_json_option(*sub, options->json);
  }
  add_json_option(*list_app, options->json);
  for (CLI::App* sub : {show_app, cancel_app, resume_app})
    sub->add_option("id", options->id, "its id, as `submit` prints it")->required();
  for (CLI::App* sub : {submit_app, show_app, list_app, cancel_app, resume_app})
    add_connect_option(*sub, options->url);
  return [options, submit_app, show_app, list_app, cancel_app] {
    auto client = connect(options->url);
    if (!client) return report(client.error());
    if (submit_app->parsed()) return submit(**client, *options);
    if (show_app->parsed()) return show(**client, *options);
    if (list_app->parsed()) return list(**client, *options);
    const MessageId id(options->id);
    return settle(**client,
                  cancel_app->parsed() ? client::cancel_task(id) : client::resume_workflow(id));
  };
}

}  // namespace penstock::cli
