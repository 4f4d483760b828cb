/** Copies a text. */
import { html, view } from '../component.js';
import { Icon } from './icon.js';

const SHOWN_MS = 1500;

/** @param {{text: string | (() => string), label?: string, children?: any}} props with children it is a button with a text */
export const Copy = view(({ text, label = 'Copy', children }, self) => {
  const done = self.signal('done', false);
  const copy = async (event) => {
    event.stopPropagation();
    event.preventDefault();
    await toClipboard(typeof text === 'function' ? text() : String(text));
    done.value = true;
    setTimeout(() => { done.value = false; }, SHOWN_MS);
  };
  return html`<button type="button" class=${children ? 'button' : 'icon-button small'} title=${children ? undefined : label} aria-label=${children ? undefined : label}
    onClick=${copy}><${Icon} name=${done.value ? 'check' : 'copy'} />${children}<span class="sr-only" role="status">${done.value ? 'Copied' : ''}</span></button>`;
}, 'Copy');

/** Also where the page came over plain HTTP from another host, and so has no clipboard. */
export async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'sr-only';
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

/** A block of code with a button to copy it. */
export function Code({ text, label = 'Copy', wrap }) {
  return html`<div class="code"><pre class=${wrap ? 'wrap' : undefined} tabindex="0" role="region" aria-label="Code"><code>${text}</code></pre><${Copy} text=${text} label=${label} /></div>`;
}
