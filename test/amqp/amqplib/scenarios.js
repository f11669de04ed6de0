// Node's client of AMQP 0-9-1, amqplib: what its users do with it. See conformance/scripts.py for
// what is said on standard output.
'use strict';

const assert = require('node:assert');
const readline = require('node:readline');
const amqp = require('amqplib');

const url = process.env.AMQP_URL;
const prefix = process.env.PREFIX;
const PATIENCE = 8000;

let names = 0;
const name = (suffix = 'q') => `${prefix}${suffix}${names++}`;

// What `promise` brings, or a failure that says what did not come.
function within(promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// Deliveries of one consumer, asked for one by one.
async function consume(channel, queue, options) {
  const waiting = [];
  const asking = [];
  const { consumerTag } = await channel.consume(queue, (message) => {
    const ask = asking.shift();
    if (ask) ask(message); else waiting.push(message);
  }, options);
  return {
    tag: consumerTag,
    waiting,
    next: () => within(waiting.length ? Promise.resolve(waiting.shift())
      : new Promise((resolve) => asking.push(resolve)), 'a delivery'),
  };
}

const event = (emitter, what) =>
  within(new Promise((resolve) => emitter.once(what, resolve)), `the event ${what}`);

const lines = readline.createInterface({ input: process.stdin });
async function restart() {
  const restarted = new Promise((resolve) => lines.once('line', resolve));
  console.log('restart');
  await restarted; // the runner has the time limit
}

async function withChannel(work, kind = 'createConfirmChannel') {
  const connection = await amqp.connect(url);
  connection.on('error', () => {});
  try {
    const channel = await connection[kind]();
    channel.on('error', () => {});
    await work(channel, connection);
  } finally {
    await connection.close().catch(() => {});
  }
}

const scenarios = {
  'declares, publishes with confirms, consumes and acknowledges': () =>
    withChannel(async (channel) => {
      const { queue } = await channel.assertQueue(name(), { exclusive: true });
      for (let i = 0; i < 200; i++)
        channel.sendToQueue(queue, Buffer.from(`${i}`),
          { persistent: true, headers: { number: i } });
      await within(channel.waitForConfirms(), 'the confirms');
      const inbox = await consume(channel, queue);
      for (let i = 0; i < 200; i++) {
        const message = await inbox.next();
        assert.strictEqual(message.content.toString(), `${i}`);
        assert.strictEqual(message.properties.headers.number, i);
        channel.ack(message);
      }
      assert.strictEqual((await channel.checkQueue(queue)).messageCount, 0);
    }),

  'prefetch holds deliveries back until there is an ack': () => withChannel(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (let i = 0; i < 6; i++) channel.sendToQueue(queue, Buffer.from(`${i}`));
    await within(channel.waitForConfirms(), 'the confirms');
    await channel.prefetch(2);
    const inbox = await consume(channel, queue);
    const first = await inbox.next();
    await inbox.next();
    assert.strictEqual((await channel.checkQueue(queue)).messageCount, 4);
    assert.strictEqual(inbox.waiting.length, 0);
    channel.ack(first);
    assert.strictEqual((await inbox.next()).content.toString(), '2');
  }),

  'nack gives back, marked as redelivered, or drops': () => withChannel(async (channel) => {
    const { queue } = await channel.assertQueue(name(), { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('x'));
    const inbox = await consume(channel, queue);
    const first = await inbox.next();
    assert.strictEqual(first.fields.redelivered, false);
    channel.nack(first);
    const second = await inbox.next();
    assert.strictEqual(second.fields.redelivered, true);
    channel.nack(second, false, false);
    assert.strictEqual((await channel.checkQueue(queue)).messageCount, 0);
    channel.ackAll();
  }),

  'a topic exchange routes by patterns': () => withChannel(async (channel) => {
    const exchange = name('x');
    await channel.assertExchange(exchange, 'topic', { autoDelete: true, durable: false });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, 'orders.*.new');
    await channel.bindQueue(queue, exchange, 'audit.#');
    for (const key of ['orders.7.new', 'orders.7.old', 'audit', 'audit.a.b'])
      channel.publish(exchange, key, Buffer.from(key));
    await within(channel.waitForConfirms(), 'the confirms');
    const inbox = await consume(channel, queue, { noAck: true });
    for (const key of ['orders.7.new', 'audit', 'audit.a.b'])
      assert.strictEqual((await inbox.next()).content.toString(), key);
  }),

  'what cannot be routed comes back': () => withChannel(async (channel) => {
    const back = event(channel, 'return');
    channel.publish('', name('none'), Buffer.from('x'), { mandatory: true });
    const message = await back;
    assert.strictEqual(message.fields.replyCode, 312);
    assert.strictEqual(message.content.toString(), 'x');
    await within(channel.waitForConfirms(), 'the confirm');
  }),

  'a refused publish rejects its promise': () => withChannel(async (channel) => {
    const { queue } = await channel.assertQueue(name(), {
      exclusive: true, maxLength: 1, overflow: 'reject-publish',
    });
    const outcomes = [];
    for (let i = 0; i < 10; i++)
      await within(new Promise((resolve) => channel.sendToQueue(queue, Buffer.from('x'), {},
        (error) => { outcomes.push(!error); resolve(); })), 'the confirm');
    assert.strictEqual(outcomes[0], true);
    assert.strictEqual(outcomes[9], false);
  }),

  'an error closes only the channel': () => withChannel(async (channel, connection) => {
    const gone = event(channel, 'error');
    await assert.rejects(channel.checkQueue(name('none')), /404/);
    assert.match((await gone).message, /NOT_FOUND/);
    const other = await connection.createChannel();
    await other.assertQueue('', { exclusive: true });
  }),

  'headers of every kind come out as they went in': () => withChannel(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const headers = {
      text: 'grüße', number: 7, negative: -7, large: 2 ** 40, float: 1.5, yes: true, no: false,
      none: null, list: [1, 'two', { three: 3 }], table: { a: { b: 'c' } },
      time: { '!': 'timestamp', value: 1700000000 }, bytes: Buffer.from([0, 255]),
    };
    channel.sendToQueue(queue, Buffer.alloc(300_000, 7), {
      headers, contentType: 'application/octet-stream', correlationId: 'c', replyTo: 'r',
      messageId: 'm', type: 't', appId: 'a', priority: 3, timestamp: 1700000000,
      expiration: '60000',
    });
    const message = await (await consume(channel, queue, { noAck: true })).next();
    assert.deepStrictEqual(message.properties.headers, headers);
    assert.deepStrictEqual(message.content, Buffer.alloc(300_000, 7));
    const { correlationId, replyTo, messageId, type, appId, priority, timestamp, expiration } =
      message.properties;
    assert.deepStrictEqual([correlationId, replyTo, messageId, type, appId, priority, timestamp,
      expiration], ['c', 'r', 'm', 't', 'a', 3, 1700000000, '60000']);
  }),

  'requests and replies go without a queue': () => withChannel(async (channel, connection) => {
    const server = await connection.createChannel();
    const { queue } = await server.assertQueue(name('rpc'), { exclusive: true });
    await server.consume(queue, (request) => {
      const { replyTo, correlationId } = request.properties;
      const answer = request.content.toString().toUpperCase();
      server.sendToQueue(replyTo, Buffer.from(answer), { correlationId });
      server.ack(request);
    });
    const replies = await consume(channel, 'amq.rabbitmq.reply-to', { noAck: true });
    channel.sendToQueue(queue, Buffer.from('question'),
      { replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
    const reply = await replies.next();
    assert.strictEqual(reply.content.toString(), 'QUESTION');
    assert.strictEqual(reply.properties.correlationId, '1');
  }, 'createChannel'),

  'a consumer is told of its deleted queue': () => withChannel(async (channel, connection) => {
    const queue = name();
    await channel.assertQueue(queue);
    const inbox = await consume(channel, queue);
    await (await connection.createChannel()).deleteQueue(queue);
    assert.strictEqual(await inbox.next(), null);
  }),

  'confirmed messages survive a killed server, and its end is an event': async () => {
    const queue = name();
    const connection = await amqp.connect(url);
    connection.on('error', () => {});
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    await channel.assertQueue(queue, { durable: true });
    for (let i = 0; i < 100; i++)
      channel.sendToQueue(queue, Buffer.from(`${i}`), { persistent: true });
    await within(channel.waitForConfirms(), 'the confirms');
    const closed = event(connection, 'close');
    await restart();
    await closed;
    await withChannel(async (fresh) => {
      const inbox = await consume(fresh, queue, { noAck: true });
      for (let i = 0; i < 100; i++)
        assert.strictEqual((await inbox.next()).content.toString(), `${i}`);
      await fresh.deleteQueue(queue);
    });
  },
};

async function main() {
  for (const [what, run] of Object.entries(scenarios)) {
    try {
      await run();
      console.log(`ok ${what}`);
    } catch (error) {
      console.log(`FAIL ${what}: ${String(error.message).replace(/\s+/g, ' ')}`);
      console.error(error);
    }
  }
  console.log('done');
  process.exit(0);
}

main();
