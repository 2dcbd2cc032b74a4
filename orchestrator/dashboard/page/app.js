// The frame of the page: which run, which tab, the list of runs, the head of a run.
import {actionButtons} from './actions.js';
import {askForToken, onToken, token} from './api.js';
import {curvesTab} from './curves.js';
import {$, clock, empty, figure, h, num, replace, seconds, stateOf, svg} from './dom.js';
import {eventsTab, waitsTab} from './events.js';
import {samplesTab} from './samples.js';
import {specTab} from './spec.js';
import {history, learnRole, on, poll, refresh, run, select, store} from './store.js';
import {workersTab} from './workers.js';

// A tab has `element`, `runsChanged(run)`, `historyChanged(names)` and `leave()`.
const kTabs = {
  curves: ['Curves', curvesTab],
  samples: ['Samples', samplesTab],
  workers: ['Workers', workersTab],
  waits: ['Waits', waitsTab],
  events: ['Events', eventsTab],
  spec: ['Settings', specTab],
};

let shown = {run: '', tab: '', body: null, head: null};

export const addressOf = (name, tab) => `#/${encodeURIComponent(name)}/${tab}`;

function place() {
  const [, name = '', tab = ''] = location.hash.split('/');
  return {name: decodeURIComponent(name), tab: kTabs[tab] ? tab : 'curves'};
}

function route() {
  let {name, tab} = place();
  if (!name && store.runs.length) name = store.runs[0].name;
  select(name);
  if (shown.run === name && shown.tab === tab) return;
  shown.body?.leave?.();
  shown = {run: name, tab, body: null, head: null};
  document.title = name ? `${name} · Temper` : 'Temper';
  $('runs').classList.remove('open');
  $('runs-toggle').setAttribute('aria-expanded', 'false');
  showMain();
  showRuns();
}

function sparkline(name) {
  const steps = history(name).steps;
  if (steps.length < 2) return h('span.spark');
  const every = Math.max(1, Math.floor(steps.length / 60));
  const points = steps.filter((_, i) => i % every === 0 || i === steps.length - 1)
      .map((step) => step.metrics.reward_mean);
  const low = Math.min(...points), high = Math.max(...points), span = high - low || 1;
  const path = points.map((y, i) =>
    `${(i / (points.length - 1) * 88 + 1).toFixed(1)},${(20 - (y - low) / span * 18).toFixed(1)}`);
  return svg('svg', {class: 'spark', viewBox: '0 0 90 22', 'aria-hidden': 'true'},
      svg('polyline', {points: path.join(' ')}));
}

// Parents first, their forks under them.
function inFamilies() {
  const names = new Set(store.runs.map((one) => one.name));
  const rows = [];
  const add = (one, depth) => {
    rows.push([one, depth]);
    store.runs.filter((child) => child.parent === one.name).forEach((child) =>
      add(child, depth + 1));
  };
  store.runs.filter((one) => !one.parent || !names.has(one.parent)).forEach((one) => add(one, 0));
  return rows;
}

function runRow([one, depth]) {
  const state = stateOf(one);
  const reward = one.last ? figure(one.last.reward_mean) : '–';
  return h('a.run', {href: addressOf(one.name, shown.tab || 'curves'),
    'aria-current': one.name === shown.run ? 'page' : null, 'data-depth': Math.min(depth, 3),
    title: `${one.name}: ${state}${one.reason ? ` (${one.reason})` : ''}`},
  h('span.run-name', {}, h(`i.dot.${state}`, {'aria-hidden': 'true'}), h('b', {}, one.name),
      one.parent ? h('small', {}, `@${num(one.parent_step)}`) : null),
  h('span.run-line', {}, h('span.num', {}, `${num(one.step)}/${num(one.steps)}`),
      sparkline(one.name), h('span.num.reward', {title: 'last reward'}, reward)),
  h('span.visually-hidden', {}, state));
}

function showRuns() {
  const focused = document.activeElement?.closest?.('#runs a')?.getAttribute('href');
  const count = store.runs.length;
  replace($('runs'), h('div.runs-title', {}, 'Runs', h('span.count', {}, count || '')),
      store.known && !count ?
        empty('No runs', 'Start one with `temper submit SPEC.json`; it appears here.') :
        inFamilies().map(runRow));
  if (focused) {
    [...$('runs').querySelectorAll('a')].find((a) => a.getAttribute('href') === focused)?.focus();
  }
}

function titleOf(one) {
  const state = stateOf(one);
  return [
    h('div.title-line', {}, h('h1', {}, one.name), h(`span.state.${state}`, {}, state),
        one.parent ? h('a.muted', {href: addressOf(one.parent, shown.tab)},
            `fork of ${one.parent} at step ${num(one.parent_step)}`) : null),
    one.reason ? h(`p.reason.${state}`, {}, one.reason) : null,
  ];
}

function factsOf(one) {
  const state = stateOf(one), last = one.last;
  const share = num(one.steps) ? 100 * num(one.step) / num(one.steps) : 0;
  const left = last && state === 'running' ?
    (num(one.steps) - num(one.step)) * (last.seconds?.total || 0) : 0;
  const facts = [
    ['step', `${num(one.step)} of ${num(one.steps)}`],
    ['reward', last ? `${figure(last.reward_mean)} ± ${figure(last.reward_std)}` : '–'],
    ['tokens/s', last ? figure(last.tokens_per_second) : '–'],
    ['per step', last?.seconds ? seconds(last.seconds.total) : '–'],
    ['left', left ? `≈ ${seconds(left)}` : '–'],
    ['staleness', num(one.spec?.staleness) || '0'],
    ['started', clock(one.created_ms)],
  ];
  return [
    h('div.progress', {role: 'progressbar', 'aria-valuenow': Math.round(share),
      'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-label': 'steps made'},
    h('i', {'width%': share})),
    h('dl.facts', {}, facts.map(([name, value]) =>
      h('div', {}, h('dt', {}, name), h('dd.num', {}, value)))),
  ];
}

function showMain() {
  const main = $('main'), one = run(shown.run);
  if (!one) {
    shown.body = shown.head = null;
    if (store.error) {
      replace(main, empty('The controller does not answer', store.error.message));
    } else if (!store.known) {
      replace(main, empty('Asking the controller…'));
    } else if (shown.run) {
      replace(main, empty(`No run is called “${shown.run}”`, 'Choose one from the list.'));
    } else {
      replace(main, empty('Nothing runs here yet',
          'Start a run with `temper submit SPEC.json` and watch it learn on this page.'));
    }
    return;
  }
  if (!shown.body) {
    shown.head = {title: h('div'), facts: h('div.facts-place'),
      buttons: h('div.actions', {role: 'group', 'aria-label': 'Act on the run'})};
    shown.body = kTabs[shown.tab][1](one.name);
    replace(main, h('section.head', {}, shown.head.title, shown.head.buttons, shown.head.facts),
        h('div.tabs', {role: 'tablist'}, Object.entries(kTabs).map(([tab, [title]]) =>
          h('a', {href: addressOf(one.name, tab), role: 'tab', 'data-tab': tab,
            'aria-selected': String(tab === shown.tab)}, title, h('span.count')))),
        h('section.body', {role: 'tabpanel'}, shown.body.element));
    shown.body.historyChanged?.(new Set([one.name]));
  }
  replace(shown.head.title, titleOf(one));
  replace(shown.head.facts, factsOf(one));
  actionButtons(shown.head.buttons, one);
  const late = (one.waits || []).filter((wait) =>
    wait.policy !== 'WAIT_POLICY_IDLE' && wait.age_seconds > wait.deadline_seconds / 2).length;
  const count = main.querySelector('[data-tab=waits] .count');
  count.textContent = late || '';
  count.title = late ? 'waits past half of their deadline' : '';
  shown.body.runsChanged?.(one);
}

function showConnection() {
  const fine = store.known && !store.error;
  replace($('connection'), h(`i.dot.${fine ? 'running' : store.error ? 'failed' : 'asking'}`),
      fine ? 'live' : store.error ? 'no answer' : 'asking');
  $('connection').title = store.error?.message || '';
  replace($('role'), store.mayChange ? '' : 'read only');
  $('role').hidden = store.mayChange;
  $('role').title = store.whyNot;
  $('token').hidden = !token() && store.mayChange && store.error?.code !== 'UNAUTHENTICATED';
}

on('runs', () => {
  showConnection();
  if (!shown.run && store.runs.length) route();
  showRuns();
  showMain();
});
on('history', (names) => {
  showRuns();
  shown.body?.historyChanged?.(names);
});

addEventListener('hashchange', route);
$('token').addEventListener('click', async () => {
  await askForToken('Who you are, for this controller.');
});
onToken(() => learnRole().then(refresh));
$('runs-toggle').addEventListener('click', () => {
  const open = $('runs').classList.toggle('open');
  $('runs-toggle').setAttribute('aria-expanded', String(open));
});
// [ and ] go through the tabs.
addEventListener('keydown', (event) => {
  if (event.target.closest('input, textarea, select, dialog') || event.ctrlKey || event.metaKey) return;
  const tabs = Object.keys(kTabs), at = tabs.indexOf(shown.tab);
  const to = event.key === '[' ? at - 1 : event.key === ']' ? at + 1 : -1;
  if (tabs[to] && shown.run) location.hash = addressOf(shown.run, tabs[to]);
});

showConnection();
route();
learnRole().then(showConnection).finally(poll);
