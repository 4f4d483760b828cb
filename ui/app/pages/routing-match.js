/** Why a binding takes a message, or does not: word by word, condition by condition. The broker decides; this says it for people. */

/**
 * @typedef {object} Explained
 * @property {boolean} isMatch
 * @property {string} why one sentence
 * @property {number} distance how far it is from a match: 0 is one
 * @property {{text: string, fits: boolean}[]} parts of the binding: words of a pattern, or conditions
 */

/**
 * @param {string} type of the exchange; of a delayed one the type within
 * @param {{routing_key: string, arguments?: object}} binding
 * @param {string} key
 * @param {object} headers
 * @returns {Explained|null} null for exchanges that do not choose by these
 */
export function explain(type, binding, key, headers = {}) {
  switch (type) {
    case 'direct': return explainDirect(binding.routing_key, key);
    case 'fanout': return { isMatch: true, why: 'A fanout exchange gives it to all.', distance: 0, parts: [] };
    case 'topic': return explainTopic(binding.routing_key, key);
    case 'headers': return explainHeaders(binding.arguments ?? {}, headers);
    default: return null;
  }
}

/** @returns {Explained} */
export function explainDirect(wanted, key) {
  if (wanted === key) return { isMatch: true, why: 'The keys are equal.', distance: 0, parts: [{ text: wanted, fits: true }] };
  return { isMatch: false, why: difference(wanted, key), distance: edits(wanted, key), parts: [{ text: wanted, fits: false }] };
}

function difference(wanted, key) {
  if (wanted.trim() === key.trim()) return 'They differ only in spaces at the ends.';
  if (wanted.toLowerCase() === key.toLowerCase()) return 'They differ only in capitals.';
  return `The key is ${quoted(key)}, the binding wants ${quoted(wanted)}.`;
}

/**
 * `*` stands for one word, `#` for any number of words.
 * @returns {Explained}
 */
export function explainTopic(pattern, key) {
  const [patterns, words] = [pattern.split('.'), key.split('.')];
  const fitting = aligned(patterns, words);
  const parts = patterns.map((text, at) => ({ text, fits: fitting.fits[at] }));
  if (fitting.cost === 0) return { isMatch: true, why: topicMatch(patterns), distance: 0, parts };
  return { isMatch: false, why: topicMiss(patterns, words, fitting), distance: fitting.cost, parts };
}

function topicMatch(patterns) {
  const wild = patterns.filter((word) => word === '*' || word === '#');
  if (wild.length === 0) return 'The key is what the binding wants.';
  return wild.includes('#') ? 'The words fit; # takes any number of them.' : 'The words fit; each * takes one.';
}

/** The best way to lay the words below the pattern: how many do not fit, and which of the pattern's do. */
function aligned(patterns, words) {
  const memory = new Map();
  const best = (p, w) => {
    const id = p * (words.length + 1) + w;
    if (!memory.has(id)) memory.set(id, choose(p, w));
    return memory.get(id);
  };
  const with_ = (fit, cost, rest) => ({ cost: rest.cost + cost, fits: [fit, ...rest.fits], changes: rest.changes });
  const choose = (p, w) => {
    if (p === patterns.length) return { cost: words.length - w, fits: [], changes: [] };
    const isHash = patterns[p] === '#';
    const ways = [with_(isHash, isHash ? 0 : 1, best(p + 1, w))];
    if (w < words.length) {
      const fits = isHash || patterns[p] === '*' || patterns[p] === words[w];
      if (isHash) ways.push(best(p, w + 1));
      else {
        const rest = with_(fits, fits ? 0 : 1, best(p + 1, w + 1));
        ways.push(fits ? rest : { ...rest, changes: [{ at: w, wanted: patterns[p] }, ...rest.changes] });
      }
      const skipped = best(p, w + 1);
      ways.push({ ...skipped, cost: skipped.cost + (isHash ? 0 : 1) });
    }
    return ways.reduce((least, way) => (way.cost < least.cost || (way.cost === least.cost && way.changes.length > least.changes.length) ? way : least));
  };
  return best(0, 0);
}

function topicMiss(patterns, words, { cost, changes }) {
  if (changes.length === cost) return changes.map(({ at, wanted }) => `word ${at + 1} is ${quoted(words[at])}, not ${quoted(wanted)}`).join(', and ').replace(/^w/, 'W').concat('.');
  const count = patterns.filter((word) => word !== '#').length;
  const least = patterns.length > count ? 'at least ' : '';
  if (patterns.length > count && words.length >= count) return `It wants ${patterns.filter((word) => word !== '#' && word !== '*').map(quoted).join(' and ')} in this order.`;
  if (words.length !== count) return `The key has ${plural(words.length, 'word')}, the pattern wants ${least}${count}.`;
  return `The words are not those of ${quoted(patterns.join('.'))}.`;
}

/** Conditions are a header's name and value; `null` asks only that the header is there. */
export function explainHeaders(conditions, headers) {
  const mode = conditions['x-match'] ?? 'all';
  const withX = mode === 'all-with-x' || mode === 'any-with-x';
  const wanted = Object.entries(conditions).filter(([name]) => name !== 'x-match' && (withX || !name.startsWith('x-')));
  const looked = wanted.map(([name, value]) => ({ name, value, has: Object.hasOwn(headers, name), fits: Object.hasOwn(headers, name) && (value === null || same(headers[name], value)) }));
  const missed = looked.filter(({ fits }) => !fits);
  const isAny = mode.startsWith('any');
  const isMatch = isAny ? missed.length < looked.length : missed.length === 0;
  const parts = looked.map(({ name, value, fits }) => ({ text: value === null ? name : `${name}=${shown(value)}`, fits }));
  const distance = isMatch ? 0 : isAny ? 1 : missed.length;
  return { isMatch, why: isMatch ? headersMatch(isAny, looked) : headersMiss(isAny, missed, headers), distance, parts };
}

function headersMatch(isAny, looked) {
  if (looked.length === 0) return 'It has no condition.';
  return isAny ? `The header ${looked.find(({ fits }) => fits).name} fits; any is enough.` : 'All its headers fit.';
}

function headersMiss(isAny, missed, headers) {
  if (isAny && missed.length === 0) return 'It has no condition, and any of them is to fit.';
  const told = missed.map(({ name, value, has }) => (has ? `header ${name} is ${shown(headers[name])}, not ${shown(value)}` : `there is no header ${name}`));
  const text = told.join(isAny ? ', ' : ', and ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);
const shown = (value) => JSON.stringify(value);
const quoted = (text) => `'${text}'`;
const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

/** Characters that are to be changed to make one text of the other. */
function edits(a, b) {
  let before = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) row.push(Math.min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    before = row;
  }
  return before[b.length];
}
