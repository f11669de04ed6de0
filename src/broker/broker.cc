#include "broker/broker_impl.h"
#include "engine/names.h"

namespace penstock::broker {
namespace {

constexpr Duration kLookForSpace = std::chrono::seconds(1);

}  // namespace

Result<std::unique_ptr<Broker>> Broker::open(Directory& directory, Clock& clock, Random& random,
                                             const Options& options) {
  auto impl = std::make_unique<Impl>(clock, random, options);
  if (auto opened = impl->open(directory); !opened) return fail(std::move(opened.error()));
  return std::unique_ptr<Broker>(new Broker(std::move(impl)));
}

Result<void> Broker::Impl::open(Directory& directory) {
  StateReplay replay(engine_.state());
  auto opened = journal::Journal::open(directory, options_.journal, replay);
  if (!opened) return fail(std::move(opened.error()));
  if (auto done = engine_.state().replay_done(); !done) return fail(std::move(done.error()));
  journal_ = std::move(*opened);
  storage_ = std::make_unique<JournalStorage>(*journal_, replay.settings());
  engine_.start(*storage_, clock_.now(), journal_->report().created);
  expect_checkpoint();
  return {};
}

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Broker::~Broker() = default;

SessionId Broker::open_session(ReplySink& sink, Trust trust) {
  const SessionId session(impl_->next_session_++);
  impl_->sessions_.emplace(session, &sink);
  if (trust == Trust::guest) impl_->engine_.admit(session);
  return session;
}

void Broker::close_session(SessionId session) {
  impl_->sessions_.erase(session);
  impl_->blocked_.forget(session);
  impl_->engine_.close_session(now(), session);
  impl_->drop_held(session);
}

void Broker::resume(SessionId session) {
  impl_->resume(session);
}

void Broker::publish(SessionId session, Tag tag, const engine::Publish& publish) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->publish(session, tag, publish, Time{});
}
void Broker::publish_wait(SessionId session, Tag tag, const engine::Publish& publish,
                          Time wait_until) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->publish(session, tag, publish, wait_until);
}
void Broker::take(SessionId session, Tag tag, const engine::Take& take) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  if (auto error = impl_->engine_.take(now(), session, tag, take))
    impl_->answer(session, tag, std::move(*error));
}
void Broker::cancel_take(SessionId session, Tag take) {
  impl_->engine_.cancel_take(session, take);
}
void Broker::settle(SessionId session, Tag tag, const engine::Settle& settle) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->settle(session, tag, settle);
}

void Broker::extend(SessionId session, Tag tag, std::span<const engine::LeaseToken> leases,
                    Duration lease) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  const auto extended = impl_->engine_.extend(now(), session, leases, lease);
  impl_->answer(session, tag,
                Settled{extended.extended, extended.lost, extended.cancelled, extended.deadline});
}
void Broker::progress(SessionId session, Tag tag, const engine::LeaseToken& lease,
                      const engine::Progress& progress) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  const auto noted = impl_->engine_.progress(lease, progress);
  impl_->answer(session, tag, Settled{noted.extended, noted.lost, noted.cancelled, noted.deadline});
}

void Broker::declare(SessionId session, Tag tag, std::string_view queue, OptionPatch patch) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.declare(now(), queue, patch, session));
}
void Broker::change(SessionId session, Tag tag, std::string_view queue, OptionPatch patch) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.change(now(), queue, patch, session));
}
void Broker::declare_same(SessionId session, Tag tag, std::string_view name, OptionPatch options) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  auto declared = impl_->engine_.declare_same(now(), name, options, session);
  if (!declared) return impl_->answer(session, tag, std::move(declared.error()));
  queue(session, tag, name);
}
void Broker::remove(SessionId session, Tag tag, std::string_view queue,
                    engine::RemoveIf condition) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove(now(), queue, session, condition));
}
void Broker::purge(SessionId session, Tag tag, std::string_view queue) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.purge(now(), queue, session));
}

void Broker::publish_routed(SessionId session, Tag tag, const engine::RoutedPublish& publish) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer(session, tag, impl_->route(publish));
}
Broker::Offered Broker::offer_routed(SessionId session, Tag tag,
                                     const engine::RoutedPublish& publish) {
  Offered offered;
  const auto acting = impl_->engine_.act_for(session);
  auto reply = impl_->route(publish);
  if (auto* refused = std::get_if<Refused>(&reply)) {
    offered.refused = std::move(*refused);
  } else if (auto* error = std::get_if<Error>(&reply)) {
    offered.error = std::move(*error);
  } else {
    offered.queues = impl_->publishes_.size();
    if (tag != 0) impl_->answer(session, tag, std::move(reply));
  }
  return offered;
}
void Broker::transact(SessionId session, Tag tag, std::span<const engine::RoutedPublish> publishes,
                      std::span<const engine::Settle> settles) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer(session, tag, impl_->transact(publishes, settles));
}

void Broker::consume(SessionId session, Tag tag, Tag consumer, const engine::Consume& consume) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  if (auto error = impl_->engine_.consume(now(), session, consumer, consume))
    return impl_->answer(session, tag, std::move(*error));
  impl_->answer(session, tag, Done{1, true});
}
void Broker::add_credit(SessionId session, Tag consumer, std::int64_t messages,
                        std::int64_t bytes) {
  impl_->engine_.add_credit(session, consumer, messages, bytes);
}
void Broker::add_pool_credit(SessionId session, std::uint64_t pool, std::int64_t messages) {
  impl_->engine_.add_pool_credit(session, pool, messages);
}
void Broker::forget_pool(SessionId session, std::uint64_t pool) {
  impl_->engine_.forget_pool(session, pool);
}
void Broker::cancel_consumer(SessionId session, Tag tag, Tag consumer) {
  const bool there = impl_->engine_.cancel_consumer(now(), session, consumer);
  impl_->answer(session, tag, Done{there ? 1u : 0u, false});
}

void Broker::declare_host(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.declare_host(name));
}
void Broker::remove_host(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove_host(now(), name));
}
void Broker::declare_exchange(SessionId session, Tag tag, const engine::ExchangeSpec& exchange) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.declare_exchange(exchange));
}
void Broker::remove_exchange(SessionId session, Tag tag, std::string_view name, bool if_unused) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove_exchange(name, if_unused));
}
void Broker::bind(SessionId session, Tag tag, const engine::BindingSpec& binding) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.bind(session, binding));
}
void Broker::unbind(SessionId session, Tag tag, const engine::BindingSpec& binding) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.unbind(session, binding));
}
const engine::Topology& Broker::topology() const {
  return impl_->engine_.state().topology;
}
Result<const engine::QueueOptions*> Broker::check_queue(SessionId session,
                                                        std::string_view name) const {
  const auto acting = impl_->engine_.act_for(session);
  if (auto shown = impl_->engine_.shown_queue(name); !shown) return fail(shown.error());
  auto queue = impl_->engine_.usable_queue(session, name);
  if (!queue) return fail(queue.error());
  return &(*queue)->options;
}
Result<std::size_t> Broker::count_routes(SessionId session,
                                         const engine::RoutedPublish& publish) const {
  const auto acting = impl_->engine_.act_for(session);
  auto queues = impl_->engine_.route(publish);
  if (!queues) return fail(queues.error());
  return queues->size();
}
void Broker::barrier(SessionId session, Tag tag) {
  impl_->answer(session, tag, Done{});
}

void Broker::redrive(SessionId session, Tag tag, std::string_view queue, std::uint32_t max) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.redrive(now(), queue, max));
}

void Broker::queue(SessionId session, Tag tag, std::string_view name) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  auto queue = impl_->engine_.shown_queue(name);
  if (!queue) return impl_->answer(session, tag, std::move(queue.error()));
  OwnedQueues answer;
  answer.queues.push_back(impl_->engine_.statistics(now(), **queue));
  impl_->answer(session, tag, std::move(answer));
}
void Broker::queues(SessionId session, Tag tag) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  OwnedQueues answer;
  for (const auto& queue : impl_->engine_.state().queues)
    if (queue && impl_->engine_.sees(engine::split_name(queue->name).host))
      answer.queues.push_back(impl_->engine_.statistics(now(), *queue));
  impl_->answer(session, tag, std::move(answer));
}
void Broker::browse(SessionId session, Tag tag, std::string_view name, std::uint32_t limit) {
  impl_->ask(session, tag, AskedBrowse{std::string(name), limit});
}
void Broker::task(SessionId session, Tag tag, MessageId id, Time wait_until) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  if (auto allowed = impl_->engine_.may_see_task(id); !allowed)
    return impl_->answer(session, tag, std::move(allowed.error()));
  impl_->engine_.watch_task(now(), session, tag, id, wait_until);
}
void Broker::cancel_task(SessionId session, Tag tag, MessageId id) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.cancel_task(now(), id));
}

void Broker::submit(SessionId session, Tag tag, const engine::WorkflowInput& workflow) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->submit(session, tag, workflow);
}
void Broker::resume_workflow(SessionId session, Tag tag, MessageId id) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.resume_workflow(now(), id));
}
void Broker::workflows(SessionId session, Tag tag, MessageId after, std::uint32_t limit) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer(session, tag, impl_->workflows(after, limit));
}

void Broker::turn() {
  impl_->turn();
}
Time Broker::next_timer() const {
  if (impl_->more_timers_ || impl_->more_replies_ || !impl_->resumed_.empty()) return now();
  return std::min(impl_->engine_.next_timer(), impl_->blocked_.next());
}
journal::Batch* Broker::seal() {
  // Not left to maintain(): a busy drain of a full disk would outrun it.
  impl_->expect_checkpoint();
  impl_->keep_room();
  auto* batch = impl_->journal_->seal();
  if (batch != nullptr) impl_->in_flight_ = true;
  return batch;
}
void Broker::write(journal::Batch& batch) {
  impl_->journal_->write(batch);
}
void Broker::complete(journal::Batch& batch) {
  impl_->complete(batch);
}

void Broker::settle_down() {
  for (;;) {
    turn();
    const auto before = impl_->journal_->appended();
    while (auto* batch = seal()) {
      write(*batch);
      complete(*batch);
    }
    impl_->release();
    if (!impl_->more_timers_ && impl_->pending_.empty() && impl_->resumed_.empty() &&
        before == impl_->journal_->appended() && impl_->engine_.effects().empty() &&
        impl_->engine_.state().dirty.empty())
      return;
  }
}

Result<bool> Broker::prepare() {
  return impl_->journal_->prepare();
}
Time Broker::tend() {
  const auto next = impl_->journal_->tend();
  // That others made room on the disk is not told by anything.
  return impl_->journal_->short_of_space() ? std::min(next, now() + kLookForSpace) : next;
}
void Broker::maintain() {
  impl_->maintain();
}
void Broker::rest() {
  impl_->rest();
}

void Broker::close() {
  settle_down();
  impl_->write_checkpoint();
  impl_->journal_->close();
}

void Broker::watch(std::function<void(const Happening&)> watcher) {
  impl_->watchers_.push_back(std::move(watcher));
  impl_->engine_.set_watched(true);
}

void Broker::watch_disk(std::function<void(const journal::Finding&)> watcher) {
  impl_->disk_watchers_.push_back(std::move(watcher));
}

Broker::Statistics Broker::statistics() const {
  Statistics s = impl_->counters_;
  const auto& state = impl_->engine_.state();
  s.journal = impl_->journal_->statistics();
  s.messages = state.messages.size();
  s.results = state.results.size();
  s.damaged_reads += impl_->storage_->damaged_reads();
  s.sessions = impl_->sessions_.size();
  s.waiting_takes = impl_->engine_.waiting_takes();
  s.timers = state.wheel.size();
  s.index_bytes = impl_->engine_.memory_bytes();
  s.transient_bytes = impl_->storage_->kept_bytes();
  s.replies_waiting = impl_->pending_.size() + impl_->held_replies_;
  s.denied = impl_->engine_.denied();
  s.workers = impl_->engine_.workers().all().size();
  s.declined = impl_->engine_.declined();
  s.log_bytes = impl_->engine_.logs().bytes();
  return s;
}

void Broker::check() const {
  impl_->engine_.check_all();
  Bytes checkpoint;
  impl_->engine_.state().encode_checkpoint(checkpoint);
  CHECK(checkpoint.size() <= impl_->most_checkpoint_bytes());
}
const journal::OpenReport& Broker::open_report() const {
  return impl_->journal_->report();
}
Time Broker::now() const {
  return impl_->clock_.now();
}

}  // namespace penstock::broker
