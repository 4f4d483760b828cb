/** Bodies that were packed before they were published: content_encoding says how, or the first bytes do. */

import { fromBase64, isCharset, textOf } from './bytes.js';

/** Bytes that a packed body may become. A small one can be made to unpack to gigabytes. */
export const UNPACKED_MAX = 16 * 1024 * 1024;

/** Encodings that leave the bytes as they are. */
const PLAIN = new Set(['', 'identity', 'binary', '7bit', '8bit', 'none', 'plain']);
const FORMATS = {
  gzip: ['gzip'],
  'x-gzip': ['gzip'],
  // HTTP's "deflate" is zlib's format; many send raw deflate under this name.
  deflate: ['deflate', 'deflate-raw'],
  zlib: ['deflate'],
};

/**
 * @typedef {object} Unpacked
 * @property {Uint8Array} bytes the body, as far as it could be unpacked
 * @property {string[]} steps what was undone, e.g. `['gzip']`
 * @property {string|null} charset what content_encoding says of the text, as Celery's `utf-8` does
 * @property {string|null} problem why the rest could not be undone, in plain words
 */

/**
 * @param {Uint8Array} bytes
 * @param {string} encoding content_encoding: one, or a list as in HTTP, the last of which was applied last
 * @returns {Promise<Unpacked>}
 */
export async function unpack(bytes, encoding = '') {
  const names = encoding.toLowerCase().split(',').map((name) => name.trim());
  const state = { bytes, steps: [], charset: null, problem: null };
  for (const name of names.reverse()) {
    await undo(state, name);
    if (state.problem !== null) return state;
  }
  if (state.steps.length === 0) await undoGuessed(state);
  return state;
}

async function undo(state, name) {
  if (PLAIN.has(name)) return;
  if (name in FORMATS) return inflate(state, name, FORMATS[name]);
  if (name === 'base64') return decodeBase64(state);
  if (isCharset(name)) {
    state.charset = name;
    return;
  }
  state.problem = `Browsers cannot undo the content encoding '${name}'. These are the bytes as they were published.`;
}

async function inflate(state, name, formats) {
  for (const format of formats) {
    const { bytes, isTooLarge } = await inflated(state.bytes, format);
    if (isTooLarge) {
      state.problem = `Unpacked it is larger than ${UNPACKED_MAX / 1024 / 1024} MiB. These are the bytes as they were published.`;
      return;
    }
    if (bytes !== null) {
      state.bytes = bytes;
      state.steps.push(name);
      return;
    }
  }
  state.problem = `The content encoding says '${name}', but the body is not valid ${name}. These are the bytes as they were published.`;
}

async function inflated(bytes, format) {
  const source = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
  const reader = source.getReader();
  const pieces = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: joined(pieces, length), isTooLarge: false };
      pieces.push(value);
      length += value.length;
      if (length > UNPACKED_MAX) {
        reader.cancel().catch(() => {});
        return { bytes: null, isTooLarge: true };
      }
    }
  } catch {
    return { bytes: null, isTooLarge: false };
  }
}

function joined(pieces, length) {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function decodeBase64(state) {
  try {
    state.bytes = fromBase64((textOf(state.bytes) ?? '?').replace(/\s+/g, ''));
    state.steps.push('base64');
  } catch {
    state.problem = "The content encoding says 'base64', but the body is not valid base64. These are the bytes as they were published.";
  }
}

/** Many publishers pack and do not say so. */
async function undoGuessed(state) {
  const isGzip = state.bytes[0] === 0x1f && state.bytes[1] === 0x8b && state.bytes[2] === 8;
  if (!isGzip) return;
  const { bytes } = await inflated(state.bytes, 'gzip');
  if (bytes === null) return;
  state.bytes = bytes;
  state.steps.push('gzip');
}
