// Calls of the controller: JSON over POST, streams as server-sent events, the caller's token.
import {h} from './dom.js';

const kToken = 'temper.token';

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const token = () => sessionStorage.getItem(kToken) || '';

let asking = null;
let declined = false;  // asked and turned away: only the button asks again
const listeners = [];
export const onToken = (listener) => listeners.push(listener);

// Asks for a token once, however many calls wait for it.
export function askForToken(reason) {
  asking ??= new Promise((resolve) => {
    const field = h('input', {type: 'password', name: 'token', autocomplete: 'off',
      'aria-label': 'Token', spellcheck: 'false'});
    const dialog = h('dialog', {},
        h('form', {method: 'dialog'},
            h('h2', {}, 'Token'),
            h('p.muted', {}, reason || 'This controller asks who you are.'),
            field,
            h('p.muted.small', {}, 'Kept in this tab only; it is forgotten when the tab is closed.'),
            h('div.buttons', {},
                h('button', {value: 'forget', type: 'submit'}, 'Use none'),
                h('button.primary', {value: 'use', type: 'submit'}, 'Use it'))));
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'use') sessionStorage.setItem(kToken, field.value.trim());
      if (dialog.returnValue === 'forget') sessionStorage.removeItem(kToken);
      dialog.remove();
      asking = null;
      declined = dialog.returnValue !== 'use';
      if (dialog.returnValue) for (const listener of listeners) listener();
      resolve(!declined);
    });
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      dialog.close('use');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

export async function request(method, path, body, signal) {
  const headers = {'X-Temper-Dashboard': '1'};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token()) headers.Authorization = `Bearer ${token()}`;
  let response;
  try {
    response = await fetch(path, {method, headers, signal,
      body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('UNAVAILABLE', 'The controller does not answer.');
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const error = new ApiError(told.code || String(response.status),
      told.message || `HTTP ${response.status}`);
  if (response.status === 401 && !declined && await askForToken(error.message)) {
    return request(method, path, body, signal);
  }
  throw error;
}

export async function call(rpc, body = {}) {
  return (await request('POST', `/v1/${rpc}`, body)).json();
}

// Calls `take` with each message; returns when the stream has ended, throws when it has failed.
export async function stream(rpc, body, take, signal) {
  const response = await request('POST', `/v1/${rpc}`, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {value, done} = await reader.read().catch((error) => {
      if (error.name === 'AbortError') throw error;
      throw new ApiError('UNAVAILABLE', 'The stream has broken.');
    });
    if (done) throw new ApiError('UNAVAILABLE', 'The stream has broken.');
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (event === 'end') return;
      if (event === 'error') {
        const told = JSON.parse(data);
        throw new ApiError(told.code, told.message);
      }
      if (data) take(JSON.parse(data));
    }
  }
}
