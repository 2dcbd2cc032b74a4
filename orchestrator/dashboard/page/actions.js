// Buttons that act on a run, each with a dialog that asks what is needed.
import {call, stream} from './api.js';
import {figure, h, num, replace, stateOf, toast} from './dom.js';
import {refresh, store} from './store.js';

const ended = (state) => ['stopped', 'failed', 'done'].includes(state);
const kReason = {name: 'reason', label: 'Reason', hint: 'for the event log; may be empty'};

// The fields of an Alteration, with where a run's spec has them.
const kAlterable = [
  ['learning_rate', 'Learning rate', (spec) => spec.learning_rate],
  ['kl', 'KL coefficient', (spec) => spec.kl],
  ['clip_low', 'Clip low', (spec) => spec.clip_low],
  ['clip_high', 'Clip high', (spec) => spec.clip_high],
  ['temperature', 'Temperature', (spec) => spec.temperature],
  ['max_tokens', 'Max tokens', (spec) => spec.max_tokens],
  ['group_size', 'Group size', (spec) => spec.group_size],
  ['staleness', 'Staleness', (spec) => spec.staleness],
  ['evaluate_every', 'Evaluate every', (spec) => spec.evaluate?.every],
];

function alteration(values) {
  const asked = {};
  for (const [name] of kAlterable) {
    if (values[name] !== '') asked[name] = Number(values[name]);
    if (Number.isNaN(asked[name])) throw new Error(`${name}: “${values[name]}” is not a number.`);
  }
  if (values.mixture.trim()) {
    try {
      asked.mixture = {shares: JSON.parse(values.mixture)};
    } catch {
      throw new Error('Mixture: expected JSON such as {"algebra": 3, "code": 1}.');
    }
  }
  if (!Object.keys(asked).length) throw new Error('Nothing is changed: fill in at least one field.');
  return asked;
}

const kActions = [
  {rpc: 'Pause', title: 'Pause', text: 'Nothing is generated, scored or trained until it is resumed.',
    fields: () => [kReason],
    not: (state) => (ended(state) ? `it is ${state}` : state === 'paused' ? 'it is paused' : '')},
  {rpc: 'Resume', title: 'Resume', text: 'Goes on where it is.', fields: () => [kReason],
    not: (state) => (['paused', 'draining', 'stopped', 'failed'].includes(state) ? '' : `it is ${state}`)},
  {rpc: 'Drain', title: 'Drain', fields: () => [kReason],
    text: 'Lets the step under way end, keeps a checkpoint, and stops.',
    not: (state) => (ended(state) || state === 'draining' ? `it is ${state}` : '')},
  {rpc: 'Stop', title: 'Stop', text: 'Ends at the next safe point, within a step. It can be resumed.',
    fields: () => [kReason], danger: true, not: (state) => (ended(state) ? `it is ${state}` : '')},
  {rpc: 'Checkpoint', title: 'Checkpoint', text: 'Keeps the newest version; it is never pruned.',
    fields: () => [], not: (state) => (ended(state) ? `it is ${state}` : ''),
    told: (answer) => `Kept at ${answer.checkpoint.path}.`},
  {rpc: 'Alter', title: 'Alter', text: 'Applies from the next step on. What is left empty stays.',
    not: (state) => (ended(state) ? `it is ${state}` : ''), columns: true,
    fields: (run) => [
      ...kAlterable.map(([name, label, now]) => ({name, label, mode: 'decimal',
        placeholder: now(run.spec || {}) === undefined ? 'default' : figure(now(run.spec || {}))})),
      {name: 'mixture', label: 'Mixture of tasks', placeholder: '{"algebra": 3}'}, kReason],
    body: (values) => ({alteration: alteration(values), reason: values.reason}),
    told: (answer) => `In force from step ${num(answer.altered.from_step)}.`},
  {rpc: 'Fork', title: 'Fork', text: 'Another run with the weights and moments of a kept step.',
    not: () => '',
    fields: (run) => [
      {name: 'step', label: 'After step', mode: 'numeric', required: true,
        options: (run.checkpoints || []).map((kept) => Math.max(0, num(kept.step))),
        value: num(run.checkpoints?.[run.checkpoints.length - 1]?.step)},
      {name: 'name', label: 'Name', placeholder: `${run.name}-at-…`},
      {name: 'settings', label: 'Other settings', area: true, placeholder: 'clip_high=0.28',
        hint: 'one field=value on each line'}],
    body: (values) => ({step: Number(values.step), name: values.name,
      settings: values.settings.split('\n').map((line) => line.trim()).filter(Boolean)}),
    told: (answer) => `Run ${answer.run} has begun.`,
    after: (answer) => { location.hash = `#/${encodeURIComponent(answer.run)}/curves`; }},
  {rpc: 'Replay', title: 'Replay', text: 'Redoes a step beside the run and compares every bit.',
    not: (state, run) => (num(run.last?.step) ? '' : 'no step is made yet'),
    fields: (run) => [{name: 'step', label: 'Step', mode: 'numeric', required: true,
      value: num(run.last?.step)}],
    body: (values) => ({step: Number(values.step)}), replay: true},
];

function input(field, index) {
  const id = `field-${index}`;
  const options = field.options?.length ?
    h('datalist', {id: `${id}-options`}, field.options.map((value) => h('option', {value}))) : null;
  const control = h(field.area ? 'textarea' : 'input', {id, name: field.name, autocomplete: 'off',
    spellcheck: 'false', inputmode: field.mode, placeholder: field.placeholder,
    list: options ? `${id}-options` : null, required: field.required,
    rows: field.area ? 3 : null});
  control.value = field.value ?? '';
  return h('div.field', {}, h('label', {for: id}, field.label), control, options,
      field.hint ? h('small.muted', {}, field.hint) : null);
}

// Asks in a dialog; `act(values)` does it, and its error stays in the dialog. The same request
// sent again has the same id, so that a lost answer does nothing twice.
export function ask({title, text, fields, button, danger, columns}, act) {
  const error = h('p.error', {role: 'alert', hidden: true});
  const result = h('div.result');
  const send = h(`button.${danger ? 'danger' : 'primary'}`, {type: 'submit'}, button || title);
  const form = h('form', {method: 'dialog'}, h('h2', {}, title),
      text ? h('p.muted', {}, text) : null,
      h(`div.fields${columns ? '.columns' : ''}`, {}, fields.map(input)), result, error,
      h('div.buttons', {}, h('button', {type: 'button', onclick: () => dialog.close()}, 'Close'), send));
  const dialog = h('dialog', {'aria-label': title}, form);
  const ids = new Map();
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    const key = JSON.stringify(values);
    if (!ids.has(key)) ids.set(key, crypto.randomUUID());
    send.disabled = true;
    error.hidden = true;
    try {
      if (await act(values, ids.get(key), result) !== false) dialog.close();
    } catch (failure) {
      error.textContent = failure.message;
      error.hidden = false;
    }
    send.disabled = false;
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function report(result, answer) {
  if (answer.progress) {
    const {what, done, total} = answer.progress;
    replace(result, h('p', {}, what), h('progress', {max: num(total) || 1, value: num(done)}));
    return;
  }
  const {equal, comparisons = [], seconds} = answer.report;
  replace(result,
      h(`p.${equal ? 'good' : 'bad'}`, {},
          equal ? `Every bit is equal (${figure(seconds)} s).` : 'There are differences.'),
      h('table', {}, h('tr', {}, h('th'), ['compared', 'differing'].map((head) => h('th.num', {}, head))),
          comparisons.map((one) => h('tr', {title: one.first_difference}, h('td', {}, one.name),
              h('td.num', {}, figure(one.compared)), h('td.num', {}, figure(one.differing))))));
}

function open(action, run) {
  ask({title: `${action.title} ${run.name}`, text: action.text, fields: action.fields(run),
    button: action.title, danger: action.danger, columns: action.columns},
  async (values, id, result) => {
    const body = {run: run.name, ...(action.body ? action.body(values) : values)};
    if (action.replay) {
      await stream(action.rpc, body, (answer) => report(result, answer));
      return false;
    }
    const answer = await call(action.rpc, {...body, request_id: id});
    toast(action.told ? action.told(answer) : `${run.name}: ${stateOf(answer)}.`);
    action.after?.(answer);
    await refresh();
    return true;
  });
}

// Fills `place`; buttons that cannot be used say why instead of vanishing.
export function actionButtons(place, run) {
  const state = stateOf(run);
  const why = (action) => (store.mayChange ? action.not(state, run) : store.whyNot);
  const key = JSON.stringify([run.name, kActions.map(why)]);
  place.current = run;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const focused = document.activeElement?.dataset?.rpc;
  replace(place, kActions.map((action) => {
    const reason = why(action);
    return h(`button${action.danger ? '.danger-quiet' : ''}`, {'data-rpc': action.rpc,
      'aria-disabled': reason ? 'true' : null,
      title: reason ? `${action.title}: not now, ${reason}` : action.text,
      onclick: () => (reason ? toast(`${action.title}: ${reason}`) : open(action, place.current))},
    action.title);
  }));
  if (focused) place.querySelector(`[data-rpc=${focused}]`)?.focus();
}
