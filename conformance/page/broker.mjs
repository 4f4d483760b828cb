// A Coney of one's own: started on free ports with its data in a temporary directory, and stopped by its handle.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 8_000;
const LOG_LINES_SHOWN = 20;

/** Waits until `ask` answers with something that is true, and returns it. */
export async function until(what, ask, limitMs = 10_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${limitMs} ms (the last answer was ${JSON.stringify(answer)})`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What to tell of an answer of the API that was not expected. */
class Refused extends Error {
  constructor(method, path, status, text) {
    super(`${method} ${path}: ${status} ${text.slice(0, 300)}`);
    this.status = status;
  }
}

/** The management API as one user. Paths begin after `/api`. */
export class Api {
  constructor(http, user = 'guest', password = user) {
    this.http = http;
    this.authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }

  async request(method, path, body) {
    return fetch(`${this.http}/api${path}`, {
      method,
      headers: { authorization: this.authorization, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  async ask(method, path, body) {
    const answer = await this.request(method, path, body);
    const text = await answer.text();
    if (!answer.ok) throw new Refused(method, path, answer.status, text);
    return text === '' ? undefined : JSON.parse(text);
  }

  get = (path) => this.ask('GET', path);
  put = (path, body) => this.ask('PUT', path, body);
  post = (path, body = {}) => this.ask('POST', path, body);
  delete = (path) => this.ask('DELETE', path);

  /** Messages of a queue of `/`, which stay as they are; `query` is like `state=unacked&limit=3`. */
  peek(queue, query = 'limit=100') {
    return this.get(`/coney/queues/%2F/${encodeURIComponent(queue)}/messages?${query}`);
  }

  /** How many messages a queue has, over all states. */
  async depth(queue, vhost = '/') {
    const [v, q] = [vhost, queue].map(encodeURIComponent);
    return (await this.get(`/queues/${v}/${q}`)).messages;
  }
}

export class Broker {
  /**
   * @param {{definitions?: object, flags?: string[]}} [options] definitions as RabbitMQ exports them, read at the start
   */
  static async start({ definitions, flags = [] } = {}) {
    const broker = new Broker();
    broker.scratch = mkdtempSync(join(tmpdir(), 'coney-page-'));
    if (definitions) {
      writeFileSync(join(broker.scratch, 'definitions.json'), JSON.stringify(definitions));
      flags = [...flags, '--definitions', join(broker.scratch, 'definitions.json')];
    }
    await broker.#spawn(['--amqp', '127.0.0.1:0', '--http', '127.0.0.1:0', ...flags]);
    return broker;
  }

  async #spawn(flags) {
    this.log = [];
    this.http = undefined;
    const data = ['--metrics', 'none', '--data-dir', join(this.scratch, 'data')];
    this.process = spawn(process.env.CONEY_BINARY, [...flags, ...data], { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: this.process.stderr }).on('line', (line) => this.log.push(line));
    const late = setTimeout(() => this.process.kill('SIGKILL'), START_LIMIT_MS);
    for await (const line of createInterface({ input: this.process.stdout })) {
      const found = /amqp:\/\/(\S+?:\d+)\b.*startup complete.*?(http:\/\/\S+?:\d+)/.exec(line);
      if (!found) continue;
      [, this.address, this.http] = found;
      break;
    }
    clearTimeout(late);
    if (!this.http) throw new Error(`Coney did not start:\n${this.log.slice(-LOG_LINES_SHOWN).join('\n')}`);
    this.amqp = `amqp://guest:guest@${this.address}`;
    this.api = new Api(this.http);
  }

  /** Kills it as a crash would. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.#ended();
  }

  /** Starts it again where it was, with what it had. */
  restart() {
    return this.#spawn(['--amqp', this.address, '--http', new URL(this.http).host]);
  }

  async stop() {
    const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_LIMIT_MS);
    this.process.kill('SIGTERM');
    await this.#ended();
    clearTimeout(late);
    rmSync(this.scratch, { recursive: true, force: true });
  }

  async #ended() {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
  }
}
