# Ruby's client of AMQP 0-9-1, Bunny: what its users do with it, its recovery above all. See
# conformance/scripts.py for what is said on standard output.
require 'bunny'

PATIENCE = 8
PREFIX = ENV.fetch('PREFIX')
SCENARIOS = []

def scenario(name, &block) = SCENARIOS << [name, block]

# A name that nobody else has.
def name(suffix = 'q') = "#{PREFIX}#{suffix}#{$names = ($names || 0) + 1}"

def check(got, expected, what)
  raise "#{what} is #{got.inspect}, expected #{expected.inspect}" unless got == expected
end

# The next thing that is put in; a failure when nothing comes. (Ruby 3.1's queue has no time limit.)
class Inbox
  def initialize
    @things, @mutex, @arrived = [], Mutex.new, ConditionVariable.new
  end

  def put(thing) = @mutex.synchronize { @things << thing and @arrived.signal }

  def next(what = 'a delivery', seconds = PATIENCE)
    limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    @mutex.synchronize do
      while @things.empty?
        left = limit - Process.clock_gettime(Process::CLOCK_MONOTONIC)
        raise "not within #{seconds} s: #{what}" unless left.positive?
        @arrived.wait(@mutex, left)
      end
      @things.shift
    end
  end

  def size = @mutex.synchronize { @things.size }
end

Delivery = Struct.new(:info, :properties, :body)

def consume(queue, **options)
  inbox = Inbox.new
  queue.subscribe(**options) { |*parts| inbox.put(Delivery.new(*parts)) }
  inbox
end

def connect(**options)
  connection = Bunny.new(ENV.fetch('AMQP_URL'), continuation_timeout: PATIENCE * 1000,
                         connection_timeout: PATIENCE, network_recovery_interval: 0.2,
                         recovery_attempts: 500, log_level: Logger::WARN,
                         logger: Logger.new($stderr), **options)
  connection.start
  yield connection
ensure
  connection&.close
end

def restart
  puts 'restart'
  raise 'the runner is gone' unless $stdin.gets&.strip == 'restarted'
end

scenario 'declares, publishes with confirms, consumes and acknowledges' do
  connect do |connection|
    channel = connection.create_channel
    channel.confirm_select
    queue = channel.queue(name, exclusive: true)
    100.times do |number|
      queue.publish(number.to_s, persistent: true, headers: { 'number' => number })
    end
    check(channel.wait_for_confirms, true, 'what wait_for_confirms says')
    inbox = consume(queue, manual_ack: true)
    100.times do |number|
      delivery = inbox.next
      check(delivery.body, number.to_s, 'the body')
      check(delivery.properties.headers['number'], number, 'the header')
      channel.ack(delivery.info.delivery_tag)
    end
    check(queue.message_count, 0, 'the messages')
  end
end

scenario 'prefetch holds deliveries back until there is an ack' do
  connect do |connection|
    channel = connection.create_channel
    channel.confirm_select
    channel.prefetch(2)
    queue = channel.queue('', exclusive: true)
    5.times { |number| queue.publish(number.to_s) }
    channel.wait_for_confirms
    inbox = consume(queue, manual_ack: true)
    first = inbox.next
    inbox.next
    check([queue.message_count, inbox.size], [3, 0], 'waiting and delivered')
    channel.ack(first.info.delivery_tag)
    check(inbox.next.body, '2', 'the body')
  end
end

scenario 'nack and reject give back or drop' do
  connect do |connection|
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    inbox = consume(queue, manual_ack: true)
    queue.publish('x')
    channel.nack(inbox.next.info.delivery_tag, false, true)
    second = inbox.next
    check(second.info.redelivered?, true, 'redelivered')
    channel.reject(second.info.delivery_tag, true)
    channel.reject(inbox.next.info.delivery_tag, false)
    check(queue.message_count, 0, 'the messages')
  end
end

scenario 'topic, headers and bindings between exchanges route' do
  connect do |connection|
    channel = connection.create_channel
    topic = channel.topic(name('topic'), auto_delete: true)
    headers = channel.headers(name('headers'), auto_delete: true)
    headers.bind(topic, routing_key: 'by.header.#')
    one, two = channel.queue('', exclusive: true), channel.queue('', exclusive: true)
    one.bind(topic, routing_key: '*.one')
    two.bind(headers, arguments: { 'x-match' => 'any', 'colour' => 'blue', 'size' => 7 })
    topic.publish('1', routing_key: 'a.one')
    topic.publish('2', routing_key: 'by.header.x', headers: { 'colour' => 'blue' })
    topic.publish('3', routing_key: 'by.header.x', headers: { 'colour' => 'red' })
    check([consume(one).next.body, consume(two).next.body], %w[1 2], 'what was routed')
    check([one.message_count, two.message_count], [0, 0], 'what is left')
  end
end

scenario 'what cannot be routed comes back' do
  connect do |connection|
    channel = connection.create_channel
    back = Inbox.new
    exchange = channel.direct('amq.direct')
    exchange.on_return { |info, _, body| back.put([info.reply_code, body]) }
    exchange.publish('x', routing_key: name('none'), mandatory: true)
    check(back.next, [312, 'x'], 'what came back')
  end
end

scenario 'a refused publish is among the nacked' do
  connect do |connection|
    channel = connection.create_channel
    channel.confirm_select
    queue = channel.queue('', exclusive: true, arguments: {
                            'x-max-length' => 1, 'x-overflow' => 'reject-publish' })
    10.times { queue.publish('x') and channel.wait_for_confirms }
    check(channel.nacked_set.empty?, false, 'whether nothing was nacked')
  end
end

scenario 'errors are exceptions of their own kind' do
  connect do |connection|
    opened = -> { connection.create_channel }
    { Bunny::NotFound => -> { opened.call.queue_declare(name('none'), passive: true) },
      Bunny::AccessRefused => -> { opened.call.queue('amq.not-yours') },
      Bunny::PreconditionFailed => lambda {
        channel = opened.call
        channel.queue_declare(queue = name, exclusive: true)
        channel.queue_declare(queue, exclusive: true, arguments: { 'x-max-length' => 1 })
      } }.each do |kind, work|
      work.call
      raise "#{kind} was not raised"
    rescue kind
      nil
    end
  end
end

scenario 'a consumer is told that its queue was deleted' do
  connect do |connection|
    channel = connection.create_channel
    queue = channel.queue(name)
    told = Inbox.new
    queue.subscribe(on_cancellation: ->(*) { told.put(true) }) { nil }
    connection.create_channel.queue_delete(queue.name)
    told.next('the cancellation')
  end
end

scenario 'get brings a message, or nothing' do
  connect do |connection|
    channel = connection.create_channel
    channel.confirm_select
    queue = channel.queue('', exclusive: true)
    check(queue.pop, [nil, nil, nil], 'what an empty queue gives')
    queue.publish('x', message_id: 'm')
    channel.wait_for_confirms
    info, properties, body = queue.pop(manual_ack: true)
    check([properties.message_id, body], %w[m x], 'the message')
    channel.ack(info.delivery_tag)
  end
end

scenario 'transactions commit and roll back' do
  connect do |connection|
    channel = connection.create_channel
    channel.tx_select
    queue = channel.queue('', exclusive: true)
    queue.publish('never')
    channel.tx_rollback
    queue.publish('kept')
    channel.tx_commit
    check(consume(queue).next.body, 'kept', 'the body')
  end
end

scenario 'topology and consumers come back by themselves after the server was killed' do
  recovered = Inbox.new
  connect(recovery_completed: -> { recovered.put(true) }) do |connection|
    channel = connection.create_channel
    channel.confirm_select
    channel.prefetch(10)
    durable = channel.queue(name('durable'), durable: true)
    exchange = channel.topic(name('topic'), durable: true)
    temporary = channel.queue('', exclusive: true)
    temporary.bind(exchange, routing_key: 'a.#')
    inbox = consume(temporary)
    50.times { |number| durable.publish(number.to_s, persistent: true) }
    check(channel.wait_for_confirms, true, 'what wait_for_confirms says')
    restart
    recovered.next('the recovery', 30)
    exchange.publish('after', routing_key: 'a.b')
    check(inbox.next.body, 'after', 'what the consumer got after the recovery')
    kept = consume(durable)
    check(Array.new(50) { kept.next.body }, Array.new(50, &:to_s), 'what was confirmed before')
    durable.delete
    exchange.delete
  end
end

$stdout.sync = true
SCENARIOS.each do |what, block|
  block.call
  puts "ok #{what}"
rescue StandardError, Timeout::Error => e
  puts "FAIL #{what}: #{e.class} #{e.message.gsub(/\s+/, ' ')}"
  warn e.full_message(highlight: false)
end
puts 'done'
