/** Tabs, whose open one is in the address (`?tab=`). */
import { createRef, effect, html, view } from '../component.js';
import { query, setQuery } from '../router.js';
import { number } from '../format.js';

/**
 * @param {{tabs: Array<{id: string, label: string, count?: number, draw: () => any, hidden?: boolean}>, name?: string, label: string}} props
 *   `name`: the key in the address. Only the open tab is drawn.
 */
export const Tabs = view(({ tabs, name = 'tab', label }, self) => {
  const list = self.keep('list', createRef);
  const shown = tabs.filter((tab) => !tab.hidden);
  const open = shown.find((tab) => tab.id === query.value[name]) ?? shown[0];
  // On a phone there may be more tabs than room.
  self.onMount('show', () => effect(() => { void query.value[name]; requestAnimationFrame(() => show(list.current)); }));
  const choose = (tab) => setQuery({ [name]: tab === shown[0] ? '' : tab.id, ...tab.query });
  const onKeyDown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -shown.indexOf(open), End: shown.length - 1 - shown.indexOf(open) }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = shown[(shown.indexOf(open) + step + shown.length) % shown.length];
    choose(next);
    event.currentTarget.querySelector(`#tab-${name}-${next.id}`)?.focus();
  };
  return html`<div class="tabs">
    <div class="tab-list" ref=${list} role="tablist" aria-label=${label} onKeyDown=${onKeyDown}>
      ${shown.map((tab) => html`<button key=${tab.id} type="button" role="tab" id="tab-${name}-${tab.id}" class="tab" aria-selected=${tab === open ? 'true' : 'false'}
        aria-controls="panel-${name}" tabindex=${tab === open ? 0 : -1} onClick=${() => choose(tab)}>${tab.label}${tab.count === undefined ? null
        : html`<span class="tab-count">${number(tab.count)}</span>`}</button>`)}
    </div>
    <div class="tab-panel" role="tabpanel" id="panel-${name}" aria-labelledby="tab-${name}-${open.id}" key=${open.id}>${open.draw()}</div>
  </div>`;
}, 'Tabs');

/** Brings the open tab to where it can be seen. */
function show(list) {
  const open = list?.querySelector('[aria-selected="true"]');
  if (open && list.scrollWidth > list.clientWidth) list.scrollLeft = open.offsetLeft - list.offsetLeft - (list.clientWidth - open.offsetWidth) / 2;
}
