/** Popovers and menus: the browser's own, so that Esc and a click beside them close them. */
import { createRef, html, newId, view } from '../component.js';
import { Icon } from './icon.js';

const EDGE = 8;

/** Puts a popover below its button (above, if there is more room), inside the window. */
function place(button, popover) {
  const from = button.getBoundingClientRect();
  const width = popover.offsetWidth;
  const height = popover.offsetHeight;
  const below = innerHeight - from.bottom - 2 * EDGE;
  const isAbove = height > below && from.top > below;
  const left = Math.max(EDGE, Math.min(from.right - width, innerWidth - width - EDGE));
  popover.style.left = `${from.left + width <= innerWidth - EDGE ? from.left : left}px`;
  popover.style.top = `${isAbove ? Math.max(EDGE, from.top - height - 4) : from.bottom + 4}px`;
  popover.style.maxHeight = `${Math.max(120, (isAbove ? from.top : below) - EDGE)}px`;
}

/**
 * A button that opens a box with anything in it.
 * @param {{label: string, icon?: string, text?: any, buttonClass?: string, class?: string, children: any}} props `text`: beside the icon; `label`: its title
 */
export const Popover = view(({ label, icon, text, buttonClass = 'icon-button', class: extra = '', role, children, onOpen }, self) => {
  const id = self.keep('id', () => newId('popover'));
  const button = self.keep('button', createRef);
  const box = self.keep('box', createRef);
  const isOpen = self.signal('open', false);
  const onToggle = (event) => {
    isOpen.value = event.newState === 'open';
    if (!isOpen.value) return;
    onOpen?.();
    place(button.current, box.current);
    requestAnimationFrame(() => {
      if (!box.current) return;
      place(button.current, box.current);
      box.current.querySelector('button, a, input, select')?.focus();
    });
  };
  // Before what was clicked does its work: a dialog that it opens goes back to the button when it closes.
  const close = (event) => {
    if (event.target.closest('[data-close]')) {
      box.current.hidePopover();
      button.current.focus();
    }
  };
  return html`<button ref=${button} type="button" class=${buttonClass} popovertarget=${id} title=${text ? undefined : label} aria-label=${text ? undefined : label}
      aria-haspopup=${role === 'menu' ? 'menu' : 'dialog'} aria-expanded=${isOpen.value ? 'true' : 'false'}>${icon ? html`<${Icon} name=${icon} />` : null}${text}</button>
    <div ref=${box} id=${id} popover="auto" class="popover ${extra}" role=${role ?? 'dialog'} aria-label=${label} onToggle=${onToggle} onClickCapture=${close}>${isOpen.value ? children : null}</div>`;
}, 'Popover');

/**
 * A menu of things to do.
 * @param {{label: string, icon?: string, text?: any, items: Array<{label: string, icon?: string, run?: () => any, href?: string, danger?: boolean, disabled?: boolean, hint?: string} | null | false>}} props
 */
export const Menu = view(({ label, icon = 'more', text, items, buttonClass }) => {
  const onKeyDown = (event) => {
    const all = [...event.currentTarget.querySelectorAll('[role=menuitem]:not(:disabled)')];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
  };
  const shown = items.filter(Boolean);
  if (!shown.length) return null;
  return html`<${Popover} label=${label} icon=${icon} text=${text} buttonClass=${buttonClass ?? (text ? 'button' : 'icon-button')} class="menu" role="menu">
    <div class="menu-items" role="none" onKeyDown=${onKeyDown}>${shown.map((item) => {
      const inside = html`${item.icon ? html`<${Icon} name=${item.icon} />` : null}<span>${item.label}</span>${item.hint ? html`<small>${item.hint}</small>` : null}`;
      const style = item.danger ? 'menu-item danger' : 'menu-item';
      return item.href ? html`<a key=${item.label} role="menuitem" class=${style} href=${item.href} data-close>${inside}</a>`
        : html`<button key=${item.label} type="button" role="menuitem" class=${style} disabled=${item.disabled} data-close onClick=${item.run}>${inside}</button>`;
    })}</div>
  <//>`;
}, 'Menu');
