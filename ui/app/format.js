/** Numbers, sizes and times as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** 12345 -> `12,345`. Nothing -> `–`. */
export const number = (value) => (value === undefined || value === null || Number.isNaN(value) ? '–' : whole.format(value));

/** Messages a second: `12,345/s`, `0.4/s`. */
export const rate = (value) => {
  if (value === undefined || value === null) return '–';
  return `${value > 0 && value < 10 ? one.format(value) : whole.format(value)}/s`;
};

/** Bytes: `812 B`, `1.4 KiB`. */
export function bytes(value) {
  if (value === undefined || value === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? whole.format(size) : one.format(size)} ${units[unit]}`;
}

/** A time span in ms: `850 ms`, `4 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function duration(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return '–';
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 1000) return `${whole.format(ms)} ms`;
  const s = Math.floor(ms / 1000);
  const steps = [
    [86400, 'd', 3600, 'h'],
    [3600, 'h', 60, 'min'],
    [60, 'min', 1, 's'],
  ];
  for (const [large, name, small, smallName] of steps) {
    if (s >= large) {
      const rest = Math.floor((s % large) / small);
      return `${whole.format(Math.floor(s / large))} ${name}${rest ? ` ${rest} ${smallName}` : ''}`;
    }
  }
  return ms < 10000 && ms % 1000 ? `${one.format(ms / 1000)} s` : `${s} s`;
}

/** The same in one unit, for columns: `4 s`, `2 min`, `3 h`, `2 d`. */
export function shortDuration(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${whole.format(Math.floor(s / 86400))} d`;
}

/** Anything the API gives as a time (ISO text, ms, seconds of AMQP) as ms since 1970, or `null`. */
export function instant(at) {
  if (at === undefined || at === null || at === '') return null;
  if (typeof at === 'number') return at < 1e11 ? at * 1000 : at;
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? null : ms;
}

const exact = new Intl.DateTimeFormat(undefined, {
  year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3,
  hourCycle: 'h23', timeZoneName: 'short',
});
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** The whole of a time in the reader's zone, for titles. */
export const moment = (at) => (instant(at) === null ? '' : exact.format(instant(at)));

/** A time as short as it can be: the clock today, with the day before that. */
export function shortMoment(at) {
  const ms = instant(at);
  if (ms === null) return '–';
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return isToday ? clock.format(ms) : `${day.format(ms)}, ${clock.format(ms)}`;
}

/** `plural(3, 'message')` -> `3 messages`. */
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

/** A value of a table (argument, header) as one line of text. */
export const inline = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
