/** The page begins here: who is logged in, navigation, and the page that the address means. */
import { Component, effect, html, render, signal, untracked, view } from './component.js';
import { current, link, path, route } from './router.js';
import { begin, can, logout, session } from './session.js';
import { connection, isPaused } from './live.js';
import { chosenTheme } from './theme.js';
import { Icon } from './parts/icon.js';
import { Dialogs, closeDialogs } from './parts/dialog.js';
import { Toasts } from './parts/toast.js';
import { openCurl } from './parts/curl.js';
import { Skeleton } from './parts/empty.js';
import { Page } from './parts/page.js';
import { Notice } from './parts/state.js';
import { Login } from './login.js';

const page = (file) => () => import(`./pages/${file}.js`);

// RabbitMQ's addresses, so that old links lead somewhere; and ours.
route('/', page('overview'));
route('/queues', page('queues'));
route('/queues/:vhost/:name', page('queue'));
route('/queues/:vhost/:name/messages/:position', page('message'));
route('/exchanges', page('exchanges'));
route('/exchanges/:vhost/:name', page('exchange'));
route('/topology', page('topology'));
route('/routing', page('routing'));
route('/failures', page('failures'));
route('/connections', page('connections'));
route('/connections/:name', page('connection'));
route('/channels', page('channels'));
route('/channels/:name', page('channel'));
route('/consumers', page('consumers'));
route('/portability', page('portability'));
route('/recorder', page('recorder'));
route('/users', page('admin-users'));
route('/users/:name', page('admin-user'));
route('/vhosts', page('admin-vhosts'));
route('/vhosts/:name', page('admin-vhost'));
route('/policies', page('admin-policies'));
route('/policies/:vhost/:name', page('admin-policy'));
route('/limits', page('admin-limits'));
route('/admin', page('admin'));
route('/admin/:section', page('admin'));

/** The navigation: `[title, [path, icon, label, who may see it]]`. */
const NAV = [
  ['', [['/', 'overview', 'Overview'], ['/failures', 'failures', 'Failures']]],
  ['Messages', [['/queues', 'queues', 'Queues'], ['/exchanges', 'exchanges', 'Exchanges'], ['/topology', 'topology', 'Topology'],
    ['/routing', 'routing', 'Routing tester'], ['/recorder', 'recorder', 'Recorder']]],
  ['Clients', [['/connections', 'connections', 'Connections'], ['/channels', 'channels', 'Channels'], ['/consumers', 'consumers', 'Consumers'],
    ['/portability', 'portability', 'Portability']]],
  ['Administration', [['/users', 'user', 'Users', 'administrator'], ['/vhosts', 'lock', 'Virtual hosts', 'administrator'],
    ['/policies', 'edit', 'Policies'], ['/admin', 'admin', 'Server', 'monitoring']]],
];

const isMenuOpen = signal(false);
let isFirstPage = true;
effect(() => {
  path.value;
  untracked(() => {
    isMenuOpen.value = false;
    closeDialogs();
    // Another page begins at its top, for readers and for keys.
    if (!isFirstPage) {
      scrollTo(0, 0);
      document.getElementById('main')?.focus({ preventScroll: true });
    }
    isFirstPage = false;
  });
});

const NavLink = view(({ to, icon, label }) => {
  const at = path.value;
  const isHere = to === '/' ? at === '/' : at === to || at.startsWith(`${to}/`);
  return html`<li><a class="nav-link" href=${link(to)} aria-current=${isHere ? 'page' : undefined}><${Icon} name=${icon} /><span>${label}</span></a></li>`;
}, 'NavLink');

const THEMES = [['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']];
const THEME_ICONS = { system: 'system', light: 'sun', dark: 'moon' };
const ThemeSwitch = view(() => html`<div class="switch" role="group" aria-label="Colours">${THEMES.map(([key, label]) => html`<button key=${key} type="button"
  aria-pressed=${chosenTheme.value === key ? 'true' : 'false'} aria-label=${label} title=${label} onClick=${() => { chosenTheme.value = key; }}><${Icon} name=${THEME_ICONS[key]} /></button>`)}</div>`, 'ThemeSwitch');

const Brand = view(() => {
  const server = session.value?.server;
  return html`<a class="brand" href="#/"><img src="style/icon.svg" alt="" /><span>Coney${server?.name ? html`<small class="cut" title=${server.name}>${server.name}</small>` : null}</span></a>`;
}, 'Brand');

const Side = view(() => {
  const { name, tags } = session.value;
  return html`<aside class="side ${isMenuOpen.value ? 'open' : ''}" id="side" aria-label="Navigation">
    <${Brand} />
    <nav class="nav" aria-label="Pages">${NAV.map(([title, links]) => {
      const shown = links.filter(([, , , who]) => !who || can(who));
      return shown.length ? html`<div key=${title}>${title ? html`<p class="nav-title">${title}</p>` : null}<ul>${shown.map(([to, icon, label]) => html`<${NavLink} key=${to} to=${to} icon=${icon} label=${label} />`)}</ul></div>` : null;
    })}</nav>
    <div class="side-foot">
      <div class="row">
        <${ThemeSwitch} /><span class="grow"></span>
        <button type="button" class="icon-button" aria-pressed=${isPaused.value ? 'true' : 'false'} aria-label=${isPaused.value ? 'Go on' : 'Hold still'} title=${isPaused.value ? 'Go on' : 'Hold still'}
          onClick=${() => { isPaused.value = !isPaused.value; }}><${Icon} name=${isPaused.value ? 'play' : 'pause'} /></button>
        <button type="button" class="icon-button" aria-label="This as curl" title="This as curl" onClick=${openCurl}><${Icon} name="code" /></button>
      </div>
      <div class="side-user"><span class="cut" title="${name} (${tags.join(', ')})"><b>${name}</b> <span class="quiet">${tags.join(', ')}</span></span>
        <button type="button" class="icon-button" aria-label="Log out" title="Log out" onClick=${logout}><${Icon} name="logout" /></button></div>
    </div>
  </aside>`;
}, 'Side');

const Bar = view(() => html`<header class="bar">
  <button type="button" class="icon-button" aria-label="Menu" aria-expanded=${isMenuOpen.value ? 'true' : 'false'} aria-controls="side" onClick=${() => { isMenuOpen.value = !isMenuOpen.value; }}>
    <${Icon} name=${isMenuOpen.value ? 'close' : 'menu'} /></button><${Brand} /></header>`, 'Bar');

const ConnectionNote = view(() => {
  if (isPaused.value) return html`<div class="lost" role="status"><${Icon} name="pause" />Held still. <button type="button" class="link-button" onClick=${() => { isPaused.value = false; }}>Go on</button></div>`;
  return connection.value === 'lost' ? html`<div class="lost" role="status"><${Icon} name="warning" />The broker does not answer. Trying again.</div>` : null;
}, 'ConnectionNote');

/** A fault in a page costs that page, not the whole. */
class Guard extends Component {
  state = { error: null };
  static getDerivedStateFromError = (error) => ({ error });
  componentDidCatch(error) { console.error(error); }
  render({ children }, { error }) {
    if (!error) return children;
    return html`<${Page} title="Something went wrong"><${Notice} tone="bad" actions=${html`<button type="button" class="button" onClick=${() => this.setState({ error: null })}>Try again</button>`}>
      This page has a fault: ${error.message}<//><//>`;
  }
}

/** pattern -> component, or an error */
const loaded = signal(new Map());
async function load({ pattern, load: fetchPage }) {
  let found;
  try {
    found = { draw: (await fetchPage()).default };
  } catch (error) {
    console.error(`${pattern}: ${error.stack}`);
    found = { error };
  }
  loaded.value = new Map(loaded.value).set(pattern, found);
}

const Content = view(() => {
  const here = current.value;
  if (!here) return html`<${Page} title="No such page"><${Notice}>There is nothing at this address. <a href="#/">To the overview</a><//><//>`;
  const found = loaded.value.get(here.pattern);
  if (!found) {
    load(here);
    return html`<div class="page"><h1 class="sr-only">Loading</h1><${Skeleton} lines=${6} /></div>`;
  }
  if (found.error) {
    return html`<${Page} title="This page could not be loaded"><${Notice} tone="bad" actions=${html`<button type="button" class="button" onClick=${() => location.reload()}>Load again</button>`}>
      The broker does not answer, or has become another version since you opened this page.<//><//>`;
  }
  return html`<${Guard} key=${here.key}><${found.draw} params=${here.params} /><//>`;
}, 'Content');

const App = view(() => {
  if (session.value === undefined) return html`<div class="login"><${Skeleton} lines=${3} /></div>`;
  if (session.value === null) return html`<${Login} /><${Toasts} />`;
  const skip = (event) => { event.preventDefault(); document.getElementById('main').focus(); };
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <div class="shell"><${Bar} /><${Side} /><main class="main" id="main" tabindex="-1"><${ConnectionNote} /><${Content} /></main></div>
    <${Dialogs} /><${Toasts} />`;
}, 'App');

render(html`<${App} />`, document.getElementById('app'));

async function start() {
  try {
    await begin();
  } catch {
    connection.value = 'lost';
    setTimeout(start, 2000);
  }
}
start();

