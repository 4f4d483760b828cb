/** What went over a connection or a channel in the last minute, from the samples that the API keeps. Pure. */

/**
 * A counter's samples as rates, oldest first.
 * @param {{samples?: {sample: number, timestamp: number}[]} | undefined} details
 * @returns {{times: number[], values: number[]}} times in seconds
 */
export function ratesOf(details) {
  const samples = [...(details?.samples ?? [])].reverse();
  const [times, values] = [[], []];
  for (let index = 1; index < samples.length; index += 1) {
    const span = (samples[index].timestamp - samples[index - 1].timestamp) / 1000;
    if (span <= 0) continue;
    times.push(samples[index].timestamp / 1000);
    values.push(Math.max(0, (samples[index].sample - samples[index - 1].sample) / span));
  }
  return { times, values };
}

/**
 * Several counters over the same times, for a chart.
 * @param {any} stats
 * @param {{stat: string, label: string, colour: string, dash?: boolean}[]} lines
 */
export function seriesOf(stats, lines) {
  const all = lines.map((line) => ({ ...line, ...ratesOf(stats?.[`${line.stat}_details`]) }));
  const times = all[0]?.times ?? [];
  return { times, series: all.map(({ label, colour, dash, values }) => ({ label, colour, dash, values: values.slice(-times.length) })) };
}
