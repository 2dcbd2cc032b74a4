// Who did what in a step: a row for each worker, a bar for each span.
import {call, request} from './api.js';
import {empty, h, hideTip, num, replace, seconds, showTip, svg} from './dom.js';
import {run} from './store.js';

const kKinds = ['generate', 'score', 'train', 'weights', 'checkpoint', 'status', 'wait'];
const kRow = 22, kLabel = 118, kTop = 22, kWidth = 1000;

// Lanes: spans of one worker that overlap lie under each other.
function lanesOf(spans) {
  const lanes = [];
  for (const span of spans) {
    let lane = lanes.findIndex((end) => end <= span.from);
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = span.to;
    span.lane = lane;
  }
  return Math.max(1, lanes.length);
}

function tickStep(total) {
  const rough = total / 7;
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough);
}

function draw(spans) {
  const begin = Math.min(...spans.map((span) => num(span.from_us)));
  const end = Math.max(...spans.map((span) => num(span.to_us)));
  const total = Math.max(1, end - begin);
  const scale = (kWidth - kLabel - 8) / total;
  const rows = new Map();
  for (const span of spans) {
    if (!rows.has(span.worker)) rows.set(span.worker, []);
    rows.get(span.worker).push({...span, from: num(span.from_us) - begin, to: num(span.to_us) - begin});
  }
  const parts = [];
  let top = kTop;
  const order = ([a], [b]) => Number(b === 'controller') - Number(a === 'controller') ||
      a.localeCompare(b, 'en', {numeric: true});
  for (const [worker, own] of [...rows].sort(order)) {
    const height = lanesOf(own) * kRow;
    parts.push(svg('line', {x1: 0, x2: kWidth, y1: top, y2: top, class: 'rule'}),
        svg('text', {x: 4, y: top + kRow / 2 + 4, class: 'label'}, worker));
    for (const span of own) {
      const tell = (event) => showTip(event.target, [span.name || span.kind,
        `${span.kind} · ${seconds((span.to - span.from) / 1e6)} · from ${seconds(span.from / 1e6)}`,
        span.error ? `ended: ${span.error}` : '']);
      parts.push(svg('rect', {x: (kLabel + span.from * scale).toFixed(2), y: top + span.lane * kRow + 3,
        width: Math.max(1.5, (span.to - span.from) * scale).toFixed(2), height: kRow - 6, rx: 2,
        tabindex: 0, class: `span k-${span.kind}${span.error ? ' failed' : ''}`,
        'aria-label': `${worker}: ${span.kind} ${span.name}`,
        onmouseenter: tell, onfocus: tell, onmouseleave: hideTip, onblur: hideTip}));
    }
    top += height;
  }
  const step = tickStep(total);
  for (let at = 0; at <= total; at += step) {
    const x = kLabel + at * scale;
    parts.unshift(svg('line', {x1: x, x2: x, y1: kTop - 4, y2: top, class: 'tick'}),
        svg('text', {x, y: kTop - 8, class: 'time'}, at === 0 ? '0' : seconds(at / 1e6)));
  }
  return svg('svg', {class: 'timeline', viewBox: `0 0 ${kWidth} ${top + 4}`, role: 'group',
    'aria-label': 'Timeline of the step'}, parts);
}

async function save(name, step) {
  const response = await request('GET', `/trace?run=${encodeURIComponent(name)}&step=${step}`);
  const link = h('a', {download: `${name}-step-${step}.trace.json`});
  link.href = URL.createObjectURL(await response.blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function timelineView(name) {
  let step = 0, newest = true, shown = 0, asked = 0, made = -1;
  const field = h('input', {size: 6, inputmode: 'numeric', 'aria-label': 'Step', onchange: () =>
    go(Number(field.value) || 0)});
  const place = h('div.timeline-place', {tabindex: 0, 'aria-label': 'Timeline'});
  const go = (to) => {
    newest = !to;
    step = to;
    load();
  };
  const move = (by) => go(Math.max(1, shown + by));

  async function load() {
    const mine = ++asked;
    let answer;
    try {
      answer = await call('GetTimeline', {run: name, step: newest ? 0 : step});
    } catch (error) {
      if (mine === asked) replace(place, empty('No timeline', error.message));
      return;
    }
    if (mine !== asked) return;
    shown = num(answer.step);
    field.value = shown;
    replace(place, (answer.spans || []).length ? draw(answer.spans) :
      empty('No spans of this step are kept', 'Choose a newer step.'));
  }

  return {
    element: h('section.panel', {},
        h('header', {}, h('h2', {}, 'Timeline of a step'), h('span.stepper', {},
            h('button', {'aria-label': 'Step before', onclick: () => move(-1)}, '‹'), field,
            h('button', {'aria-label': 'Step after', onclick: () => move(1)}, '›'),
            h('button', {onclick: () => go(0)}, 'newest')),
        h('span.grow'),
        h('button.quiet', {title: 'for ui.perfetto.dev or chrome://tracing',
          onclick: () => save(name, shown)}, 'Export trace')),
        h('div.legend', {}, kKinds.map((kind) => h(`span.kind.k-${kind}`, {}, kind))), place),
    // Follows the newest step while nobody points into it.
    update: () => {
      const now = num(run(name)?.last?.step);
      if (now === made || (made >= 0 && !newest) || place.matches(':hover, :focus-within')) return;
      made = now;
      load();
    },
  };
}
