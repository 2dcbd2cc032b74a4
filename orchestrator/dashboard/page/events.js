// What is waited for, and what has happened.
import {call} from './api.js';
import {clock, empty, figure, h, num, replace, seconds, stateOf, word} from './dom.js';
import {history, kindOf} from './store.js';

const kRowsMax = 300;

function waitRow(wait) {
  const share = wait.deadline_seconds ? wait.age_seconds / wait.deadline_seconds : 0;
  const idle = wait.policy === 'WAIT_POLICY_IDLE';
  const level = idle ? 'idle' : share > 0.8 ? 'bad' : share > 0.5 ? 'middling' : 'good';
  return h('tr', {}, h('th', {scope: 'row'}, wait.name),
      h('td', {}, h('div.wait-bar', {title: `${Math.round(100 * share)} % of the deadline`},
          h(`i.${level}`, {'width%': Math.min(100, 100 * share)}))),
      h('td.num', {}, `${seconds(wait.age_seconds)} of ${seconds(wait.deadline_seconds)}`),
      h('td', {}, word(wait.policy, 'WAIT_POLICY_')), h('td.muted', {}, wait.owner),
      h('td.muted', {}, wait.run || '–'));
}

export function waitsTab(name) {
  const place = h('div.table-place');
  const all = h('input', {type: 'checkbox', onchange: () => load()});
  const idle = h('input', {type: 'checkbox', onchange: () => load()});
  let loading = false;

  async function load() {
    if (loading) return;
    loading = true;
    try {
      const waits = ((await call('ListWaits', {run: all.checked ? '' : name})).waits || [])
          .filter((wait) => idle.checked || wait.policy !== 'WAIT_POLICY_IDLE');
      replace(place, waits.length ? h('table.wide-table', {},
          h('thead', {}, h('tr', {}, ['wait', 'age', '', 'then', 'owner', 'run'].map((text) =>
            h('th', {scope: 'col'}, text)))), h('tbody', {}, waits.map(waitRow))) :
        empty('Nothing is waited for', 'A wait that is in the way appears here with its age, ' +
            'its deadline, and what happens when that passes.'));
    } catch (error) {
      replace(place, empty('Waits cannot be shown', error.message));
    } finally {
      loading = false;
    }
  }

  return {
    element: h('section.panel', {}, h('header', {}, h('h2', {}, 'Waits'),
        h('span.muted', {}, 'the oldest first'), h('span.grow'),
        h('label', {}, all, ' of all runs'), h('label', {}, idle, ' those for work')), place),
    runsChanged: load,
  };
}

// What an event says, in one line.
function sentence(event) {
  const kind = kindOf(event), it = event[kind];
  switch (kind) {
    case 'step':
      return `step ${num(it.step)}: reward ${figure(it.reward_mean)}, length ${figure(it.length_mean)}, ` +
        `entropy ${figure(it.entropy)}, ${figure(it.tokens_per_second)} tokens/s`;
    case 'note': return it;
    case 'evaluation':
      return `after step ${num(it.step)}: ${figure(100 * it.accuracy)} % of ${num(it.problems)} problems`;
    case 'ended': return `${stateOf(it)}${it.reason ? `: ${it.reason}` : ''}${it.model_dir ? `, ${it.model_dir}` : ''}`;
    case 'warm_start': return `warm start: loss ${figure(it.loss)}`;
    case 'state_change':
      return `${word(it.before, 'RUN_STATE_')} → ${word(it.after, 'RUN_STATE_')}${it.reason ? `: ${it.reason}` : ''}`;
    case 'altered':
      return `from step ${num(it.from_step)}: ` + (it.changes || []).map((change) =>
        `${change.field} ${change.before} → ${change.after}`).join(', ') + (it.reason ? ` (${it.reason})` : '');
    case 'stall': return `${it.name}, ${seconds(it.age_seconds)} (${it.owner})`;
    case 'checkpoint': return `${it.path}, version ${num(it.version)}`;
    case 'quarantined': return `prompt ${it.prompt_id}${it.reason ? `: ${it.reason}` : ''}`;
    case 'forked': return `${it.run} begins after step ${num(it.step)}`;
    default: return JSON.stringify(event);
  }
}

export function eventsTab(name) {
  const hidden = new Set(['step']);
  let who = '', text = '', more = kRowsMax;
  const kinds = h('div.kinds', {role: 'group', 'aria-label': 'Kinds of events'});
  const people = h('select', {'aria-label': 'Who', onchange: () => { who = people.value; show(); }});
  const search = h('input', {type: 'search', placeholder: 'search', 'aria-label': 'Search',
    oninput: () => { text = search.value.toLowerCase(); show(); }});
  const place = h('div.table-place');
  const element = h('section.panel', {}, h('header', {}, h('h2', {}, 'Events'), kinds, h('span.grow'),
      people, search), place);

  function show() {
    const log = history(name).log;
    const present = [...new Set(log.map(kindOf))].sort();
    const names = [...new Set(log.map((event) => event.who || ''))].sort();
    const key = JSON.stringify([present, names]);
    if (element.dataset.key !== key) {
      element.dataset.key = key;
      replace(kinds, present.map((kind) => h('label', {}, h('input', {type: 'checkbox',
        checked: !hidden.has(kind), onchange: (event) => {
          if (event.target.checked) hidden.delete(kind);
          else hidden.add(kind);
          show();
        }}), ` ${kind.replaceAll('_', ' ')}`)));
      replace(people, h('option', {value: ''}, 'by anybody'),
          names.filter(Boolean).map((one) => h('option', {value: one}, `by ${one}`)));
      people.value = who;
    }
    const rows = [];
    let left = 0;
    for (let i = log.length - 1; i >= 0; --i) {
      const event = log[i], kind = kindOf(event);
      if (hidden.has(kind) || (who && event.who !== who)) continue;
      const told = sentence(event);
      if (text && !`${kind} ${told} ${event.who}`.toLowerCase().includes(text)) continue;
      if (rows.length >= more) {
        ++left;
        continue;
      }
      rows.push(h('tr', {}, h('td.num.muted', {}, num(event.sequence)),
          h('td.time', {}, clock(event.time_ms)),
          h('td', {}, h(`span.kind-tag.${kind}`, {}, kind.replaceAll('_', ' '))),
          h('td.told', {}, told), h('td.muted', {}, event.who)));
    }
    replace(place, rows.length ? [h('table.wide-table.log', {}, h('thead', {}, h('tr', {},
        ['#', 'time', 'kind', 'what', 'who'].map((head) => h('th', {scope: 'col'}, head)))),
    h('tbody', {}, rows)),
    left ? h('button', {onclick: () => { more += kRowsMax; show(); }}, `${left} older`) : null] :
      empty('No event matches', log.length ? 'Tick more kinds, or clear the search.' :
        'Events appear here as they happen.'));
  }

  show();
  return {
    element,
    historyChanged: (names) => { if (names.has(name)) show(); },
  };
}
