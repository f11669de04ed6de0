# Sidekiq's side of the task benchmark: the jobs, which `sidekiq -r` loads, and a client that plays one
# round: REDIS_URL=redis://... ruby sidekiq_tasks.rb SECONDS, one line of JSON for each stage.
require "json"
require "sidekiq"

BATCH = 1000
Sidekiq.logger.level = Logger::WARN
Redis.sadd_returns_boolean = false # or this pair of versions warns of each job

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

class Nothing
  include Sidekiq::Worker
  def perform(_number)
  end
end

# Sidekiq has no results: it says through Redis when it ran.
class ClockJob
  include Sidekiq::Worker
  def perform(to)
    Sidekiq.redis { |redis| redis.lpush(to, now.to_s) }
  end
end

# Notes how late it is in its process, which tells when it is asked to.
class Due
  include Sidekiq::Worker
  def perform(at)
    late = Process.clock_gettime(Process::CLOCK_REALTIME) - at
    File.open("late-#{Process.pid}", "a") { |file| file.puts(late) }
  end
end

# Of tasks that are all due once the last of them has been enqueued.
def lateness(count)
  at = Time.now.to_f + 2 + count / 20_000.0
  Dir.glob("late-*").each { |file| File.delete(file) }
  (0...count).step(BATCH) do |from|
    arguments = Array.new([BATCH, count - from].min) { [at] }
    Sidekiq::Client.push_bulk("class" => Due, "args" => arguments, "at" => at)
  end
  late = []
  while late.size < count
    sleep 0.2 # between two looks at files: nobody tells
    late = Dir.glob("late-*").flat_map { |file| File.readlines(file) }.map(&:to_f)
  end
  say(late_p50: percentile(late, 0.5) / 1e3, late_p99: percentile(late, 0.99) / 1e3)
end

def enqueue_for(seconds, batch)
  count = 0
  start = now
  while now - start < seconds
    yield
    count += batch
  end
  [count, now - start]
end

def percentile(values, share)
  values.sort[[values.size - 1, (share * values.size).to_i].min] * 1e6
end

def say(figures)
  puts JSON.generate(figures)
  $stdout.flush
end

def wait_for(list)
  Sidekiq.redis { |redis| redis.brpop(list, timeout: 120) }[1].to_f
end

def play(seconds)
  ClockJob.perform_async("first")
  one, one_seconds = enqueue_for(seconds, 1) { Nothing.perform_async(1) }
  arguments = Array.new(BATCH) { [1] }
  many, many_seconds = enqueue_for(seconds, BATCH) do
    Sidekiq::Client.push_bulk("class" => Nothing, "args" => arguments)
  end
  ClockJob.perform_async("last")
  say(one: one / one_seconds, many: many / many_seconds)

  started = wait_for("first")
  say(first_run: started, drain: (one + many) / (wait_for("last") - started))
  return if ENV["ONLY_DRAIN"]

  runs = []
  finish = now + seconds
  while now < finish
    asked = now
    ClockJob.perform_async("ran")
    runs << wait_for("ran") - asked
  end
  say(run_p50: percentile(runs, 0.5), run_p99: percentile(runs, 0.99))
  lateness(Integer(ENV["DUE_AT_ONCE"]))
end

play(ARGV[0].to_f) if $PROGRAM_NAME == __FILE__
