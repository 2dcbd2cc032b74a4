// The tab of curves: a card for each number, other runs laid over, marks of what happened.
import {LineChart, colorOf, kGlyphs} from './charts.js';
import {empty, figure, h, num, replace} from './dom.js';
import {catchUp, history, run, store} from './store.js';

// What each card draws, from StepMetrics.
const kCards = [
  {title: 'Reward', help: 'mean of the step’s samples; band: ± one standard deviation', wide: true, unit: true,
    of: (m) => m.reward_mean, band: (m) => m.reward_std},
  {title: 'Evaluation accuracy', help: 'held-out problems, greedy', evaluations: true, unit: true},
  {title: 'Response length', help: 'mean tokens', of: (m) => m.length_mean},
  {title: 'Entropy', zero: true, help: 'mean over response tokens, nats', of: (m) => m.entropy},
  {title: 'KL', zero: true, help: 'mean k3 estimate to the reference; 0 without one', of: (m) => m.kl},
  {title: 'Log-prob mismatch', zero: true, exact: true, of: (m) => num(m.logprob_mismatch),
    help: 'tokens whose log-probability bits differ between rollout and learner; 0 is the promise'},
  {title: 'Tokens per second', help: 'of the whole step', of: (m) => m.tokens_per_second},
  {title: 'Gradient norm', zero: true, help: 'before clipping', of: (m) => m.grad_norm},
  {title: 'Learning rate', zero: true, exact: true, help: 'of the optimiser, schedule included', of: (m) => m.learning_rate},
  {title: 'Clip fraction', zero: true, help: 'share of response tokens whose ratio was clipped',
    of: (m) => m.clip_fraction},
  {title: 'Groups without signal', zero: true, exact: true, help: 'groups whose samples all scored the same',
    of: (m) => num(m.groups_without_signal)},
  {title: 'Seconds of a step', help: 'where the time went; this run only', parts: true, stacked: true,
    wide: true},
];
const kParts = ['rollout', 'reward', 'train', 'sync'];

const overlays = new Map();  // run -> Set of runs laid over it
let smoothing = 0;           // weight of what came before

// An exponential mean whose start is not drawn towards 0.
function smoothed(points) {
  let sum = 0, weight = 0;
  return points.map(({x, y}) => {
    sum = smoothing * sum + (1 - smoothing) * y;
    weight = smoothing * weight + (1 - smoothing);
    return {x, y: sum / weight};
  });
}

// Forks and parents first.
function isNear(name, other) {
  const parent = run(name)?.parent;
  return other.parent === name || (parent && (parent === other.name || parent === other.parent));
}
function candidates(name) {
  return store.runs.filter((other) => other.name !== name)
      .sort((a, b) => Number(Boolean(isNear(name, b))) - Number(Boolean(isNear(name, a))));
}

function seriesOf(card, names) {
  if (card.parts) {
    return kParts.map((part, i) => ({label: part, fill: i === 0 ? 'origin' : '-1',
      color: getComputedStyle(document.documentElement).getPropertyValue(`--series-${i}`).trim(),
      points: history(names[0]).steps.map(({x, metrics}) => ({x, y: metrics.seconds?.[part] || 0}))}));
  }
  const smooth = smoothing && !card.exact;
  return names.flatMap((name, i) => {
    const known = history(name), color = colorOf(name);
    if (card.evaluations) return {label: name, color, points: known.evaluations, dots: true};
    const points = known.steps.map(({x, metrics}) => ({x, y: Number(card.of(metrics))}));
    const series = {label: name, color, strong: i === 0,
      points: smooth ? smoothed(points) : points};
    if (card.band && i === 0) {
      series.low = known.steps.map(({x, metrics}) =>
        ({x, y: Math.max(0, card.of(metrics) - card.band(metrics))}));
      series.high = known.steps.map(({x, metrics}) =>
        ({x, y: Math.min(1, card.of(metrics) + card.band(metrics))}));
    }
    return smooth ? [series, {...series, points, faint: true, low: null}] : series;
  });
}

function markLine(mark) {
  return h('li', {}, h('b', {}, kGlyphs[mark.kind]), h('span.num', {}, `step ${mark.x}`),
      mark.text, mark.who ? h('span.muted', {}, `by ${mark.who}`) : null);
}

export function curvesTab(name) {
  if (!overlays.has(name)) {
    const kin = candidates(name).filter((other) => isNear(name, other)).slice(0, 3);
    overlays.set(name, new Set(kin.map((other) => other.name)));
  }
  const over = overlays.get(name);
  colorOf(name);
  const chooser = h('div.overlays', {role: 'group', 'aria-label': 'Runs laid over each other'});
  const marks = h('ul.marks');
  const nothing = h('div', {hidden: true}, empty('No step is made yet',
      'Curves begin with the first policy step.'));
  const cards = kCards.map((card) => {
    const canvas = h('canvas', {role: 'img', 'aria-label': `${card.title} over policy steps`});
    const now = h('span.now.num');
    return {card, canvas, now, element: h(`article.card${card.wide ? '.wide' : ''}`, {},
        h('header', {title: card.help}, h('h3', {}, card.title), now), h('div.plot', {}, canvas)),
    chart: null};
  });
  const grid = h('div.cards', {}, cards.map(({element}) => element));
  const smooth = h('label.smooth', {}, 'smooth', h('input', {type: 'range', min: 0, max: 0.95, step: 0.05,
    value: smoothing, oninput: (event) => { smoothing = Number(event.target.value); show(); }}));
  const element = h('div', {}, h('div.curves-bar', {}, chooser, smooth), nothing, grid, h('div.marks-place', {}, marks));

  function show() {
    const names = [name, ...[...over].filter((other) => run(other))];
    const known = history(name);
    nothing.hidden = known.steps.length > 0;
    grid.hidden = known.steps.length === 0;
    if (grid.hidden) return;
    for (const one of cards) {
      const series = seriesOf(one.card, names);
      one.chart ??= new LineChart(one.canvas, one.card);
      one.chart.show(series, known.marks);
      const raw = series.find((line) => line.faint) || series[0];
      const last = raw?.points[raw.points.length - 1];
      if (one.card.parts) {
        replace(one.now, series.map(({label, color}) =>
          h('span.key', {color}, label)));
      } else {
        one.now.textContent = last ? figure(last.y) : '–';
      }
    }
    const told = known.marks.filter((mark) => mark.kind !== 'checkpoint').slice(-6).reverse();
    replace(marks, told.map(markLine),
        known.marks.some((mark) => mark.kind === 'checkpoint') ?
          h('li.muted', {}, h('b', {}, kGlyphs.checkpoint), 'ticks at the foot of a chart: checkpoints') : null);
  }

  function choose() {
    const others = candidates(name);
    const key = JSON.stringify([others.map((other) => other.name), [...over]]);
    if (chooser.dataset.key === key) return;
    chooser.dataset.key = key;
    const focused = document.activeElement?.value;
    replace(chooser, h('span.key.strong', {color: colorOf(name)}, name),
        others.slice(0, 12).map((other) => h('label.key', {color: over.has(other.name) ?
          colorOf(other.name) : 'transparent'},
        h('input', {type: 'checkbox', value: other.name, checked: over.has(other.name),
          onchange: (event) => {
            if (event.target.checked) {
              over.add(other.name);
              catchUp(other.name);
            } else {
              over.delete(other.name);
            }
            choose();
            show();
          }}), other.name)));
    if (focused) [...chooser.querySelectorAll('input')].find((box) => box.value === focused)?.focus();
  }

  const scheme = matchMedia('(prefers-color-scheme: dark)');
  const recolor = () => {
    for (const one of cards) {
      one.chart?.destroy();
      one.chart = null;
    }
    chooser.dataset.key = '';
    choose();
    show();
  };
  scheme.addEventListener('change', recolor);
  choose();
  return {
    element,
    runsChanged: choose,
    historyChanged: (names) => {
      if (names.has(name) || [...over].some((other) => names.has(other))) show();
    },
    leave: () => {
      scheme.removeEventListener('change', recolor);
      for (const one of cards) one.chart?.destroy();
    },
  };
}
