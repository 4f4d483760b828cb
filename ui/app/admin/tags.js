/** What a user may see and do here, by tags. */
import { html, view } from '../component.js';
import { Badge } from '../parts/state.js';

export const TAGS = [
  ['administrator', 'Everything: users, virtual hosts, limits, all connections.'],
  ['monitoring', 'Sees everything of the whole broker.'],
  ['policymaker', 'Makes policies in virtual hosts that it may enter.'],
  ['management', 'This page and the HTTP API, for virtual hosts that it may enter.'],
];
const KNOWN = new Set(TAGS.map(([tag]) => tag));
const TONES = { administrator: 'accent', monitoring: 'plain' };

/** @param {{tags: string[]}} props */
export function Tags({ tags }) {
  if (tags.length === 0) return html`<span class="quiet" title="May use AMQP, and not this page">AMQP only</span>`;
  return html`<span class="row tight">${tags.map((tag) => html`<${Badge} key=${tag} tone=${TONES[tag] ?? 'plain'}>${tag}<//>`)}</span>`;
}

/**
 * Boxes to tick, and other tags as text.
 * @param {{chosen: import('../component.js').Signal<string[]>}} props
 */
export const TagsField = view(({ chosen }) => {
  const set = (tag, isOn) => { chosen.value = isOn ? [...chosen.value, tag] : chosen.value.filter((other) => other !== tag); };
  const others = chosen.value.filter((tag) => !KNOWN.has(tag));
  return html`<fieldset class="field tags-field"><legend>What the user may do here</legend>
    ${TAGS.map(([tag, help]) => html`<label key=${tag} class="choice"><input type="checkbox" checked=${chosen.value.includes(tag)} onChange=${(event) => set(tag, event.target.checked)} />
      <span><b>${tag}</b><small class="quiet">${help}</small></span></label>`)}
    ${others.length ? html`<p class="field-help">And the tags ${others.join(', ')}, which mean nothing to this broker.</p>` : html`<p class="field-help">Without a tag: AMQP only.</p>`}
  </fieldset>`;
}, 'TagsField');
