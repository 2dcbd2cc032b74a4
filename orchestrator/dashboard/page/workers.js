// The fleet: a table of workers with cordon, and the timeline of a step.
import {ask} from './actions.js';
import {call} from './api.js';
import {empty, figure, h, num, replace, seconds, toast, word} from './dom.js';
import {store} from './store.js';
import {timelineView} from './timeline.js';

const kHeads = [['worker', ''], ['role', ''], ['state', ''], ['runs', ''], ['version', 'num'],
  ['out', 'num'], ['progress', 'num'], ['restarts', 'num'], ['silent', 'num'], ['device', ''], ['', '']];

function cordon(worker, done) {
  const away = !worker.cordoned;
  ask({title: `${away ? 'Cordon' : 'Uncordon'} ${worker.name}`, button: away ? 'Cordon' : 'Uncordon',
    text: away ? 'What is leased to it is given to others, and it gets nothing more.' :
      'It gets work again.',
    fields: [{name: 'reason', label: 'Reason'}]},
  async (values, id) => {
    await call('CordonWorker',
        {worker: worker.name, cordoned: away, reason: values.reason, request_id: id});
    toast(`${worker.name} is ${away ? 'cordoned' : 'in again'}.`);
    done();
  });
}

function row(worker, own, done) {
  const state = !worker.connected ? 'gone' : worker.cordoned ? 'cordoned' : 'connected';
  const gib = num(worker.capabilities?.memory_bytes) / 2 ** 30;
  const device = [worker.capabilities?.device, worker.capabilities?.threads ?
    `${worker.capabilities.threads} threads` : '', gib ? `${figure(gib)} GiB` : ''].filter(Boolean);
  return h('tr', {}, h('th', {scope: 'row', title: `${worker.address}, pid ${worker.pid}`}, worker.name),
      h('td', {}, word(worker.role, 'ROLE_')),
      h('td', {title: worker.cordon_reason}, h(`span.state.${state}`, {}, state),
          worker.cordon_reason ? h('span.muted', {}, ` ${worker.cordon_reason}`) : null),
      h('td', {}, (worker.runs || []).join(', ') || '–'),
      h('td.num', {}, own && num(own.version) >= 0 ? num(own.version) : '–'),
      h('td.num', {}, own ? num(own.samples_out) : '–'),
      h('td.num', {}, figure(num(worker.progress))), h('td.num', {}, num(worker.restarts)),
      h(`td.num${worker.silent_seconds > 5 ? '.bad' : ''}`, {}, seconds(worker.silent_seconds)),
      h('td.muted', {}, device.join(', ')),
      h('td', {}, h('button.quiet', {'data-worker': worker.name,
        'aria-disabled': store.mayChange ? null : 'true',
        title: store.mayChange ? '' : store.whyNot,
        onclick: () => (store.mayChange ? cordon(worker, done) : toast(store.whyNot))},
      worker.cordoned ? 'Uncordon' : 'Cordon')));
}

export function workersTab(name) {
  const table = h('div.table-place', {tabindex: 0, 'aria-label': 'Workers'});
  const timeline = timelineView(name);
  let loading = false, latest = null;

  async function load() {
    if (loading) return;
    loading = true;
    try {
      const workers = (await call('ListWorkers')).workers || [];
      const own = new Map((latest?.workers || []).map((worker) => [worker.name, worker]));
      const focused = document.activeElement?.dataset?.worker;
      replace(table, workers.length ?
        h('table.wide-table', {}, h('thead', {}, h('tr', {}, kHeads.map(([text, kind]) =>
          h(`th${kind ? `.${kind}` : ''}`, {scope: 'col'}, text)))),
        h('tbody', {}, workers.map((worker) => row(worker, own.get(worker.name), load)))) :
        empty('No worker has registered',
            'Start one with `temper rollout --controller ADDRESS`, and a learner and a reward service.'));
      if (focused) table.querySelector(`[data-worker="${CSS.escape(focused)}"]`)?.focus();
    } catch (error) {
      replace(table, empty('The fleet cannot be shown', error.message));
    } finally {
      loading = false;
    }
  }

  return {
    element: h('div', {}, h('section.panel', {}, h('header', {}, h('h2', {}, 'Workers'),
        h('span.muted', {}, 'of the whole fleet; version and samples out are of this run')), table),
    timeline.element),
    runsChanged: (one) => {
      latest = one;
      load();
      timeline.update();
    },
  };
}
