/** Text as a literal of a programming language. What comes out means exactly the text, whatever is in it. */

/** What readers could take for something else, or not see at all: controls, marks that turn the direction of text, spaces of other widths. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

const NAMED = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

/**
 * @param {{quote: string, point: (code: number) => string}} language its quotation mark, and how it writes a code point that is not to be seen
 * @returns {(text: string) => string}
 */
export function quoter({ quote, point }) {
  const written = (char) => {
    if (char === quote) return `\\${quote}`;
    if (char in NAMED) return NAMED[char];
    return UNSEEN.test(char) ? point(char.codePointAt(0)) : char;
  };
  return (text) => quote + Array.from(text.toWellFormed?.() ?? text, written).join('') + quote;
}

/**
 * Bytes as a literal of a language that has such.
 * @param {Uint8Array} bytes
 */
export function quoteBytes(bytes, quote) {
  const written = (byte) => {
    const char = String.fromCharCode(byte);
    if (char === quote) return `\\${quote}`;
    if (char in NAMED) return NAMED[char];
    return byte >= 0x20 && byte < 0x7f ? char : `\\x${hex(byte, 2)}`;
  };
  return quote + Array.from(bytes, written).join('') + quote;
}

/** For POSIX shells: within single quotes nothing means anything, and they cannot hold one. */
export function quoteShell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON that is indented, with nothing in it that is not to be seen. */
export function quoteJson(value) {
  const lines = JSON.stringify(value, null, 2).split('\n');
  return lines.map((line) => Array.from(line, (char) => (UNSEEN.test(char) ? utf16(char.codePointAt(0)) : char)).join('')).join('\n');
}

/** `\u00e4`, and two of them for what is beyond. */
export function utf16(code) {
  const units = String.fromCodePoint(code).split('');
  return units.map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`).join('');
}

/** `\u00e4`, and `\U0001f407` for what is beyond. */
export function utf32(code) {
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

/** `\u{e4}`. */
export function braced(code) {
  return `\\u{${hex(code, 1)}}`;
}

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
