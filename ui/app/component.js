/**
 * What every page is made of: `html` (templates), signals, and `view`, which makes a component of a function that is run again
 * whenever a signal that it read has changed.
 */
import { h, render, Component, Fragment, createRef } from '../vendor/preact/preact.module.js';
import htm from '../vendor/htm/htm.module.js';
import { signal, computed, effect, batch, untracked } from '../vendor/signals-core/signals-core.module.js';

export { render, Component, Fragment, createRef, signal, computed, effect, batch, untracked };

/** Templates: html`<p class="x">${text}</p>`. Whatever is put in is text; there is no way to put in markup. */
export const html = htm.bind(h);

const sameProps = (before, after) => {
  const keys = Object.keys(after);
  return keys.length === Object.keys(before).length && keys.every((key) => Object.is(before[key], after[key]));
};

/**
 * A component. `draw(props, self)` reads signals as it likes. `self` has
 * - `keep(key, make)`: what `make()` returned the first time; if that has a `dispose()`, it is called when the component goes;
 * - `signal(key, initial)`: short for a kept signal;
 * - `onMount(key, run)`: runs once the elements are there; what it returns is run when the component goes;
 * - `props`: the newest props, for functions that were kept.
 *
 * @template P
 * @param {(props: P, self: View<P>) => any} draw
 * @param {string} [name] shown in error messages
 */
export function view(draw, name = draw.name || 'view') {
  return class extends View {
    static displayName = name;
    draw(props) {
      return draw(props, this);
    }
  };
}

class View extends Component {
  kept = new Map();
  waiting = [];
  endings = [];

  keep(key, make) {
    if (!this.kept.has(key)) this.kept.set(key, untracked(make));
    return this.kept.get(key);
  }

  signal(key, initial) {
    return this.keep(key, () => signal(initial));
  }

  onMount(key, run) {
    this.keep(`mount ${key}`, () => {
      this.waiting.push(run);
      return true;
    });
  }

  shouldComponentUpdate(props) {
    return this.isStale || !sameProps(this.props, props);
  }

  render(props) {
    this.stop?.();
    this.isStale = false;
    let drawn;
    let isFirst = true;
    // The first run draws and notes what was read. The second, when that changed, reads nothing and so is the last.
    this.stop = effect(() => {
      if (isFirst) {
        isFirst = false;
        drawn = this.draw(props);
      } else {
        this.isStale = true;
        this.setState({});
      }
    });
    return drawn;
  }

  componentDidMount() {
    this.begin();
  }

  componentDidUpdate() {
    this.begin();
  }

  begin() {
    for (const run of this.waiting.splice(0)) {
      const end = run();
      if (typeof end === 'function') this.endings.push(end);
    }
  }

  componentWillUnmount() {
    this.stop?.();
    for (const end of this.endings.splice(0)) end();
    for (const value of this.kept.values()) value?.dispose?.();
    this.kept.clear();
  }
}

const storedSignals = new Map();
/** What is kept in the browser under a name, as a signal; `initial` where there is nothing or no storage. */
export function stored(name, initial) {
  if (!storedSignals.has(name)) storedSignals.set(name, makeStored(`coney.${name}`, initial));
  return storedSignals.get(name);
}

function makeStored(key, initial) {
  let value = initial;
  try {
    const text = localStorage.getItem(key);
    if (text !== null) value = JSON.parse(text);
  } catch {
    // No storage, or not ours: begin anew.
  }
  const kept = signal(value);
  effect(() => {
    const text = JSON.stringify(kept.value);
    try {
      if (text === undefined || text === JSON.stringify(initial)) localStorage.removeItem(key);
      else localStorage.setItem(key, text);
    } catch {
      // No storage: it holds for this visit.
    }
  });
  return kept;
}

/** Class names: strings, and objects whose true keys count. */
export function classes(...parts) {
  return parts
    .flatMap((part) => (part && typeof part === 'object' ? Object.keys(part).filter((key) => part[key]) : part || []))
    .join(' ');
}

let ids = 0;
/** An id that no other element has, for labels. Keep it: `self.keep('id', () => newId('field'))`. */
export const newId = (prefix) => `${prefix}-${++ids}`;
