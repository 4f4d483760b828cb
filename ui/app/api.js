/**
 * The management API. `get`, `put`, `post`, `del` give the answer's JSON (`null` when there is none) or throw an `ApiError` with words
 * for people. What was asked is noted for the "this as curl" drawer.
 */
import { signal } from './component.js';

export class ApiError extends Error {
  constructor(status, reason, method, path) {
    super(reason);
    this.name = 'ApiError';
    this.status = status;
    this.method = method;
    this.path = path;
  }
}

/** What stands before the API's paths: nothing, unless the page is below a prefix, which is the broker's (`http-path-prefix`) or a proxy's. */
export const base = location.pathname.replace(/\/(index\.html)?$/, '');

/** A path whose parts are encoded: url`/api/queues/${vhost}/${name}`. */
export const url = (strings, ...parts) => String.raw({ raw: strings }, ...parts.map((part) => encodeURIComponent(part)));

/** A path with a query; empty values are left out, lists are repeated. */
export function withQuery(path, values) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === null || value === '') continue;
    for (const item of Array.isArray(value) ? value : [value]) params.append(key, String(item));
  }
  const text = params.toString();
  return text ? `${path}${path.includes('?') ? '&' : '?'}${text}` : path;
}

/** The last things that were done, newest first: `{method, path, body, at}`. */
export const actions = signal([]);
const ACTIONS_MAX = 20;

/** Called when the server says that nobody is logged in. session.js sets it. */
export const onLoggedOut = { run: () => {} };

export const get = (path, options) => request('GET', path, undefined, options);
export const put = (path, body = {}, options) => request('PUT', path, body, options);
export const post = (path, body = {}, options) => request('POST', path, body, options);
export const del = (path, body, options) => request('DELETE', path, body, options);

/**
 * @param {string} method
 * @param {string} path
 * @param {any} [body] sent as JSON
 * @param {{signal?: AbortSignal, quiet?: boolean, raw?: string, headers?: Record<string, string>}} [options] `quiet`: not for the drawer, and no login page;
 *   `raw`: sent as it is, instead of `body`
 */
async function request(method, path, body, options = {}) {
  if (method !== 'GET' && !options.quiet) note(method, path, body);
  const headers = { Accept: 'application/json', ...options.headers };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(base + path, {
      method, headers, signal: options.signal, credentials: 'same-origin', cache: 'no-store',
      body: options.raw ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The broker does not answer. Is it running?', method, path);
  }
  const answer = await parse(response);
  if (response.ok) return answer;
  if (response.status === 401 && !options.quiet && answer?.error !== 'not_authorised') onLoggedOut.run();
  throw new ApiError(response.status, words(response.status, answer), method, path);
}

async function parse(response) {
  const text = await response.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Plain words for an error. */
export function words(status, answer) {
  const given = Array.isArray(answer?.reason) ? answer.reason.join(', ') : answer?.reason;
  const reason = typeof given === 'string' ? given.trim() : '';
  if (status === 401 || status === 403) return sentence(reason, 'You may not do this');
  if (status === 404) return sentence(/not.?found/i.test(reason) ? '' : reason, 'It is not there any more, or you may not see it');
  if (status === 503) return sentence(reason, 'The broker cannot do this at the moment');
  return sentence(reason, `The broker answered with ${status}`);
}

function sentence(reason, otherwise) {
  const text = reason.replaceAll('_', reason.includes(' ') ? '_' : ' ') || otherwise;
  return /[.!?]$/.test(text) ? text : `${text[0].toUpperCase()}${text.slice(1)}.`;
}

const SECRET = new Set(['password', 'password_hash']);

function note(method, path, body) {
  const shown = body && typeof body === 'object' && !Array.isArray(body)
    ? Object.fromEntries(Object.entries(body).map(([key, value]) => [key, SECRET.has(key) && value ? '...' : value]))
    : body;
  actions.value = [{ method, path, body: shown, at: Date.now() }, ...actions.value].slice(0, ACTIONS_MAX);
}
