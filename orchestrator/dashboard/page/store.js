// What the page knows: the runs, and the history of each as its events tell it.
//
// The selected run's events come by a stream that stays open; those of the others are fetched when
// the list says that there are new ones.
import {ApiError, call, request, stream} from './api.js';
import {num} from './dom.js';

const kLogMax = 5000;
const kPollMs = 2000;

export const store = {
  runs: [],          // as List answers
  known: false,      // a first answer has come
  error: null,
  selected: '',
  mayChange: true,   // an admin, as far as is known
  whyNot: '',
  histories: new Map(),
};

const listeners = {runs: [], history: []};
export const on = (what, listener) => listeners[what].push(listener);

// Tells the listeners soon, for many changes at once; showing takes at most a fifth of the time.
let scheduled = null;
let pause = 80;
function changed(what, name) {
  if (!scheduled) {
    scheduled = {runs: new Set(), history: new Set()};
    setTimeout(tell, pause);
  }
  scheduled[what].add(name);
}
function tell() {
  const now = scheduled, begin = performance.now();
  scheduled = null;
  for (const key of ['runs', 'history']) {
    if (now[key].size) for (const listener of listeners[key]) listener(now[key]);
  }
  pause = Math.max(80, Math.min(2000, 4 * (performance.now() - begin)));
}

export const run = (name) => store.runs.find((one) => one.name === name);

export function history(name) {
  if (!store.histories.has(name)) {
    store.histories.set(name, {next: 1, steps: [], evaluations: [], marks: [], log: [],
      busy: false});
  }
  return store.histories.get(name);
}

export const kindOf = (event) => ['step', 'note', 'evaluation', 'ended', 'warm_start',
  'state_change', 'altered', 'stall', 'checkpoint', 'quarantined', 'forked']
    .find((kind) => event[kind] !== undefined) || 'other';

// Learns from an event; those that are known already are passed over.
function take(known, event) {
  const sequence = num(event.sequence);
  if (sequence < known.next) return;
  known.next = sequence + 1;
  const last = known.steps.length ? known.steps[known.steps.length - 1].x : 0;
  const kind = kindOf(event);
  if (kind === 'step' && event.step.stage !== 'warm_start') {
    const x = num(event.step.step);
    while (known.steps.length && known.steps[known.steps.length - 1].x >= x) known.steps.pop();
    known.steps.push({x, metrics: event.step, ms: num(event.time_ms)});
  } else if (kind === 'evaluation') {
    known.evaluations = known.evaluations.filter((one) => one.x !== num(event.evaluation.step));
    known.evaluations.push({x: num(event.evaluation.step), y: event.evaluation.accuracy});
  } else if (kind === 'altered') {
    const changes = (event.altered.changes || [])
        .map((change) => `${change.field} ${change.before} → ${change.after}`).join(', ');
    known.marks.push({kind, x: num(event.altered.from_step), who: event.who, text: changes});
  } else if (kind === 'checkpoint') {
    known.marks.push({kind, x: Math.max(0, num(event.checkpoint.step)), who: event.who,
      text: `checkpoint ${event.checkpoint.path}`});
  } else if (kind === 'forked') {
    known.marks.push({kind, x: num(event.forked.step), who: event.who,
      text: `fork ${event.forked.run}`});
  } else if (kind === 'state_change' && event.state_change.after === 'RUN_STATE_PAUSED') {
    known.marks.push({kind: 'paused', x: last, who: event.who, text: 'paused'});
  }
  known.log.push(event);
  if (known.log.length > kLogMax) known.log.splice(0, known.log.length - kLogMax);
}

let following = null;

async function follow(name, signal) {
  while (!signal.aborted) {
    const known = history(name);
    try {
      await stream('Watch', {run: name, from_sequence: known.next}, (message) => {
        take(known, message.event);
        changed('history', name);
      }, signal);
      return;  // the run has ended
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error instanceof ApiError && error.code === 'NOT_FOUND') return;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  }
}

function followAnew() {
  following?.abort();
  following = store.selected && !document.hidden ? new AbortController() : null;
  if (following) follow(store.selected, following.signal);
}

export function select(name) {
  if (store.selected === name && following) return;
  store.selected = name;
  followAnew();
}

// A browser has six connections to a host: a tab that nobody sees holds none.
document.addEventListener('visibilitychange', followAnew);

// Reads a run's new events up to the number that the list told.
export async function catchUp(name) {
  const known = history(name), target = num(run(name)?.sequence);
  if (known.busy || name === store.selected || known.next > target) return;
  known.busy = true;
  const enough = new AbortController();
  const patience = setTimeout(() => enough.abort(), 15000);
  try {
    await stream('Watch', {run: name, from_sequence: known.next}, (message) => {
      take(known, message.event);
      changed('history', name);
      if (known.next > target) enough.abort();
    }, enough.signal);
  } catch (error) {
    if (error.name !== 'AbortError' && !(error instanceof ApiError)) throw error;
  } finally {
    clearTimeout(patience);
    known.busy = false;
  }
}

export async function refresh() {
  try {
    store.runs = (await call('List')).runs || [];
    store.error = null;
    store.known = true;
  } catch (error) {
    store.error = error;
  }
  changed('runs', '');
  const selected = run(store.selected);
  // A run that was resumed after its end: its stream begins again.
  if (selected && num(selected.sequence) >= history(selected.name).next) {
    const before = history(selected.name).next;
    setTimeout(() => {
      if (store.selected === selected.name && history(selected.name).next === before) followAnew();
    }, 1500);
  }
  for (const one of store.runs.slice(0, 24)) await catchUp(one.name);
}

export async function poll() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, kPollMs));
  }
}

export async function learnRole() {
  try {
    const access = await (await request('GET', '/access')).json();
    store.mayChange = access.may_change;
    store.whyNot = access.reason;
  } catch (error) {
    store.mayChange = false;
    store.whyNot = error.message;
  }
}
