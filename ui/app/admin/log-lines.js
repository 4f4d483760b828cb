/** Lines of the log, as a page shows them. Pure. */

/**
 * Newest first.
 * @param {{lines: {number: number, at: number, level: string, target: string, message: string}[]} | undefined} answer
 * @returns {{number: number, at: number, level: string, target: string, text: string}[]}
 */
export function linesOf(answer) {
  const lines = answer?.lines ?? [];
  return lines.map(({ number, at, level, target, message }) => ({ number, at, level: level.toLowerCase(), target, text: message })).reverse();
}
