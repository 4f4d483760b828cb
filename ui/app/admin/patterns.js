/**
 * Regular expressions of permissions and policies: what they say in words, and what they match.
 * The broker's are Perl's; those that JavaScript does not know can be saved, and are not previewed here. Pure.
 */

/** What permissions mostly are. */
export const PRESETS = [
  { pattern: '.*', label: 'everything' },
  { pattern: '', label: 'nothing' },
];

const SPECIAL = /[\\^$.*+?()[\]{}|]/;

/**
 * A pattern that matches this text and nothing else.
 * @param {string} text
 */
export function exactly(text) {
  return `^${quote(text)}$`;
}

/**
 * A pattern that matches what begins with this text.
 * @param {string} text
 */
export function beginningWith(text) {
  return `^${quote(text)}`;
}

/** @param {string} text */
export function quote(text) {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/**
 * The pattern as a test of names.
 * @param {string} pattern
 * @param {{empty?: 'nothing' | 'everything'}} [options] An empty permission is for nothing, an empty policy pattern for everything.
 * @returns {{test: (name: string) => boolean, error: string | null}}
 */
export function matcher(pattern, { empty = 'everything' } = {}) {
  if (pattern === '') return { test: () => empty === 'everything', error: null };
  try {
    const regex = new RegExp(pattern, 'u');
    return { test: (name) => regex.test(name), error: null };
  } catch {
    return looser(pattern);
  }
}

/** With the flag u JavaScript refuses escapes that Perl allows (`\-`). */
function looser(pattern) {
  try {
    const regex = new RegExp(pattern);
    return { test: (name) => regex.test(name), error: null };
  } catch {
    return { test: () => false, error: 'not a regular expression that can be tried here; the broker says whether it takes it' };
  }
}

/**
 * A pattern of a permission in words.
 * @param {string} pattern
 * @param {{empty?: 'nothing' | 'everything'}} [options]
 */
export function inWords(pattern, { empty = 'nothing' } = {}) {
  if (pattern === '') return empty;
  if (pattern === '^$') return 'nothing';
  if (['.*', '^.*$', '^.*', '.*$', '^'].includes(pattern)) return 'everything';
  const said = alternatives(pattern).map(oneInWords);
  return said.includes(null) ? `what matches ${pattern}` : said.join(', or ');
}

/** `^(a|b)$` and `^a$|^b$` are lists. */
function alternatives(pattern) {
  const grouped = /^\^\((?:\?:)?([^()]*)\)(\$|\.\*\$?)?$/.exec(pattern);
  if (grouped) return grouped[1].split('|').map((one) => `^${one}${grouped[2] ?? ''}`);
  return /[()[\]]/.test(pattern) ? [pattern] : pattern.split('|');
}

function oneInWords(pattern) {
  const parts = /^(\^?)(.*?)(\$|\.\*\$?)?$/s.exec(pattern);
  const text = unquote(parts[2]);
  if (text === null || text === '') return null;
  const [begins, end] = [parts[1] === '^', parts[3] ?? ''];
  if (begins && end === '$') return `'${text}'`;
  if (begins) return `what begins with '${text}'`;
  if (end === '$') return `what ends with '${text}'`;
  return `what contains '${text}'`;
}

/** The text that a pattern without special characters means; else null. A dot is taken for itself, as people mean it. */
function unquote(pattern) {
  const bare = pattern.replaceAll(/\\([\\^$.*+?()[\]{}|/-])/g, '');
  if (SPECIAL.test(bare.replaceAll('.', ''))) return null;
  return pattern.replaceAll(/\\(.)/g, '$1');
}
