/**
 * Tables: sorted by a click, with columns that can be chosen, and only the rows that can be seen are drawn, so that 10,000 scroll
 * smoothly. Long lists that the server keeps come by pages (`pages.js`).
 */
import { classes, computed, createRef, html, signal, stored, view } from '../component.js';
import { query, setQuery } from '../router.js';
import { Icon } from './icon.js';
import { Popover } from './menu.js';

/** Heights in px: of a row, of the head, and of a row on a narrow screen, where it is a card. */
const ROW = 36;
const HEAD = 34;
const CARD = 84;
/** Values on a card, besides the name. */
const CARD_VALUES = 4;
/** Rows that are drawn above and below what can be seen. */
const MORE = 8;
/** Fewer rows than this are all drawn. */
const ALL_MAX = 80;

const narrow = matchMedia('(max-width: 700px)');
/** Whether the screen is a phone's: rows are cards. */
export const isNarrow = signal(narrow.matches);
narrow.addEventListener('change', (event) => { isNarrow.value = event.matches; });

/**
 * @template R
 * @typedef {object} Column
 * @property {string} id stands in the address and in what is kept
 * @property {string} title
 * @property {(row: R) => any} cell
 * @property {(row: R) => any} [value] what rows are sorted by; without it the column is not sorted by (unless `sort` is set)
 * @property {string} [sort] the server's name to sort by, for pages
 * @property {number} [width] in px; columns without one share what is left (at least `min`)
 * @property {number} [min] 120
 * @property {'end'} [align]
 * @property {boolean} [hidden] not shown unless chosen
 * @property {number} [spare] left out where there is no room for it, the highest number first, unless it was chosen
 * @property {boolean} [always] cannot be taken away
 * @property {boolean} [phone] shown on a narrow screen, where rows are cards; without any, the first ones
 * @property {boolean} [bare] its values say what they are: no title on a card
 * @property {string} [help] title of the head
 * @property {(row: R) => string} [text] title of the cell, where text may be cut
 */

/** How a table is sorted, from the address: `{by, desc}`. */
export function sortOf(name = 'sort', initial = '') {
  const text = query.value[name] ?? initial;
  return { by: text.replace(/^-/, ''), desc: text.startsWith('-') };
}

/**
 * @template R
 * @param {object} props
 * @param {string} props.id what the chosen columns are kept under
 * @param {string} props.label
 * @param {Column<R>[]} props.columns the same array each time
 * @param {R[]} [props.rows] all rows, sorted here; or
 * @param {{count: number, at: (index: number) => R | undefined, want: (first: number, last: number) => void}} [props.source] rows by pages, sorted by the server
 * @param {(row: R) => string} props.rowKey
 * @param {(row: R) => string | undefined} [props.href] where Enter leads
 * @param {import('../component.js').Signal<Set<string>>} [props.selected] keys of chosen rows; with it there are check boxes
 * @param {string} [props.sortName] the key in the address
 * @param {string} [props.sort] how it is sorted at first: `name` or `-messages`
 * @param {any} [props.toolbar] stands before the column picker
 * @param {any} [props.empty]
 * @param {(row: R) => string | undefined} [props.rowClass]
 * @param {boolean} [props.picker] whether there is a column picker
 */
export const Table = view((props, self) => {
  const { id, label, columns, rows, source, sortName = 'sort', sort = '', toolbar, empty, picker = true, note } = props;
  const chosen = stored(`columns.${id}`, {});
  const area = self.keep('area', createRef);
  const room = self.signal('room', Infinity);
  self.onMount('room', () => {
    // At once, so that nothing is shown that has to go again.
    const measure = () => { room.value = area.current.clientWidth; };
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(area.current);
    return () => watcher.disconnect();
  });
  const wanted = columns.filter((column) => column.always || (chosen.value[column.id] ?? !column.hidden));
  const shown = isNarrow.value ? wanted : fitting(wanted, room.value, chosen.value, Boolean(props.selected));
  const order = sortOf(sortName, sort);
  const sorted = rows ? self.keep('sorted', sorter)(rows, columns, order) : null;
  const count = source ? source.count : sorted.length;
  const onSort = (column) => {
    const isSame = order.by === column.id;
    const desc = isSame ? !order.desc : column.align === 'end';
    setQuery({ [sortName]: `${desc ? '-' : ''}${column.id}` }, { replace: true });
  };
  return html`<div class="table-area" ref=${area}>
    ${toolbar || picker ? html`<div class="toolbar">${toolbar}<span class="grow"></span>${note}${isNarrow.value ? html`<${SortBy} ...${{ columns, order, isPaged: Boolean(source), sortName }} />` : picker ? html`<${Picker} columns=${columns} shown=${shown} chosen=${chosen} />` : null}</div>` : null}
    ${count === 0 && empty ? html`<div class="card">${empty}</div>` : html`<${Rows} ...${{ ...props, columns: shown, sorted, source, count, order, onSort, label, room: room.value }} />`}
  </div>`;
}, 'Table');

/** What columns take at least, with the borders of their box. */
const widthOf = (columns, hasChecks) => columns.reduce((sum, column) => sum + (column.width ?? column.min ?? 120), hasChecks ? 42 : 2);

/** Widths of columns. Those without one share what is left in the measure of what they take at least; the last of them has the rest. */
function widthsIn(left, columns) {
  const free = columns.filter((column) => !column.width);
  const least = free.reduce((sum, column) => sum + (column.min ?? 120), 0);
  const shares = Number.isFinite(left) ? free.slice(0, -1).map((column) => [column, Math.floor((column.min ?? 120) * (1 + Math.max(0, left) / least))]) : [];
  return new Map([...columns.filter((column) => column.width).map((column) => [column, column.width]), ...shares]);
}

/** Without those that can be spared, as far as there is no room for all. */
function fitting(columns, room, chosen, hasChecks) {
  const spare = columns.filter((column) => column.spare && chosen[column.id] === undefined).sort((a, b) => b.spare - a.spare);
  let shown = columns;
  while (spare.length && widthOf(shown, hasChecks) > room) {
    const least = spare.shift();
    shown = shown.filter((column) => column !== least);
  }
  return shown;
}

/** Sorts, but not again what has not changed. */
function sorter() {
  let last = null;
  return (rows, columns, { by, desc }) => {
    if (last && last.rows === rows && last.by === by && last.desc === desc) return last.sorted;
    const column = columns.find((candidate) => candidate.id === by);
    let sorted = rows;
    if (column?.value) {
      const sign = desc ? -1 : 1;
      sorted = rows.map((row) => [column.value(row), row]).sort(([a], [b]) => sign * compare(a, b)).map(([, row]) => row);
    }
    last = { rows, by, desc, sorted };
    return sorted;
  };
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });
function compare(a, b) {
  if (a === b) return 0;
  if (a === undefined || a === null) return -1;
  if (b === undefined || b === null) return 1;
  return typeof a === 'string' && typeof b === 'string' ? collator.compare(a, b) : a < b ? -1 : 1;
}

/** Which columns are shown. */
const Picker = view(({ columns, shown, chosen }) => html`<${Popover} label="Columns" icon="columns" text="Columns" buttonClass="button quiet-button">
  <fieldset class="picker"><legend>Columns</legend>${columns.filter((column) => !column.always).map((column) => html`<label key=${column.id}>
    <input type="checkbox" checked=${shown.includes(column)} onChange=${(event) => { chosen.value = { ...chosen.value, [column.id]: event.target.checked }; }} />
    <span>${column.title}</span></label>`)}
    <button type="button" class="button small" onClick=${() => { chosen.value = {}; }}>As at first</button></fieldset>
<//>`, 'Picker');

/** How it is sorted, where there are no heads to click. */
const SortBy = view(({ columns, order, isPaged, sortName }) => {
  const options = columns.filter((column) => (isPaged ? column.sort : column.value));
  const set = (event) => setQuery({ [sortName]: event.target.value }, { replace: true });
  return html`<span class="select"><select aria-label="Sort by" onChange=${set}><option value="">Sort by</option>${options.map((column) => {
    const value = `${column.align === 'end' ? '-' : ''}${column.id}`;
    return html`<option key=${column.id} value=${value} selected=${order.by === column.id}>${column.title}</option>`;
  })}</select><${Icon} name="down" /></span>`;
}, 'SortBy');

/** The window on the rows: first and last that are drawn. */
function windowOf(self, count) {
  const view = self.keep('window', () => signal({ top: 0, height: 600 }));
  // Steps of a few rows: most scroll events draw nothing.
  const span = self.keep('span', () => computed(() => {
    const { top, height } = view.value;
    const row = isNarrow.value ? CARD : ROW;
    const first = Math.max(0, Math.floor((top - HEAD) / row / 4) * 4 - MORE);
    return `${first} ${first + Math.ceil(height / row) + 2 * MORE + 4}`;
  }));
  const [first, last] = span.value.split(' ').map(Number);
  if (count <= ALL_MAX) return { view, first: 0, last: count };
  const start = Math.min(first, Math.max(0, count - 1));
  return { view, first: start, last: Math.min(count, last) };
}

const Rows = view((props, self) => {
  const { columns, sorted, source, count, order, onSort, label, rowKey, href, selected, rowClass, room } = props;
  const box = self.keep('box', createRef);
  const active = self.signal('active', 0);
  const isCards = isNarrow.value;
  const size = isCards ? CARD : ROW;
  const { view, first, last } = windowOf(self, count);
  source?.want(first, last);
  const at = (index) => (source ? source.at(index) : sorted[index]);
  self.onMount('size', () => {
    const measure = () => { view.value = { top: box.current.scrollTop, height: box.current.clientHeight }; };
    const watcher = new ResizeObserver(measure);
    watcher.observe(box.current);
    box.current.addEventListener('scroll', measure, { passive: true });
    return () => watcher.disconnect();
  });
  const now = self.keep('now', () => ({}));
  Object.assign(now, { at, count, href, selected, rowKey });
  const onKeyDown = self.keep('keys', () => keys(box, active, now));
  const drawn = [];
  for (let index = first; index < last; index += 1) {
    const row = at(index);
    const key = row === undefined ? `? ${index}` : rowKey(row);
    drawn.push(html`<${isCards ? CardRow : Row} key=${key} row=${row} index=${index} columns=${columns} isActive=${index === Math.min(active.value, count - 1)} name=${key}
      isSelected=${selected ? selected.value.has(key) : undefined} selected=${selected} extra=${row !== undefined && rowClass ? rowClass(row) : undefined} />`);
  }
  const width = widthOf(columns, Boolean(selected)) - 2;
  const widths = widthsIn(room - 2 - width, columns);
  const across = isCards ? 1 : columns.length + (selected ? 1 : 0);
  return html`<div class="table-box" ref=${box}>
    <table class=${isCards ? 'table cards' : 'table'} aria-label=${label} aria-rowcount=${count + 1} style=${{ minWidth: isCards ? '0' : `${width}px` }}>
      ${isCards ? html`<thead class="sr-only"><tr aria-rowindex="1"><th scope="col">${label}</th></tr></thead>` : html`<colgroup>${selected ? html`<col style=${{ width: '40px' }} />` : null}${columns.map((column) => html`<col key=${column.id} style=${widths.has(column) ? { width: `${widths.get(column)}px` } : {}} />`)}</colgroup>
      <thead><tr aria-rowindex="1">${selected ? html`<th scope="col" class="cell-check"><${SelectAll} ...${{ selected, at, count, rowKey, source }} /></th>` : null}
        ${columns.map((column) => html`<${Head} key=${column.id} column=${column} order=${order} onSort=${onSort} isPaged=${Boolean(source)} />`)}</tr></thead>`}
      <tbody onKeyDown=${onKeyDown} onFocusIn=${(event) => { const index = event.target.closest('tr')?.dataset.index; if (index !== undefined) active.value = Number(index); }}>
        ${first > 0 ? html`<tr key="above" class="spacer" aria-hidden="true"><td colspan=${across} style=${{ height: `${first * size}px` }}></td></tr>` : null}
        ${drawn}
        ${last < count ? html`<tr key="below" class="spacer" aria-hidden="true"><td colspan=${across} style=${{ height: `${(count - last) * size}px` }}></td></tr>` : null}
      </tbody>
    </table></div>`;
}, 'Rows');

function Head({ column, order, onSort, isPaged }) {
  const canSort = isPaged ? column.sort : column.value;
  const isBy = order.by === column.id;
  return html`<th scope="col" class=${classes({ end: column.align === 'end' })} aria-sort=${isBy ? (order.desc ? 'descending' : 'ascending') : undefined} title=${column.help}>
    ${canSort ? html`<button type="button" class="sort" onClick=${() => onSort(column)}><span>${column.title}</span>${isBy ? html`<${Icon} name=${order.desc ? 'down' : 'up'} />` : null}</button>`
      : html`<span>${column.title}</span>`}</th>`;
}

const Row = view(({ row, index, columns, isActive, isSelected, selected, name, extra }) => {
  const common = { 'aria-rowindex': index + 2, 'data-index': index, tabindex: isActive ? 0 : -1, class: classes(extra, { selected: isSelected }) };
  if (row === undefined) {
    return html`<tr ...${common} aria-busy="true">${selected ? html`<td></td>` : null}${columns.map((column) => html`<td key=${column.id}><span class="skeleton-line"></span></td>`)}</tr>`;
  }
  const toggle = () => choose(selected, [name], !isSelected);
  return html`<tr ...${common} aria-selected=${selected ? String(isSelected) : undefined}>
    ${selected ? html`<td class="cell-check"><input type="checkbox" aria-label="Select ${name}" tabindex="-1" checked=${isSelected} onChange=${toggle} /></td>` : null}
    ${columns.map((column) => html`<td key=${column.id} class=${classes({ end: column.align === 'end' })} title=${column.text?.(row)}>${column.cell(row)}</td>`)}</tr>`;
}, 'Row');

/** A row on a narrow screen: its name, and some of its values with what they are. */
const CardRow = view(({ row, index, columns, isActive, isSelected, selected, name, extra }) => {
  const common = { 'aria-rowindex': index + 2, 'data-index': index, tabindex: isActive ? 0 : -1, class: classes(extra, { selected: isSelected }), 'aria-selected': selected ? String(isSelected) : undefined };
  if (row === undefined) return html`<tr ...${common} aria-busy="true"><td><span class="skeleton-line"></span></td></tr>`;
  const [first, ...rest] = columns;
  const chosen = rest.some((column) => column.phone) ? rest.filter((column) => column.phone) : rest;
  const cells = chosen.map((column) => ({ column, cell: column.cell(row) })).filter(({ cell }) => cell !== null && cell !== '' && cell !== undefined).slice(0, CARD_VALUES);
  return html`<tr ...${common}><td><div class="card-row">
    ${selected ? html`<input type="checkbox" aria-label="Select ${name}" checked=${isSelected} onChange=${() => choose(selected, [name], !isSelected)} />` : null}
    <div class="card-text"><div class="cut">${first.cell(row)}</div>
      <div class="card-values">${cells.map(({ column, cell }) => html`<span key=${column.id} class="cut">${column.bare ? null : html`<small>${column.title}</small> `}${cell}</span>`)}</div></div>
  </div></td></tr>`;
}, 'CardRow');

function choose(selected, names, isOn) {
  const next = new Set(selected.value);
  for (const name of names) {
    if (isOn) next.add(name);
    else next.delete(name);
  }
  selected.value = next;
}

/** All rows that are there. */
const SelectAll = view(({ selected, at, count, rowKey }) => {
  const names = () => Array.from({ length: count }, (_, i) => at(i)).filter((row) => row !== undefined).map(rowKey);
  const isAll = count > 0 && selected.value.size >= count;
  return html`<input type="checkbox" aria-label="Select all" checked=${isAll} indeterminate=${selected.value.size > 0 && !isAll} onChange=${(event) => choose(selected, names(), event.target.checked)} />`;
}, 'SelectAll');

/** Arrow keys go from row to row; Enter opens, Space chooses. */
function keys(box, active, now) {
  const moveTo = (index) => {
    const to = Math.max(0, Math.min(now.count - 1, index));
    active.value = to;
    const size = isNarrow.peek() ? CARD : ROW;
    const head = isNarrow.peek() ? 0 : HEAD;
    const top = head + to * size;
    const element = box.current;
    if (top - head < element.scrollTop) element.scrollTop = top - head;
    else if (top + size > element.scrollTop + element.clientHeight) element.scrollTop = top + size - element.clientHeight;
    // The row is drawn with the next frame.
    const focus = (tries) => {
      const row = element.querySelector(`tr[data-index="${to}"]`);
      if (row) row.focus({ preventScroll: true });
      else if (tries) requestAnimationFrame(() => focus(tries - 1));
    };
    requestAnimationFrame(() => focus(5));
  };
  return (event) => {
    const row = event.target.closest('tr');
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const index = Number(row.dataset.index);
    const page = Math.max(1, Math.floor((box.current.clientHeight - HEAD) / ROW) - 1);
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: now.count - 1 }[event.key];
    if (to !== undefined && !event.target.closest('input:not([type=checkbox]), select, textarea')) {
      event.preventDefault();
      moveTo(to);
    } else if (event.target === row) {
      const item = now.at(index);
      if (event.key === 'Enter' && item !== undefined && now.href?.(item)) location.hash = now.href(item);
      else if (event.key === ' ' && item !== undefined && now.selected) {
        event.preventDefault();
        const name = now.rowKey(item);
        choose(now.selected, [name], !now.selected.value.has(name));
      }
    }
  };
}
