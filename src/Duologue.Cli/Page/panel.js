// The side of the page that shows the connection itself: who is here, round trip, readyState, numbers.

import { STATES } from './conversation.js';
import { clockTime, element, formatBytes, hueOf } from './transcript.js';

const SAMPLES = 60;
const WIDTH = 300;
const HEIGHT = 72;
const SVG = 'http://www.w3.org/2000/svg';
const $ = id => document.getElementById(id);
const number = new Intl.NumberFormat();

export class Panel {
  #samples = [];

  showState(conversation) {
    const state = conversation.readyState;
    $('state').dataset.state = state;
    $('clock').classList.toggle('stale', state !== 1);
    if (state !== 1) {
      set('toggle-rtt', '– ms');
      set('rtt-now', '–');
    }
    set('state-name', STATES[state]);
    set('state-number', state);
    for (const step of $('ladder').children) {
      const current = step.dataset.state === String(state);
      if (current) step.setAttribute('aria-current', 'step');
      else step.removeAttribute('aria-current');
    }
    $('changes').replaceChildren(...conversation.history.slice(-4).reverse().map(change => {
      const line = element('li');
      line.dataset.state = change.state;
      line.append(element('time', '', clockTime(change.at)), element('span', '', `${change.state} ${STATES[change.state]}`));
      return line;
    }));
    set('toggle-connection', state === 1 ? 'Close the connection' : state === 2 ? 'Closing…' : state === 0 ? 'Connecting…' : 'Connect');
    $('toggle-connection').disabled = state === 2 || state === 0;
    set('protocol', conversation.protocol || '–');
    set('extensions', conversation.extensions || 'none');
    this.showStrip(conversation);
  }

  // The life of the connection since the page was opened, left to right.
  showStrip(conversation) {
    const history = conversation.history;
    if (!history.length) return;
    const now = Date.now();
    const start = history[0].at;
    const span = Math.max(now - start, 1000);
    $('strip').replaceChildren(...history.map((change, i) => {
      const end = i + 1 < history.length ? history[i + 1].at : now;
      const rect = document.createElementNS(SVG, 'rect');
      rect.setAttribute('x', ((change.at - start) / span * WIDTH).toFixed(2));
      rect.setAttribute('width', Math.max((end - change.at) / span * WIDTH, 0.8).toFixed(2));
      rect.setAttribute('height', '10');
      rect.setAttribute('data-state', change.state);
      return rect;
    }));
  }

  showTraffic(conversation) {
    const t = conversation.traffic;
    set('text-in', number.format(t.textIn));
    set('text-out', number.format(t.textOut));
    set('binary-in', number.format(t.binaryIn));
    set('binary-out', number.format(t.binaryOut));
    set('bytes-in', formatBytes(t.bytesIn));
    set('bytes-out', formatBytes(t.bytesOut));
    set('overhead-in', formatBytes(t.overheadIn));
    set('overhead-out', formatBytes(t.overheadOut));
    set('buffered', formatBytes(conversation.bufferedAmount));
  }

  showPeople(people, own) {
    const list = [...people.values()].sort((a, b) => a.id - b.id);
    set('people-count', list.length);
    set('toggle-people', `${list.length} here`);
    $('people').replaceChildren(...list.map(person => {
      const line = element('li', person.id === own ? 'own' : '');
      line.style.setProperty('--hue', hueOf(person.id));
      line.append(element('span', 'dot'), element('bdi', 'person', person.name));
      if (person.id === own) line.append(element('span', 'tag', 'you'));
      line.append(element('span', 'place', person.kind));
      return line;
    }));
  }

  addRoundTrip(ms) {
    this.#samples.push(ms);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    const worst = sorted[sorted.length - 1];
    set('rtt-now', formatMs(ms));
    set('rtt-median', formatMs(median));
    set('rtt-best', formatMs(sorted[0]));
    set('rtt-worst', formatMs(worst));
    set('toggle-rtt', `${formatMs(ms)} ms`);
    // One outlier must not flatten all the rest: what is far above the others is cut at the top, and named by "worst".
    const usual = sorted[Math.floor(sorted.length * 0.9)];
    const top = niceCeiling(Math.min(worst, Math.max(usual * 1.5, median * 3)));
    set('chart-top', `${top} ms`);
    const step = WIDTH / (SAMPLES - 1);
    const first = SAMPLES - this.#samples.length;
    const points = this.#samples.map((value, i) => [((first + i) * step), HEIGHT - 1 - Math.min(value / top, 1) * (HEIGHT - 6)]);
    const line = points.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
    $('chart-line').setAttribute('d', points.length > 1 ? line : `${line}h0.01`);
    $('chart-area').setAttribute('d', `${line}L${WIDTH} ${HEIGHT}L${points[0][0].toFixed(1)} ${HEIGHT}Z`);
    $('chart').setAttribute('aria-label',
      `Round trip over the last ${this.#samples.length} sample${this.#samples.length === 1 ? '' : 's'}: now ${formatMs(ms)}, median ${formatMs(median)}, worst ${formatMs(worst)} milliseconds`);
  }
}

function set(id, text) {
  const node = $(id);
  const value = String(text);
  if (node.textContent !== value) node.textContent = value;
}

function formatMs(ms) { return ms < 10 ? ms.toFixed(1) : String(Math.round(ms)); }

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.5)));
  for (const factor of [1, 2, 5, 10]) {
    if (value <= factor * power) return factor * power;
  }
  return 10 * power;
}
