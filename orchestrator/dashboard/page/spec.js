// The settings in force, the checkpoints that are kept, the prompts in quarantine.
import {empty, h, num, replace} from './dom.js';

// Without what is empty: protobuf's JSON prints every plain field.
function pruned(value) {
  if (Array.isArray(value)) return value.length ? value.map(pruned) : undefined;
  if (value && typeof value === 'object') {
    const kept = Object.entries(value).map(([key, one]) => [key, pruned(one)])
        .filter(([, one]) => one !== undefined);
    return kept.length ? Object.fromEntries(kept) : undefined;
  }
  return value === '' || value === false || value === null ? undefined : value;
}

function checkpointRow(kept) {
  const step = num(kept.step);
  return h('tr', {}, h('td.num', {}, step > 0 ? step : `warm start`), h('td.num', {}, num(kept.version)),
      h('td', {}, h('code', {}, kept.path)), h('td.muted', {title: kept.sha256}, h('code', {},
          (kept.sha256 || '').slice(0, 12))));
}

export function specTab() {
  const spec = h('pre.spec');
  const kept = h('div.table-place');
  const away = h('div');
  return {
    element: h('div.columns-2', {},
        h('section.panel', {}, h('header', {}, h('h2', {}, 'Settings in force'),
            h('span.muted', {}, 'alterations included')), spec),
        h('div', {}, h('section.panel', {}, h('header', {}, h('h2', {}, 'Checkpoints')), kept),
            h('section.panel', {}, h('header', {}, h('h2', {}, 'Prompts in quarantine')), away))),
    runsChanged: (run) => {
      const text = JSON.stringify(pruned(run.spec) || {}, null, 2);
      if (spec.textContent !== text) spec.textContent = text;
      const checkpoints = [...(run.checkpoints || [])].reverse();
      replace(kept, checkpoints.length ? h('table.wide-table', {}, h('thead', {}, h('tr', {},
          [['step', '.num'], ['version', '.num'], ['folder', ''], ['sha256', '']].map(([head, kind]) =>
            h(`th${kind}`, {scope: 'col'}, head)))), h('tbody', {}, checkpoints.map(checkpointRow))) :
        empty('None is kept yet', 'The button Checkpoint keeps the newest version.'));
      replace(away, (run.quarantined || []).length ?
        h('ul.plain', {}, run.quarantined.map((id) => h('li', {}, h('code', {}, id)))) :
        h('p.muted', {}, 'None. A prompt goes there by itself when its samples keep failing, or by hand from the sample browser.'));
    },
  };
}
