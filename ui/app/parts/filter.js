/**
 * Boxes to search with, and the small language for messages: `key:eu.* header.tenant=t1 json.customer.id=7 body~"out of stock" reason=rejected`.
 */
import { createRef, effect, html, view } from '../component.js';
import { query, setQuery } from '../router.js';
import { Icon } from './icon.js';
import { Popover } from './menu.js';

const SETTLE_MS = 250;

/**
 * A search box whose text is in the address. `/` goes to it.
 * @param {{name?: string, label: string, placeholder?: string, help?: any, error?: string}} props `name`: the key in the address
 */
export const Filter = view(({ name = 'filter', label, placeholder = label, help, error }, self) => {
  const box = self.keep('box', createRef);
  const text = self.signal('text', query.value[name] ?? '');
  const timer = self.keep('timer', () => ({ id: null }));
  self.onMount('address', () => effect(() => {
    const given = query.value[name] ?? '';
    if (given !== text.peek().trim() && document.activeElement !== box.current) text.value = given;
  }));
  self.onMount('slash', () => {
    const onKey = (event) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target.closest('input, textarea, select, dialog')) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
  const set = (value, wait) => {
    text.value = value;
    clearTimeout(timer.id);
    timer.id = setTimeout(() => setQuery({ [name]: value.trim() }, { replace: true }), wait);
  };
  return html`<div class="filter ${error ? 'invalid' : ''}" role="search"><${Icon} name="search" />
    <input ref=${box} type="text" aria-label=${label} placeholder=${placeholder} title=${placeholder} autocomplete="off" spellcheck=${false} enterkeyhint="search"
      aria-invalid=${error ? 'true' : undefined} value=${text.value} onInput=${(event) => set(event.target.value, SETTLE_MS)}
      onKeyDown=${(event) => { if (event.key === 'Enter') set(text.value, 0); else if (event.key === 'Escape' && text.value) set('', 0); }} />
    ${text.value ? html`<button type="button" class="icon-button small" aria-label="Clear" title="Clear" onClick=${() => { set('', 0); box.current.focus(); }}><${Icon} name="close" /></button>`
      : html`<kbd aria-hidden="true">/</kbd>`}
    ${help ? html`<${Popover} label="What can be written here" icon="info" buttonClass="icon-button small" class="help-box">${help}<//>` : null}
    ${error ? html`<span class="filter-error" role="alert">${error}</span>` : null}
  </div>`;
}, 'Filter');

/** The reasons that dead letters have. */
export const REASONS = ['rejected', 'expired', 'maxlen', 'delivery_limit'];

/** What can be written, for the box's help. */
export const MESSAGE_HELP = [
  ['word', 'the body has this text in it'],
  ['body~"two words"', 'the same, with spaces'],
  ['header.tenant=t1', 'a header has this value'],
  ['json.customer.id=7', 'the body is JSON, and has this value there'],
  ['id=m42', 'the message id; other properties: prop.type=order'],
  ['key:eu.*', 'the routing key; * stands for anything'],
  ['exchange:orders', 'the exchange that it was published to'],
  [`reason=rejected`, `why it was dead-lettered: ${REASONS.join(', ')}`],
  ['older>3600', 'older than so many seconds'],
];

export const MessageHelp = () => html`<div class="stack"><p>All that is written has to hold.</p>
  <table class="help-table"><tbody>${MESSAGE_HELP.map(([text, says]) => html`<tr key=${text}><td><code>${text}</code></td><td>${says}</td></tr>`)}</tbody></table></div>`;

const TOKEN = /(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g;
const unquote = (text) => text.replace(/"((?:[^"\\]|\\.)*)"?/g, (_, inner) => inner.replace(/\\(.)/g, '$1'));

/**
 * Reads such a text.
 * @param {string} text
 * @returns {{isEmpty: boolean, error: string | null, filter: Record<string, any>, isWhole: boolean, needsBody: boolean, matches: (message: any) => boolean}}
 *   `filter`: what the API's actions take; `isWhole`: whether that says everything (routing keys and exchanges have to be looked at here);
 *   `matches`: the same for a message as the API shows it
 */
export function parseFilter(text) {
  const filter = {};
  const tests = [];
  let isWhole = true;
  let error = null;
  for (const token of text.match(TOKEN) ?? []) {
    try {
      isWhole = read(token, filter, tests) && isWhole;
    } catch (problem) {
      error = problem.message;
    }
  }
  return {
    isEmpty: tests.length === 0, error, filter, isWhole, needsBody: 'body' in filter || 'json' in filter,
    matches: (message) => tests.every((test) => test(message)),
  };
}

/** One condition. Whether the API knows it. */
function read(token, filter, tests) {
  const [, key, sign, rest] = /^([\w.@$-]+?)(=|~|:|>)(.*)$/s.exec(token) ?? [null, '', '', token];
  const value = unquote(rest);
  if (sign === '=' && key.startsWith('header.')) {
    const name = key.slice(7);
    filter.headers = { ...filter.headers, [name]: value };
    tests.push((message) => asText(message.properties?.headers?.[name]) === value);
  } else if (sign === '=' && key.startsWith('json.')) {
    addJson(key.slice(5), value, filter, tests);
  } else if (sign === '=' && (key === 'id' || key.startsWith('prop.'))) {
    const name = key === 'id' ? 'message_id' : key.slice(5);
    filter.properties = { ...filter.properties, [name]: value };
    tests.push((message) => asText(message.properties?.[name]) === value);
  } else if (sign === '=' && key === 'reason') {
    filter.reason = value;
    tests.push((message) => {
      const headers = message.properties?.headers ?? {};
      return (headers['x-last-death-reason'] ?? headers['x-first-death-reason']) === value;
    });
  } else if (sign === '>' && key === 'older') {
    addAge(value, filter, tests);
  } else if (sign === ':' && (key === 'key' || key === 'exchange')) {
    const pattern = new RegExp(`^${value.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')}$`, 's');
    tests.push((message) => pattern.test((key === 'key' ? message.routing_key : message.exchange) ?? ''));
    return false;
  } else if (sign && sign !== ':' && !(sign === '~' && key === 'body') && /^(header|json|prop|reason|older|key|exchange|body)\b/.test(key)) {
    throw new Error(`Not understood: ${token}`);
  } else {
    const wanted = sign === '~' && key === 'body' ? value : unquote(token);
    if (filter.body !== undefined) throw new Error('The body can be searched for one text at a time: put it in quotes.');
    filter.body = wanted;
    tests.push((message) => bodyText(message).includes(wanted));
  }
  return true;
}

function addJson(path, value, filter, tests) {
  let wanted = value;
  try {
    wanted = JSON.parse(value);
  } catch {
    // A text without quotes.
  }
  filter.json = { ...filter.json, [path]: wanted };
  const same = JSON.stringify(wanted);
  tests.push((message) => {
    try {
      const found = path.split('.').reduce((at, step) => at?.[step], JSON.parse(bodyText(message)));
      return JSON.stringify(found) === same;
    } catch {
      return false;
    }
  });
}

function addAge(value, filter, tests) {
  const age = Number(value);
  if (!Number.isInteger(age) || age < 0) throw new Error(`Not a number of seconds: ${value}`);
  filter.older_than_s = age;
  tests.push((message) => {
    const properties = message.properties ?? {};
    const died = properties.headers?.['x-death']?.[0]?.time ?? properties.timestamp;
    return died !== undefined && Number(died) < Date.now() / 1000 - age;
  });
}

const asText = (value) => (value === undefined ? undefined : typeof value === 'string' ? value : JSON.stringify(value));

/** A message's body as text, whatever way the API gave it. */
export function bodyText(message) {
  if (message.payload_encoding !== 'base64') return message.payload ?? '';
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(message.payload ?? ''), (char) => char.charCodeAt(0)));
  } catch {
    return '';
  }
}
