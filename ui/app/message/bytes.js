/** Bodies as bytes: out of what the API sends, into text where they are text, into rows of a hex dump where they are not. */

const STRICT = { fatal: true, ignoreBOM: true };

/**
 * The body's bytes.
 * @param {{payload: string, payload_encoding: string}} message as the API shows it
 * @returns {Uint8Array}
 */
export function bytesOf({ payload = '', payload_encoding: encoding = 'string' }) {
  return encoding === 'base64' ? fromBase64(payload) : new TextEncoder().encode(payload);
}

/** @returns {Uint8Array} throws when it is not base64 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** In pieces, since a call takes only so many arguments. */
export function toBase64(bytes) {
  const PIECE = 0x8000;
  let binary = '';
  for (let at = 0; at < bytes.length; at += PIECE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(binary);
}

/**
 * The bytes as text of a charset; null if they are none, or if the browser does not know the charset.
 * @param {Uint8Array} bytes
 */
export function textOf(bytes, charset = 'utf-8') {
  try {
    return new TextDecoder(charset, STRICT).decode(bytes);
  } catch {
    return null;
  }
}

/** Whether a browser knows this charset. */
export function isCharset(name) {
  try {
    return Boolean(new TextDecoder(name));
  } catch {
    return false;
  }
}

/** Whether people can read it: no control characters but the usual ones of text. */
export function isReadable(text) {
  return !/[\u0000-\u0008\u000b\u000e-\u001a\u001c-\u001f\u007f]/.test(text);
}

/**
 * Rows of a hex dump, 16 bytes each.
 * @returns {{offset: string, hex: string, ascii: string}[]}
 */
export function hexRows(bytes, from = 0, count = Infinity) {
  const PER_ROW = 16;
  const rows = [];
  const first = Math.floor(from / PER_ROW) * PER_ROW;
  for (let at = first; at < bytes.length && rows.length < count; at += PER_ROW) {
    const row = [...bytes.subarray(at, at + PER_ROW)];
    rows.push({ offset: hex(at, 8), hex: hexOf(row, PER_ROW), ascii: row.map(printable).join('') });
  }
  return rows;
}

function hexOf(row, width) {
  const cells = row.map((byte) => hex(byte, 2));
  const halves = [cells.slice(0, width / 2), cells.slice(width / 2)].map((half) => half.join(' '));
  return halves.join('  ').trimEnd();
}

const hex = (number, digits) => number.toString(16).padStart(digits, '0');
const printable = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');
