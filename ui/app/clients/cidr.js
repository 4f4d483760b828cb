/** IP addresses and networks (`10.0.0.0/8`, `fd00::/8`). Pure. */

/**
 * @param {string} text An address, or one with the length of its network.
 * @returns {((address: string) => boolean) | null} Whether an address is in it; null: it is none.
 */
export function network(text) {
  const [address, length] = text.split('/');
  const bits = bitsOf(address);
  if (bits === null) return null;
  if (length !== undefined && (!/^\d{1,3}$/.test(length) || Number(length) > bits.length)) return null;
  const prefix = bits.slice(0, length === undefined ? bits.length : Number(length));
  return (other) => {
    const others = bitsOf(other);
    return others !== null && others.length === bits.length && others.startsWith(prefix);
  };
}

/** An address as a text of zeros and ones; a mapped IPv4 address (`::ffff:10.0.0.1`) as the IPv4 address. */
function bitsOf(address) {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return bitsOf(mapped[1]);
  return address.includes(':') ? bitsOf6(address) : bitsOf4(address);
}

function bitsOf4(address) {
  const parts = address.split('.');
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return null;
  return parts.map((part) => Number(part).toString(2).padStart(8, '0')).join('');
}

function bitsOf6(address) {
  const halves = address.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - groups.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const all = halves.length === 1 ? groups[0] : [...groups[0], ...Array(missing).fill('0'), ...groups[1]];
  if (all.some((group) => !/^[\da-f]{1,4}$/i.test(group))) return null;
  return all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}
