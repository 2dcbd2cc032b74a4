// Building elements, and writing numbers and times. Text goes in as text, never as markup.

// h('td.num', {title: 'x', onclick: f}, 'text', element, null, [more]).
export function h(what, options, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = fill(document.createElement(tag || 'div'), options, children);
  if (classes.length) element.classList.add(...classes);
  return element;
}

export function svg(tag, options, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), options, children);
}

function fill(element, options, children) {
  for (const [name, value] of Object.entries(options || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'width%') element.style.width = `${value}%`;
    else if (name === 'color') element.style.setProperty('--color', value);
    else if (name === 'value' || name === 'checked') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

export const $ = (id) => document.getElementById(id);

// 64-bit numbers are strings in protobuf's JSON; what is absent is 0.
export const num = (value) => (value === undefined || value === null ? 0 : Number(value));

// Four significant digits; large numbers in groups of three.
export function figure(value) {
  const x = Number(value);
  if (!Number.isFinite(x)) return String(value);
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size >= 1e9 || size < 1e-4) return x.toExponential(2).replace('e+', 'e');
  if (size >= 1000) return Math.round(x).toLocaleString('en-US');
  return String(Number(x.toPrecision(size >= 100 ? 4 : 3)));
}

export function seconds(value) {
  const s = Number(value) || 0;
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 >= 1 ? ` ${Math.floor(s % 60)} s` : ''}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function clock(ms) {
  const time = new Date(num(ms));
  const day = time.toDateString() === new Date().toDateString() ? '' :
      time.toLocaleDateString('en-CA') + ' ';
  return day + time.toLocaleTimeString('en-GB');
}

// "RUN_STATE_PAUSED" -> "paused".
export const word = (name, prefix) =>
    (name || '').replace(prefix, '').toLowerCase().replaceAll('_', ' ');
export const stateOf = (run) => word(run.state, 'RUN_STATE_');

export function toast(text, kind = 'info') {
  const item = h(`div.toast.${kind}`, {}, text,
      h('button.icon-button', {'aria-label': 'Dismiss', onclick: () => item.remove()}, '×'));
  $('toasts').append(item);
  setTimeout(() => item.remove(), kind === 'error' ? 12000 : 5000);
}

// A note beside the pointer or the focused element; `lines` is text.
export function showTip(target, lines) {
  const tip = $('tip');
  replace(tip, lines.filter(Boolean).map((line) => h('div', {}, line)));
  tip.hidden = false;
  const at = target.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left + Math.min(at.width / 2, 160) - own.width / 2,
      innerWidth - own.width - 8));
  const top = at.top - own.height - 8 < 4 ? at.bottom + 8 : at.top - own.height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}
export const hideTip = () => { $('tip').hidden = true; };

export const empty = (title, text) =>
    h('div.empty', {}, h('strong', {}, title), text ? h('p', {}, text) : null);
