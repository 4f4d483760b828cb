/**
 * The filter box above lists of clients: words, and `key:value` for a column. All of them have to hold. Pure.
 */

import { network } from './cidr.js';

/**
 * @typedef {Record<string, (row: any) => string | number | null | undefined>} Columns What a key looks at. `from` is an address: its value may be a network.
 */

/**
 * A test of rows.
 * @param {string} text
 * @param {Columns} columns
 * @returns {{test: (row: any) => boolean, error: string | null}}
 */
export function terms(text, columns) {
  const tests = [];
  for (const term of split(text)) {
    const test = testOf(term, columns);
    if (typeof test === 'string') return { test: () => true, error: test };
    tests.push(test);
  }
  return { test: (row) => tests.every((test) => test(row)), error: null };
}

/** Words; what is in quotes is one: `user:"Jane Doe"`. */
function split(text) {
  return [...text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(([term]) => term.replaceAll('"', ''));
}

function testOf(term, columns) {
  const isNot = term.startsWith('-') && term.length > 1;
  const [, key, value] = /^(?:([a-z_]+):)?(.*)$/s.exec(isNot ? term.slice(1) : term);
  const test = key !== undefined && key in columns ? columnTest(key, value, columns[key]) : anyTest(isNot ? term.slice(1) : term, columns);
  if (typeof test === 'string') return test;
  return isNot ? (row) => !test(row) : test;
}

function columnTest(key, value, read) {
  if (key === 'from' && value.includes('/')) {
    const isIn = network(value);
    return isIn === null ? `'${value}' is no network, such as 10.0.0.0/8` : (row) => isIn(String(read(row) ?? ''));
  }
  const compared = /^([<>]=?)(\d+)$/.exec(value);
  if (compared) return (row) => compare(Number(read(row)), compared[1], Number(compared[2]));
  return (row) => contains(read(row), value);
}

function anyTest(word, columns) {
  const reads = Object.values(columns);
  return (row) => reads.some((read) => contains(read(row), word));
}

function compare(number, operator, limit) {
  switch (operator) {
    case '<': return number < limit;
    case '<=': return number <= limit;
    case '>': return number > limit;
    default: return number >= limit;
  }
}

function contains(value, part) {
  return String(value ?? '').toLowerCase().includes(part.toLowerCase());
}
