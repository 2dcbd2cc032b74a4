// The sample browser: prompts with their completions side by side.
import {ask} from './actions.js';
import {call} from './api.js';
import {empty, figure, h, num, replace, toast, word} from './dom.js';
import {run, store} from './store.js';
import {legend, tokenText} from './tokens.js';

// Fewer where responses may be long.
const pageOf = (spec) => ((spec?.max_tokens || 256) > 2048 ? 8 : 32);

function scoreClass(value) {
  return value >= 0.75 ? 'good' : value >= 0.35 ? 'middling' : 'bad';
}

function partRow(part) {
  const title = [part.reason, part.details_json].filter(Boolean).join('\n');
  return h('tr', {title}, h('td', {}, part.verifier), h('td.num', {}, figure(part.value)),
      h('td', {}, part.verdict), h('td.muted.reason-cell', {}, part.reason));
}

function completion(sample) {
  const score = sample.score;
  const facts = [
    [`#${sample.number}`, 'number within the group'],
    [`${sample.token_count} tokens`, 'response tokens'],
    [word(sample.finish_reason, 'FINISH_REASON_') === 'length' ? 'cut at max tokens' : '', 'why it ended'],
    [(sample.versions || []).length ? `v${sample.versions.join(',')}` : '', 'weight versions'],
    [sample.worker, 'worker'],
  ].filter(([text]) => text);
  return h('article.completion', {},
      h('header', {},
          score ? h(`span.score.${scoreClass(score.value)}`, {title: score.reason}, figure(score.value)) :
            h('span.score', {}, sample.state),
          sample.advantage !== undefined ?
            h(`span.num.${sample.advantage >= 0 ? 'plus' : 'minus'}`, {title: 'advantage'},
                `${sample.advantage >= 0 ? '+' : ''}${figure(sample.advantage)}`) : null,
          h('span.facts-line.muted', {}, facts.map(([text, title]) => h('span', {title}, text)))),
      sample.dropped_reason ? h('p.error', {}, `dropped: ${sample.dropped_reason}`) : null,
      (sample.tokens || []).length ? tokenText(sample.tokens) :
        h('pre.response', {}, sample.response || '(no response yet)'),
      score ? h('table.parts', {}, (score.parts || []).map(partRow)) : null);
}

// Consecutive samples of one group.
function groups(samples) {
  const found = [];
  for (const sample of samples) {
    const last = found[found.length - 1];
    const key = `${sample.group_id}/${sample.evaluation}`;
    if (last?.key === key) last.samples.push(sample);
    else found.push({key, samples: [sample]});
  }
  return found;
}

function quarantine(name, promptId) {
  ask({title: 'Quarantine prompt', text: `“${promptId}” is not issued any more.`, danger: true,
    button: 'Quarantine', fields: [{name: 'reason', label: 'Reason'}]},
  async (values, id) => {
    await call('QuarantinePrompt',
        {run: name, prompt_id: promptId, reason: values.reason, request_id: id});
    toast(`${promptId} is in quarantine.`);
  });
}

function groupCard(name, {samples}, only) {
  const first = samples[0];
  const mean = samples.filter((one) => one.score).map((one) => one.score.value);
  return h('section.group', {},
      h('header', {},
          h('span.muted', {}, first.evaluation ? `evaluation after step ${num(first.step)}` :
            `step ${num(first.step)} · group ${num(first.group_id)}`),
          h('button.link', {title: 'show only this prompt', onclick: () => only(first.prompt_id)},
              first.prompt_id),
          mean.length > 1 ? h('span.muted.num', {}, `mean ${figure(mean.reduce((a, b) => a + b) / mean.length)}`) : null,
          h('span.grow'),
          store.mayChange && !first.evaluation ? h('button.quiet.small', {onclick: () =>
            quarantine(name, first.prompt_id)}, 'Quarantine…') : null),
      h('div.prompt', {}, h('pre', {}, first.prompt),
          first.answer ? h('p.muted', {}, 'expected ', h('code', {}, first.answer)) : null),
      h('div.completions', {tabindex: 0, 'aria-label': 'Completions'}, samples.map(completion)));
}

export function samplesTab(name) {
  const filter = {step: '', prompt_id: '', score_min: '', score_max: '', evaluation: false};
  const pages = [''];  // tokens of the pages up to the one that is shown
  let asked = 0;
  const results = h('div.results', {'aria-live': 'polite'});
  const paging = h('div.paging');

  const field = (key, label, options) => h('label.field-inline', {}, label,
      h('input', {name: key, size: 6, autocomplete: 'off', value: filter[key], ...options,
        onchange: (event) => set({[key]: event.target.value.trim()})}));
  const controls = h('form.filters', {onsubmit: (event) => event.preventDefault()});

  function set(change) {
    Object.assign(filter, change);
    pages.length = 1;
    showControls();
    load();
  }
  const lastStep = () => num(run(name)?.last?.step);
  const move = (by) => set({step: String(Math.max(1, Math.min(lastStep(),
      (Number(filter.step) || lastStep()) + by)))});

  function showControls() {
    const focused = controls.contains(document.activeElement) ? document.activeElement.name : '';
    replace(controls,
        h('div.switch', {role: 'group', 'aria-label': 'Kind of samples'},
            [['training', false], ['evaluation', true]].map(([text, value]) =>
              h('button', {type: 'button', 'aria-pressed': String(filter.evaluation === value),
                onclick: () => set({evaluation: value, step: value ? '' : String(lastStep() || '')})}, text))),
        h('span.stepper', {},
            h('button', {type: 'button', 'aria-label': 'Step before', onclick: () => move(-1)}, '‹'),
            field('step', 'step', {inputmode: 'numeric', placeholder: 'any'}),
            h('button', {type: 'button', 'aria-label': 'Step after', onclick: () => move(1)}, '›'),
            h('button', {type: 'button', onclick: () => set({step: String(lastStep() || '')})}, 'newest')),
        field('prompt_id', 'prompt', {size: 14, placeholder: 'any'}),
        field('score_min', 'score from', {inputmode: 'decimal', placeholder: '0', size: 4}),
        field('score_max', 'to', {inputmode: 'decimal', placeholder: '1', size: 4}),
        h('button.quiet', {type: 'button', onclick: () =>
          set({step: '', prompt_id: '', score_min: '', score_max: ''})}, 'Clear'));
    if (focused) controls.querySelector(`[name=${focused}]`)?.focus();
  }

  async function load() {
    const mine = ++asked;
    const body = {run: name, limit: pageOf(run(name)?.spec), with_tokens: true, evaluation: filter.evaluation,
      page_token: pages[pages.length - 1]};
    for (const key of ['step', 'score_min', 'score_max']) {
      if (filter[key] !== '') body[key] = Number(filter[key]);
    }
    if (filter.prompt_id) body.prompt_id = filter.prompt_id;
    results.classList.add('loading');
    let answer;
    try {
      answer = await call('GetSamples', body);
    } catch (error) {
      if (mine === asked) replace(results, empty('These samples cannot be shown', error.message));
      return;
    } finally {
      results.classList.remove('loading');
    }
    if (mine !== asked) return;
    const samples = answer.samples || [];
    replace(results, samples.length ?
      groups(samples).map((group) => groupCard(name, group, (id) =>
        set({prompt_id: id, step: ''}))) :
      empty('No samples match', filter.evaluation ?
        'Evaluations appear after the first one is made.' : 'Widen the filter, or clear it.'));
    replace(paging,
        h('button', {disabled: pages.length === 1, onclick: () => { pages.pop(); load(); }}, '‹ Back'),
        h('span.muted.num', {}, `page ${pages.length}`),
        h('button', {disabled: !answer.next_page_token, onclick: () => {
          pages.push(answer.next_page_token);
          load();
        }}, 'More ›'));
  }

  let begun = false;
  return {
    element: h('div', {}, controls, legend(), results, paging),
    runsChanged: () => {
      if (begun && (filter.step !== '' || filter.evaluation || !lastStep())) return;
      if (begun) return;
      begun = lastStep() > 0;
      filter.step = String(lastStep() || '');
      showControls();
      load();
    },
  };
}
