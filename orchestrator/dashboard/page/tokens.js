// A response as its tokens, coloured by their log-probabilities.
import {h, hideTip, showTip} from './dom.js';

// Log-probabilities at which the colour changes; class lp0 is above the first.
const kTokensMax = 3000;
const kSteps = [-0.05, -0.3, -0.7, -1.6, -3, -5];
const levelOf = (logprob) => kSteps.filter((step) => logprob < step).length;

function bytesOf(base64) {
  return Uint8Array.from(atob(base64 || ''), (letter) => letter.charCodeAt(0));
}

export function legend() {
  const words = ['p > 0.95', '0.74', '0.50', '0.20', '0.05', '0.007', 'less'];
  return h('div.legend', {'aria-label': 'Colours of tokens by their probability'},
      h('span.muted', {}, 'token probability'),
      words.map((text, level) => h(`span.lp${level}`, {}, text)),
      h('span.forced', {title: 'not sampled; carries no loss'}, 'put in'));
}

// Characters whose bytes are spread over tokens appear with the token that completes them.
function pieces(tokens) {
  const decoder = new TextDecoder('utf-8');
  return tokens.map((token, i) => {
    const bytes = bytesOf(token.text);
    const text = decoder.decode(bytes, {stream: i + 1 < tokens.length});
    return {token, bytes, text};
  });
}

function tipOf({token, bytes, text}, index) {
  const logprob = Number(token.logprob);
  const shown = text ? JSON.stringify(text) :
    `bytes ${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`;
  return [`${shown}  ·  token ${index + 1}, id ${token.id}`,
    token.forced ? 'put in, not sampled' :
      `log-prob ${logprob.toFixed(4)}  ·  p = ${Math.exp(logprob).toPrecision(3)}`];
}

function visible(text) {
  return text.replaceAll('\n', '↵\n').replaceAll('\t', '⇥\t');
}

// The text with tokens; arrow keys walk through them.
export function tokenText(tokens, max = kTokensMax) {
  const all = pieces(tokens.slice(0, max));
  const spans = all.map(({token, bytes, text}, i) => {
    const level = token.forced ? 'forced' : `lp${levelOf(Number(token.logprob))}`;
    return h(`span.token.${level}`, {'data-at': i}, text ? visible(text) : bytes.length ? '·' : '∅');
  });
  let at = -1;
  const point = (index) => {
    spans[at]?.classList.remove('at');
    at = index;
    spans[at]?.classList.add('at');
    if (spans[at]) showTip(spans[at], tipOf(all[at], at));
    else hideTip();
  };
  const text = h('pre.response', {tabindex: 0, 'aria-label': 'Response; arrow keys walk through its tokens',
    onmouseover: (event) => {
      const index = event.target.dataset?.at;
      if (index !== undefined) point(Number(index));
    },
    onmouseleave: () => point(-1),
    onblur: () => point(-1),
    onkeydown: (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      event.preventDefault();
      point(Math.max(0, Math.min(spans.length - 1, at + step)));
    }}, spans);
  if (tokens.length > max) {
    text.append(h('button.link', {onclick: () => text.replaceWith(tokenText(tokens, tokens.length))},
        `… ${tokens.length - max} more tokens`));
  }
  return text;
}
