/**
 * JSON for people, from its text and not from what a parser made of it: numbers keep their digits (12345678901234567890 stays), keys that come
 * twice stay two, and the order stays.
 */

/** @typedef {{kind: 'key'|'string'|'number'|'word'|'mark', text: string}} Token */
/** @typedef {{depth: number, tokens: Token[]}} Line */

/** Levels that are drawn further to the right; deeper ones stay there. */
export const DEPTH_MAX = 40;

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([[\]{},:]))/y;

/** Whether this is a JSON text that is worth more than its plain text: an object or an array. */
export function isDocument(text) {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The lines of a JSON document, one field or item each; empty objects and arrays stay on theirs.
 * @param {string} text valid JSON
 * @returns {Line[]}
 */
export function prettyLines(text) {
  const tokens = tokenize(text);
  const lines = [];
  let line = { depth: 0, tokens: [] };
  let depth = 0;
  const next = () => {
    lines.push(line);
    line = { depth: Math.min(depth, DEPTH_MAX), tokens: [] };
  };
  tokens.forEach((token, index) => {
    const closes = isOne(token, ']}');
    if (closes) depth -= 1;
    if (closes && !isOne(tokens[index - 1], '[{')) next();
    line.tokens.push(isKey(tokens, index) ? { ...token, kind: 'key' } : token);
    if (isOne(token, '[{')) {
      depth += 1;
      if (!isOne(tokens[index + 1], ']}')) next();
    } else if (isOne(token, ',')) {
      next();
    }
  });
  lines.push(line);
  return lines;
}

/** The same as one text. */
export function pretty(text) {
  const written = ({ kind, text: mark }) => (kind === 'mark' && mark === ':' ? ': ' : mark);
  return prettyLines(text).map(({ depth, tokens }) => '  '.repeat(depth) + tokens.map(written).join('')).join('\n');
}

function tokenize(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [, string, number, word, mark] = match;
    if (string !== undefined) tokens.push({ kind: 'string', text: string });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
    else tokens.push({ kind: 'mark', text: mark });
  }
  return tokens;
}

const isOne = (token, marks) => token?.kind === 'mark' && marks.includes(token.text);
const isKey = (tokens, index) => tokens[index].kind === 'string' && isOne(tokens[index + 1], ':');
