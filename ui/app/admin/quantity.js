/**
 * Durations and sizes as people write them, and back, exactly: what is shown in a form can be saved again without a change.
 * Pure.
 */

const MS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION_NAMES = {
  ms: 'ms', msec: 'ms', millisecond: 'ms', milliseconds: 'ms',
  s: 's', sec: 's', second: 's', seconds: 's',
  m: 'min', min: 'min', minute: 'min', minutes: 'min',
  h: 'h', hour: 'h', hours: 'h', d: 'd', day: 'd', days: 'd',
};
const SIZE_NAMES = {
  b: 1, byte: 1, bytes: 1,
  kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
  k: 1024, kib: 1024, m: 1024 ** 2, mib: 1024 ** 2, g: 1024 ** 3, gib: 1024 ** 3, t: 1024 ** 4, tib: 1024 ** 4,
};
const PART = /\s*(\d+(?:\.\d+)?)\s*([a-zµ]*)\s*/iy;

/**
 * @typedef {{value: number} | {error: string}} Parsed
 */

/**
 * "1 h 30 min", "90s", "500" (milliseconds).
 * @param {string} text
 * @returns {Parsed} milliseconds
 */
export function parseDuration(text) {
  return parse(text, (unit) => (unit === '' ? 1 : MS[DURATION_NAMES[unit]]), 'a time such as "30 s", "10 min" or "1 h 30 min"');
}

/**
 * "64 MiB", "10 MB", "5000" (bytes). K, M and G are powers of 1024.
 * @param {string} text
 * @returns {Parsed} bytes
 */
export function parseSize(text) {
  return parse(text, (unit) => (unit === '' ? 1 : SIZE_NAMES[unit]), 'a size such as "64 MiB" or "5000"');
}

/**
 * @param {string} text
 * @returns {Parsed} a whole number from 0
 */
export function parseCount(text) {
  const plain = text.trim().replaceAll(/[\s,_](?=\d{3}(\D|$))/g, '');
  if (!/^\d+$/.test(plain)) return { error: 'a whole number from 0' };
  return whole(Number(plain), 'a whole number from 0');
}

/**
 * Milliseconds without loss: "1 h 30 min", "1 s 500 ms".
 * @param {number} ms
 */
export function formatDuration(ms) {
  return format(ms, [['d', MS.d], ['h', MS.h], ['min', MS.min], ['s', MS.s], ['ms', 1]], '0 s');
}

/**
 * Bytes without loss: "64 MiB" where it is whole, else the number.
 * @param {number} bytes
 */
export function formatSize(bytes) {
  const fits = ['TiB', 'GiB', 'MiB', 'KiB'].find((unit) => bytes > 0 && bytes % SIZE_NAMES[unit.toLowerCase()] === 0);
  return fits ? `${bytes / SIZE_NAMES[fits.toLowerCase()]} ${fits}` : `${bytes} B`;
}

function parse(text, factorOf, wanted) {
  const trimmed = text.trim();
  let [sum, at] = [0, 0];
  while (at < trimmed.length) {
    PART.lastIndex = at;
    const part = PART.exec(trimmed);
    const factor = part ? factorOf(part[2].toLowerCase()) : undefined;
    if (factor === undefined) return { error: wanted };
    // A number without a unit stands alone: "1 30" may mean anything.
    if (part[2] === '' && part[0].length !== trimmed.length) return { error: wanted };
    sum += Number(part[1]) * factor;
    at = PART.lastIndex;
  }
  return at === 0 ? { error: wanted } : whole(sum, wanted);
}

function whole(number, wanted) {
  const rounded = Math.round(number);
  if (!Number.isSafeInteger(rounded) || Math.abs(rounded - number) > 1e-6) return { error: wanted };
  return { value: rounded };
}

function format(amount, units, zero) {
  if (!Number.isInteger(amount) || amount < 0) return String(amount);
  let rest = amount;
  const parts = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(' ') || zero;
}
