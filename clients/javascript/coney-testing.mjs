/**
 * Tests that control a Coney broker: worlds, their clocks, faults, exact waiting. One ES module without dependencies, for Node 18 or later.
 *
 *     import { withWorld } from './coney-testing.mjs';
 *
 *     test('an order is tried again after a minute', () => withWorld(async (world) => {
 *       await startMyProgram(world.uri);                      // any AMQP client
 *       await world.wait({ queue: 'orders', delayed: 1 });    // exact, or an error that says what is in the way
 *       await world.clock.advance({ minutes: 1 });            // in a millisecond
 *       await world.idle();
 *     }));
 *
 * The broker of `withWorld` is the one at CONEY_URL, or one that is started: CONEY_BINARY, or `coney` on the PATH. One that is attached to has to
 * run with `--test`. docs/testing.md is the guide.
 */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';

// Node 18 and 20 may lack them; what is compiled from `await using` looks for these symbols.
/** @type {typeof Symbol.asyncDispose} */
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
if (!Symbol.asyncDispose) Object.defineProperty(Symbol, 'asyncDispose', { value: asyncDispose });

const REQUEST_MS = 30_000;
/** Moving a clock over a million timers takes its time. */
const MOVE_MS = 300_000;
const JOURNAL_TAIL = 50;
const PAGE = 1000;

/** @typedef {{ days?: number, hours?: number, minutes?: number, seconds?: number, ms?: number }} Span A span of time: the sum of its parts. */
/** @typedef {number | string} Condition A number that has to be met: `3`, `'>=3'` or `'<=3'`. */
/**
 * @typedef {'ready' | 'unacked' | 'delayed' | 'parked' | 'messages' | 'consumers' | 'dead' | 'published' | 'confirmed' | 'returned'
 *   | 'delivered' | 'acked' | 'redelivered'} Countable What is counted.
 */
/** @typedef {Record<Countable, number>} Counts Exact numbers of a queue or a world. */
/**
 * @typedef {{ idle?: boolean, quietMs?: number, withinMs?: number } & Partial<Record<Countable, Condition>>} Wanted What is waited for. `idle`:
 *   nothing is ready, unacked or on its way between queues. `quietMs`: it stays so for that long with nothing happening. `withinMs`: 5000 of
 *   real time, at most 300,000.
 */
/**
 * @typedef {object} WorldOptions What a world is made with.
 * @property {string} [name] Of its virtual host; one that nothing else has if it is not said.
 * @property {'virtual' | 'real'} [clock] `virtual` (the default) stands still until it is moved.
 * @property {Date} [start] What a virtual clock shows at first.
 * @property {string} [persona] The broker that it stands in for, such as `rabbitmq-4.3`.
 * @property {string} [snapshot] It begins with what this has: see `World.snapshot`.
 * @property {number} [ttlS] It goes by itself if nobody uses it for so many seconds (60; 0: never).
 * @property {boolean} [journal] `false` keeps failures alone in its journal.
 */
/** @typedef {{ at: Date, queue: string, what: string, messages: number }} Step What happened by itself while a clock was moved. */
/** @typedef {{ now: Date, steps: Step[] }} Moved What a clock shows after it was moved, and what happened on the way. */
/**
 * @typedef {object} Message A message as it is in a queue.
 * @property {number} id Its position, which is its name in the queue.
 * @property {string} state `ready`, `unacked`, `delayed` or `parked`.
 * @property {Buffer} body Its content.
 * @property {string} text The same as UTF-8.
 * @property {string} exchange Where it was published to.
 * @property {string} routingKey With which key.
 * @property {Record<string, any>} properties As RabbitMQ's HTTP API shows them.
 * @property {Record<string, any>} headers Those of the properties.
 * @property {boolean} redelivered Whether it was delivered before.
 * @property {Date | null} due When it is ready again.
 * @property {Record<string, any> | null} holder Who has it: connection_name, channel, consumer_tag, since.
 * @property {Record<string, any> | null} attempts How often it was tried: deliveries, counted, last_error, ...
 */
/** @typedef {{ at: number, what: string, sentence: string } & Record<string, any>} HistoryStep A step of a message's way. */
/** @typedef {{ number: number, at: number, what: string, sentence: string } & Record<string, any>} JournalEvent As in docs/journal.md. */
/** @typedef {{ rule: string, where: string, outcome: string, fix: string, count: number } & Record<string, any>} Finding Of the linter. */
/** @typedef {{ queue: string | null, position: number | null, state: string, now: string, steps: HistoryStep[] }} MessageHistory A message's way. */

/** Something that the broker, or this library, could not do. */
export class ConeyError extends Error {
  name = 'ConeyError';
}

/** The broker did not start; the text has the end of its log. */
export class StartError extends ConeyError {
  name = 'StartError';
}

/** The broker refused a request. */
export class RequestError extends ConeyError {
  name = 'RequestError';

  /**
   * @param {number} status
   * @param {string} reason
   * @param {string} request
   */
  constructor(status, reason, request) {
    super(`${request}: ${status}: ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** What was waited for did not come. The text says what is in the way: who has which messages, and for how long. */
export class WaitTimeout extends ConeyError {
  name = 'WaitTimeout';

  /**
   * @param {string} wanted
   * @param {string[]} why What is in the way, a line each.
   * @param {any} counts As they were when the time was over.
   */
  constructor(wanted, why, counts) {
    super([`waited for ${wanted}, but:`, ...why].join('\n'));
    this.why = why;
    this.counts = counts;
  }
}

/** A broker that was started with `--test`. Use `start` or `attach`. */
export class Coney {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  #url;
  #authorization;
  #amqp;
  #user;

  /**
   * @param {string} url
   * @param {{ amqp?: string, child?: import('node:child_process').ChildProcess }} [options]
   */
  constructor(url, { amqp, child } = {}) {
    const parts = parsed(url);
    const [user, password] = [decodeURIComponent(parts.username || 'guest'), decodeURIComponent(parts.password || 'guest')];
    this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.#user = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
    parts.username = parts.password = '';
    this.#url = parts;
    this.#amqp = amqp;
    this.#child = child;
  }

  /**
   * Starts a broker in memory on free ports of this machine. It ends with `close`, or with this program, which it does not keep alive.
   *
   * `binary` is by default what CONEY_BINARY says, or `coney` on the PATH. `args` are more flags of `coney`; with `--data-dir` it is on disk.
   *
   * @param {{ binary?: string, args?: string[], withinMs?: number }} [options]
   * @returns {Promise<Coney>}
   */
  static async start({ binary = process.env.CONEY_BINARY || 'coney', args = [], withinMs = 30_000 } = {}) {
    const { child, amqp, http } = await started(binary, args, withinMs);
    return new Coney(`http://guest:guest@${http}`, { amqp: `amqp://${amqp}`, child });
  }

  /**
   * Uses a broker that runs. `url` is where its management API is, with a user who is an administrator.
   *
   * `amqp` is where clients find it, such as `amqp://guest:guest@localhost:5673`, if that is not the host of `url` with the broker's own port: with
   * ports of a container that are mapped to others.
   *
   * @param {string} [url]
   * @param {{ amqp?: string }} [options]
   * @returns {Promise<Coney>}
   */
  static async attach(url = 'http://guest:guest@localhost:15672', { amqp } = {}) {
    const coney = new Coney(url, { amqp });
    await coney.worlds();
    return coney;
  }

  /** Where its management API is, without user and password. */
  get url() {
    return this.#url.href;
  }

  /**
   * Makes a world: a virtual host of its own. `await using` deletes it at the end of a block, as `delete` does.
   *
   * @param {WorldOptions} [options]
   * @returns {Promise<World>}
   */
  async world({ name = `test-${randomUUID().slice(0, 13)}`, clock = 'virtual', start, persona, snapshot, ttlS, journal = true } = {}) {
    const body = {
      clock, persona, snapshot, start: start?.toISOString(), ttl_s: ttlS?.toString(), journal: journal ? undefined : 'false',
    };
    const made = await this.request('PUT', `worlds/${encodeURIComponent(name)}`, { body });
    return new World(this, name, this.#uri(made.uri));
  }

  /**
   * All worlds that the broker has, as it shows them.
   *
   * @returns {Promise<Record<string, any>[]>}
   */
  async worlds() {
    try {
      return await this.request('GET', 'worlds');
    } catch (error) {
      if (!(error instanceof RequestError && error.status === 404)) throw error;
      throw new ConeyError('this broker is no Coney that was started with --test (CONEY_TEST=1)', { cause: error });
    }
  }

  /** Stops the broker if it was started here. */
  async close() {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(killer);
  }

  async [asyncDispose]() {
    await this.close();
  }

  /**
   * A request to `/api/coney/PATH`, for what there is no function for.
   *
   * @param {string} method
   * @param {string} path
   * @param {{ query?: [string, string][], body?: unknown, timeoutMs?: number }} [options]
   * @returns {Promise<any>}
   */
  async request(method, path, { query = [], body, timeoutMs = REQUEST_MS } = {}) {
    const url = new URL(`/api/coney/${path}`, this.#url);
    url.search = new URLSearchParams(query).toString();
    const { status, answer } = await this.#ask(method, url, body, timeoutMs);
    if (status < 300) return answer;
    if (status === 408 && answer?.why) {
      throw new WaitTimeout(query.map(([key, value]) => `${key}=${value}`).join(', '), answer.why, answer.counts);
    }
    throw new RequestError(status, answer?.reason ?? answer?.error ?? String(answer), `${method} ${path}`);
  }

  /**
   * @param {string} method
   * @param {URL} url
   * @param {unknown} body
   * @param {number} timeoutMs
   */
  async #ask(method, url, body, timeoutMs) {
    const headers = { authorization: this.#authorization, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(timeoutMs);
    let response, text;
    try {
      response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
      text = await response.text();
    } catch (error) {
      const cause = /** @type {{ cause?: { message?: string } }} */ (error).cause?.message || String(error);
      throw new ConeyError(`${method} ${url.href}: ${cause}`, { cause: error });
    }
    try {
      return { status: response.status, answer: text ? JSON.parse(text) : null };
    } catch {
      return { status: response.status, answer: text };
    }
  }

  /**
   * Where a client of ours finds a world; the broker shows where it listens, which may be another address.
   *
   * @param {string} shown
   */
  #uri(shown) {
    const [, port, path] = shown.match(/:(\d+)(\/.*)$/) ?? [];
    if (!this.#amqp) return `amqp://${this.#user}@${this.#url.hostname}:${port}${path}`;
    const [scheme, place] = this.#amqp.split('://');
    const at = place.split('/')[0];
    return `${scheme}://${at.includes('@') ? at : `${this.#user}@${at}`}${path}`;
  }
}

/** A virtual host that a test controls. `Coney.world` makes one. */
export class World {
  #coney;
  #path;

  /**
   * @param {Coney} coney
   * @param {string} name
   * @param {string} uri
   */
  constructor(coney, name, uri) {
    this.#coney = coney;
    this.#path = encodeURIComponent(name);
    /** The virtual host. */
    this.name = name;
    /** Where AMQP clients find it. */
    this.uri = uri;
    /** Its clock. */
    this.clock = new Clock(this);
  }

  /**
   * Begins a rule for a fault: `await world.on('confirm').queue('orders').skip(3).reset()`. It hits the first event if nothing else is said.
   *
   * Events are `connect`, `open`, `publish`, `confirm`, `deliver`, `ack`, a method such as `queue.declare` or `declare`, and `time`, with
   * `everyMs` of the world's clock.
   *
   * @param {string} event
   * @param {{ everyMs?: number }} [options]
   */
  on(event, { everyMs } = {}) {
    return new FaultBuilder(this, { on: event, every_ms: everyMs });
  }

  /** Begins a rule for what is so until it is removed: `block`, `pause`, `slow`, `silence`. */
  always() {
    return new FaultBuilder(this, {});
  }

  /**
   * All rules of the world, in the order in which they were made.
   *
   * @returns {Promise<Fault[]>}
   */
  async faults() {
    /** @type {any[]} */
    const shown = await this.request('GET', '/faults');
    return shown.map((rule) => new Fault(this, rule));
  }

  /** Removes all rules. */
  async clearFaults() {
    await this.request('DELETE', '/faults');
  }

  /**
   * Keeps queues, exchanges, bindings and all messages, as they are now, under this name for `coney.world({ snapshot: name })`.
   *
   * @param {string} name
   */
  async snapshot(name) {
    await this.request('POST', `/snapshots/${encodeURIComponent(name)}`);
  }

  /** What a SIGKILL and a start of the broker would do, to this world alone. */
  async restart() {
    await this.request('POST', '/restart');
  }

  /**
   * Waits until counts are as asked, and returns them: `world.wait({ queue: 'orders', ready: 0, acked: '>=3' })`. Of a queue, of each of several, or
   * of the whole world.
   *
   * @overload
   * @param {Wanted & { queue?: string }} wanted
   * @returns {Promise<Counts>}
   * @throws {WaitTimeout}
   */
  /**
   * @overload
   * @param {Wanted & { queue: string[] }} wanted
   * @returns {Promise<Record<string, Counts>>}
   * @throws {WaitTimeout}
   */
  /**
   * @param {Wanted & { queue?: string | string[] }} wanted
   * @returns {Promise<any>}
   */
  async wait({ queue, idle, quietMs, withinMs = 5000, ...counts }) {
    const query = [queue ?? []].flat().map((name) => /** @type {[string, string]} */ (['queue', name]));
    for (const [name, value] of Object.entries(counts)) if (value !== undefined) query.push([name, String(value)]);
    if (idle) query.push(['idle', '1']);
    if (quietMs) query.push(['quiet_ms', String(quietMs)]);
    query.push(['within_ms', String(withinMs)]);
    const found = await this.request('GET', '/wait', { query, timeoutMs: REQUEST_MS + withinMs });
    return typeof queue === 'string' ? found[queue] : found;
  }

  /**
   * Waits until nothing is ready, unacked or on its way between queues.
   *
   * @param {{ queue?: string, quietMs?: number, withinMs?: number }} [options]
   * @returns {Promise<Counts>}
   * @throws {WaitTimeout}
   */
  async idle(options = {}) {
    return this.wait({ ...options, idle: true });
  }

  /**
   * Exact numbers of a queue, or of the whole world, as they are now.
   *
   * @param {string} [queue]
   * @returns {Promise<Counts>}
   */
  async counts(queue) {
    const found = await this.request('GET', '/counts', { query: queue === undefined ? [] : [['queue', queue]] });
    return queue === undefined ? found : found[queue];
  }

  /**
   * Messages of a queue that are in a state, as they are. Looking changes nothing.
   *
   * @param {string} queue
   * @param {'ready' | 'unacked' | 'delayed' | 'parked'} [state]
   * @param {number} [limit]
   * @returns {Promise<Message[]>}
   */
  async messages(queue, state = 'ready', limit = 100) {
    const path = `queues/${this.#path}/${encodeURIComponent(queue)}/messages`;
    const shown = await this.#coney.request('GET', path, { query: [['state', state], ['limit', String(limit)], ['read', 'true']] });
    return shown.map(message);
  }

  /**
   * What happened, oldest first. `wanted` narrows it: `what`, `queue`, `message_id`, `consumer`, `contains`, ... Each event is as in docs/journal.md;
   * `sentence` is for people, `number` is for `after`.
   *
   * @param {{ after?: number } & Record<string, string | number>} [wanted]
   * @returns {Promise<JournalEvent[]>}
   */
  async journal({ after = 0, ...wanted } = {}) {
    const events = [];
    for (let cursor = String(after); ;) {
      const filter = Object.entries(wanted).map(([key, value]) => /** @type {[string, string]} */ ([key, String(value)]));
      const page = await this.#coney.request('GET', `journal/${this.#path}`, {
        query: [['after', cursor], ['limit', String(PAGE)], ...filter],
      });
      events.push(...page.events);
      if (page.events.length < PAGE) return events;
      cursor = page.cursor;
    }
  }

  /**
   * The last things that happened, a line each.
   *
   * @param {number} [lines]
   * @returns {Promise<string>}
   */
  async journalTail(lines = JOURNAL_TAIL) {
    const page = await this.#coney.request('GET', `journal/${this.#path}`, { query: [['newest', 'true'], ['limit', String(lines)]] });
    return page.events.map(eventLine).join('\n');
  }

  /**
   * The way of messages, with their copies in other queues: by the message's id, its place, or what its body contains.
   *
   * @param {{ message_id?: string, queue?: string, position?: number, contains?: string }} which
   * @returns {Promise<MessageHistory[]>}
   */
  async history(which) {
    const query = Object.entries(which).map(([key, value]) => /** @type {[string, string]} */ ([key, String(value)]));
    return (await this.#coney.request('GET', `history/${this.#path}`, { query })).messages;
  }

  /**
   * What clients did here that another broker (`rabbitmq-4.3`) refuses or does otherwise, with what to do instead. Empty: portable.
   *
   * @param {string} [target]
   * @returns {Promise<Finding[]>}
   */
  async lint(target) {
    return this.request('GET', '/lint', { query: target === undefined ? [] : [['target', target]] });
  }

  /** Deletes the world with all that is in it; its connections are closed. Nothing happens if it is gone. */
  async delete() {
    await ignoring404(() => this.request('DELETE', ''));
  }

  async [asyncDispose]() {
    await this.delete();
  }

  /**
   * A request to `/api/coney/worlds/NAME` and PATH, for what there is no function for.
   *
   * @param {string} method
   * @param {string} path
   * @param {{ query?: [string, string][], body?: unknown, timeoutMs?: number }} [options]
   * @returns {Promise<any>}
   */
  async request(method, path, options) {
    return this.#coney.request(method, `worlds/${this.#path}${path}`, options);
  }
}

/**
 * The clock of a world. A virtual one stands still until it is moved, and goes forward alone.
 *
 * It goes from timer to timer, and each move returns when the broker has done all that follows. What consumers then do takes real time: wait for that.
 * Heartbeats and the timers of client libraries do not follow it.
 */
export class Clock {
  #world;

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
  }

  /**
   * What it shows.
   *
   * @returns {Promise<Date>}
   */
  async now() {
    return new Date((await this.#world.request('GET', '/clock')).now);
  }

  /**
   * When something happens next by itself, and in which queue.
   *
   * @returns {Promise<{ at: Date, queue: string } | null>}
   */
  async next() {
    const { next } = await this.#world.request('GET', '/clock');
    return next && { at: new Date(next.at), queue: next.queue };
  }

  /**
   * Moves it by that much: `world.clock.advance({ minutes: 5 })`.
   *
   * @param {Span} span
   * @param {{ maxSteps?: number }} [options]
   */
  advance(span, { maxSteps } = {}) {
    return this.#move({ advance_ms: ms(span), max_steps: maxSteps });
  }

  /**
   * Moves it to that time.
   *
   * @param {Date} then
   * @param {{ maxSteps?: number }} [options]
   */
  to(then, { maxSteps } = {}) {
    return this.#move({ to: then.toISOString(), max_steps: maxSteps });
  }

  /** Moves it to when something happens next by itself. */
  toNext() {
    return this.#move({ to_next: true });
  }

  /**
   * Moves it until nothing is to come by itself.
   *
   * @param {{ maxSteps?: number }} [options]
   */
  untilIdle({ maxSteps } = {}) {
    return this.#move({ until_idle: true, max_steps: maxSteps });
  }

  /**
   * @param {object} body
   * @returns {Promise<Moved>}
   */
  async #move(body) {
    const { now, steps } = await this.#world.request('POST', '/clock', { body, timeoutMs: MOVE_MS });
    return { now: new Date(now), steps: steps.map((/** @type {any} */ step) => ({ ...step, at: new Date(step.at) })) };
  }
}

/** A rule that is being made. An action (`reset`, `drop`, ...) ends it, and puts it in force. */
export class FaultBuilder {
  #world;
  /** @type {Record<string, any>} */
  #rule;

  /**
   * @param {World} world
   * @param {Record<string, any>} rule
   */
  constructor(world, rule) {
    this.#world = world;
    this.#rule = rule;
  }

  /** Only for queues like this: `*` is any run of characters, `?` any one. @param {string} pattern */
  queue(pattern) { return this.match('queue', pattern); }

  /** Only for exchanges like this. @param {string} pattern */
  exchange(pattern) { return this.match('exchange', pattern); }

  /** Only for routing keys like this. @param {string} pattern */
  routingKey(pattern) { return this.match('routing_key', pattern); }

  /** Only for connections that their clients named like this, or with such an address. @param {string} pattern */
  connection(pattern) { return this.match('connection', pattern); }

  /** Only for consumers with a tag like this. @param {string} pattern */
  consumerTag(pattern) { return this.match('consumer_tag', pattern); }

  /** Only for messages with an id like this. @param {string} pattern */
  messageId(pattern) { return this.match('message_id', pattern); }

  /**
   * Only for messages with such a header.
   *
   * @param {string} name
   * @param {string} pattern
   */
  header(name, pattern) { return this.match(`header.${name}`, pattern); }

  /**
   * Only for what is like this there. Other fields are `user`, `channel`, `app_id`.
   *
   * @param {string} field
   * @param {string} pattern
   */
  match(field, pattern) { return this.#with({ match: { ...this.#rule.match, [field]: pattern } }); }

  /** Lets so many pass first. @param {number} events */
  skip(events) { return this.#with({ skip: events }); }

  /** Hits so many; 0: all, until it is removed. @param {number} events */
  times(events) { return this.#with({ times: events }); }

  /**
   * Hits one in so many, by chance that begins with this seed.
   *
   * @param {number} events
   * @param {number} [seed]
   */
  oneIn(events, seed = 0) { return this.#with({ one_in: events, seed }); }

  /** Lets it not happen, and tells nobody. */
  drop() { return this.act('drop'); }

  /** Resets the connection's socket. */
  reset() { return this.act('reset'); }

  /**
   * Closes the connection.
   *
   * @param {number} [code]
   * @param {string} [text]
   */
  close(code = 320, text = 'CONNECTION_FORCED - by a fault rule') { return this.act('close', { code, text }); }

  /** Closes all connections of the world. */
  closeAll() { return this.act('close-all'); }

  /**
   * The error with this code: of a channel or a connection, as the code says.
   *
   * @param {number} code
   * @param {string} [text]
   */
  refuse(code, text = 'refused by a fault rule') { return this.act('refuse', { code, text }); }

  /** Keeps the socket open, and reads and writes nothing: the half-dead peer. */
  silence() { return this.act('silence'); }

  /** Lets it happen later. @param {Span} span */
  delay(span) { return this.act('delay', { delay_ms: ms(span) }); }

  /** Tells the publisher that its message was refused. */
  nack() { return this.act('nack'); }

  /** Gives a publish back as unroutable. */
  return() { return this.act('return'); }

  /** Lets it happen twice. */
  duplicate() { return this.act('duplicate'); }

  /** Changes the first byte of a delivery's body. */
  corrupt() { return this.act('corrupt'); }

  /** Delivers it after the next `count - 1` of its consumer. @param {number} [count] */
  reorder(count = 2) { return this.act('reorder', { count }); }

  /** Delivers an acked message again, as a crash right after the ack would. */
  redeliver() { return this.act('redeliver'); }

  /** Blocks publishers, for this reason. @param {string} [reason] */
  block(reason = 'blocked by a fault rule') { return this.act('block', { reason }); }

  /** Lets queues deliver nothing. */
  pause() { return this.act('pause'); }

  /** Reads and writes no more than so many bytes a second. @param {number} bytesPerS */
  slow(bytesPerS) { return this.act('slow', { bytes_per_s: bytesPerS }); }

  /** Restarts the world, as `World.restart`. */
  restart() { return this.act('restart'); }

  /**
   * Puts the rule in force with this action, by the name that the HTTP API has for it.
   *
   * @param {string} action
   * @param {Record<string, unknown>} [more]
   * @returns {Promise<Fault>}
   */
  async act(action, more = {}) {
    return new Fault(this.#world, await this.#world.request('POST', '/faults', { body: { ...this.#rule, do: action, ...more } }));
  }

  /** @param {Record<string, unknown>} more */
  #with(more) {
    return new FaultBuilder(this.#world, { ...this.#rule, ...more });
  }
}

/** A rule that is in force, until it is removed, `await using` ends, or the world goes. */
export class Fault {
  #world;

  /**
   * @param {World} world
   * @param {{ id: string, text?: string }} shown
   */
  constructor(world, shown) {
    this.#world = world;
    this.id = shown.id;
    /** What it is, in a few words. */
    this.text = shown.text ?? shown.id;
  }

  /**
   * How many events it has hit.
   *
   * @returns {Promise<number>}
   */
  async fired() {
    return (await this.#shown()).fired;
  }

  /**
   * How many events it has looked at that are like it says.
   *
   * @returns {Promise<number>}
   */
  async seen() {
    return (await this.#shown()).seen;
  }

  /**
   * Waits until it has hit so many events.
   *
   * @param {{ times?: number, withinMs?: number }} [options]
   * @throws {WaitTimeout}
   */
  async waitFired({ times = 1, withinMs = 5000 } = {}) {
    /** @type {[string, string][]} */
    const query = [['fired', String(times)], ['within_ms', String(withinMs)]];
    const { fired, seen } = await this.#shown({ query, timeoutMs: REQUEST_MS + withinMs });
    if (fired < times) {
      const why = `rule ${this.id} (${this.text}) fired ${fired} times; it saw ${seen} events`;
      throw new WaitTimeout(`fired>=${times}`, [why], {});
    }
  }

  /** Removes it. Nothing happens if it is gone. */
  async remove() {
    await ignoring404(() => this.#world.request('DELETE', `/faults/${this.id}`));
  }

  async [asyncDispose]() {
    await this.remove();
  }

  /** @param {{ query?: [string, string][], timeoutMs?: number }} [options] */
  #shown(options) {
    return this.#world.request('GET', `/faults/${this.id}`, options);
  }
}

/** @type {Promise<Coney> | undefined} */
let shared;

/**
 * The broker that `withWorld` uses: that at CONEY_URL (and CONEY_AMQP_URL), or one that is started, once.
 *
 * @returns {Promise<Coney>}
 */
export function sharedConey() {
  const { CONEY_URL, CONEY_AMQP_URL } = process.env;
  shared ??= CONEY_URL ? Coney.attach(CONEY_URL, { amqp: CONEY_AMQP_URL }) : Coney.start();
  return shared;
}

/**
 * Runs a test with a world of its own, which has a virtual clock if `options` does not say another. If it fails, what happened last in the world is
 * printed. The world is deleted in any case.
 *
 * @template T
 * @param {(world: World) => Promise<T> | T} run
 * @param {WorldOptions} [options]
 * @returns {Promise<T>}
 */
export async function withWorld(run, options) {
  const world = await (await sharedConey()).world(options);
  try {
    return await run(world);
  } catch (error) {
    const tail = await world.journalTail().catch((problem) => `it cannot be read: ${problem.message}`);
    console.error(`journal of world ${world.name}:\n${tail || 'nothing happened'}`);
    throw error;
  } finally {
    await world.delete();
  }
}

/**
 * Makes a test function of vitest, jest or node:test one whose tests get a world: `const it = coneyTest(test); it('retries', async (world) => {})`.
 *
 * @template R
 * @param {(name: string, run: () => Promise<void>) => R} test
 * @param {WorldOptions} [options]
 * @returns {(name: string, run: (world: World) => Promise<void> | void) => R}
 */
export function coneyTest(test, options) {
  return (name, run) => test(name, async () => withWorld(run, options));
}

/**
 * One broker for all test files: `globalSetup: ['coney-testing.mjs']` of vitest or jest. Those run files in processes of their own, and each would
 * start one.
 */
export async function setup() {
  if (process.env.CONEY_URL) return;
  const coney = await sharedConey();
  process.env.CONEY_URL = coney.url;
  forAll = coney;
}

/** Ends what `setup` began. */
export async function teardown() {
  await forAll?.close();
}

/** @type {Coney | undefined} */
let forAll;

export default async function globalSetup() {
  await setup();
  return teardown;
}

/**
 * @param {string} binary
 * @param {string[]} args
 * @param {number} withinMs
 * @returns {Promise<{ child: import('node:child_process').ChildProcess, amqp: string, http: string }>}
 */
async function started(binary, args, withinMs) {
  const all = ['--test', '--amqp', '127.0.0.1:0', '--http', '127.0.0.1:0', '--metrics', 'none', ...args];
  if (!args.some((arg) => arg.split('=')[0] === '--data-dir')) all.push('--ephemeral');
  // Settings of whoever runs the tests are not for this broker.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CONEY|RABBITMQ)_/.test(name)));
  const child = spawn(binary, all, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.removeListener('exit', kill));
  const timer = setTimeout(kill, withinMs);
  try {
    const line = await startLine(child, binary, withinMs);
    return { child, amqp: address(line, 'amqp://'), http: address(line, 'http://') };
  } catch (error) {
    kill();
    throw error;
  } finally {
    clearTimeout(timer);
    // It does not keep a program alive that has nothing else to do.
    child.unref();
    for (const pipe of [child.stdout, child.stderr]) /** @type {any} */ (pipe).unref?.();
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} binary
 * @param {number} withinMs
 * @returns {Promise<string>}
 */
function startLine(child, binary, withinMs) {
  return new Promise((resolve, reject) => {
    let [out, log] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      out = (out + text).slice(-10_000);
      const line = out.split('\n').find((one) => one.startsWith('Coney ') && one.includes('startup complete'));
      if (line && out.endsWith('\n')) resolve(line);
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      log = (log + text).slice(-4000);
    });
    child.once('error', (error) => {
      const hint = 'say it with CONEY_BINARY, or put `coney` on the PATH';
      reject(new StartError(`'${binary}' cannot be run: ${hint} (${error.message})`, { cause: error }));
    });
    child.once('close', () => reject(new StartError(`Coney did not start within ${withinMs} ms:\n${log}`)));
  });
}

/**
 * The first HOST:PORT of that scheme in the line that the broker says when it has started.
 *
 * @param {string} line
 * @param {string} scheme
 */
function address(line, scheme) {
  const found = line.split(scheme)[1]?.split(/[,; ]/)[0].replace(/:$/, '');
  if (!found) throw new StartError(`no ${scheme} address in: ${line}`);
  return found;
}

/** @param {string} url */
function parsed(url) {
  if (!/^https?:\/\/[^/]/.test(url)) {
    throw new ConeyError(`expected a URL such as http://guest:guest@localhost:15672, got '${url}'`);
  }
  return new URL(url);
}

/** @param {Span} span */
function ms({ days = 0, hours = 0, minutes = 0, seconds = 0, ms: rest = 0 }) {
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + rest);
}

/**
 * @param {any} raw
 * @returns {Message}
 */
function message(raw) {
  const body = Buffer.from(raw.payload ?? '', raw.payload_encoding === 'base64' ? 'base64' : 'utf8');
  const properties = raw.properties ?? {};
  return {
    id: raw.id,
    state: raw.state,
    body,
    text: body.toString(),
    exchange: raw.exchange ?? '',
    routingKey: raw.routing_key ?? '',
    properties,
    headers: properties.headers ?? {},
    redelivered: raw.redelivered,
    due: raw.due_at ? new Date(raw.due_at) : null,
    holder: raw.holder ?? null,
    attempts: raw.attempts ?? null,
  };
}

/** @param {JournalEvent} event */
function eventLine({ at, queue, position, sentence }) {
  const place = queue ? `${queue}${position === null ? '' : ` #${position}`}: ` : '';
  return `${new Date(at).toISOString().slice(11, 23)}  ${place}${sentence}`;
}

/** @param {() => Promise<unknown>} ask */
async function ignoring404(ask) {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof RequestError && error.status === 404)) throw error;
  }
}
