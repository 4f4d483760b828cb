/** Lines of the log, as a page shows them. Pure. */

/**
 * Newest first.
 * @param {any} answer
 * @returns {{number: number, at: any, level: string, target: string, text: string}[]}
 */
export function linesOf(answer) {
  const lines = Array.isArray(answer) ? answer : (answer?.lines ?? []);
  return lines.map((line, index) => ({
    number: line.number ?? index, at: line.at, level: String(line.level ?? '').toLowerCase(), target: line.target ?? '', text: [line.message ?? line.text ?? '', fieldsOf(line.fields)].filter(Boolean).join(' '),
  })).reverse();
}

function fieldsOf(fields) {
  if (typeof fields === 'string') return fields;
  return Object.entries(fields ?? {}).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ');
}
