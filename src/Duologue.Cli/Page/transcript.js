// The talk as a script: who speaks, what, and when. Everything a peer wrote enters the document as text, never as markup.

const LONGEST = 500;
const SAME_BREATH = 120000;
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/bmp']);

export class Transcript {
  #root; #empty; #newer;
  #last = null;
  #seen = new Set();
  #atEnd = true;
  #top = 0;
  #day = '';

  constructor(root, empty, newer) {
    this.#root = root;
    this.#empty = empty;
    this.#newer = newer;
    root.addEventListener('scroll', () => {
      // The event comes late, when more may have been added below: only moving up means that the reader left the end.
      const up = root.scrollTop < this.#top - 1;
      this.#top = root.scrollTop;
      if (root.scrollHeight - root.scrollTop - root.clientHeight < 60) {
        this.#atEnd = true;
        newer.hidden = true;
      } else if (up) {
        this.#atEnd = false;
      }
    }, { passive: true });
    newer.addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => { if (this.#atEnd) this.toEnd(); }).observe(root);
  }

  // After a reconnect the server tells its history again: what this page has shown is known by talk and number.
  isNew(talk, seq) {
    const key = `${talk}/${seq}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  said(event, own) {
    const body = element('p', 'words');
    body.textContent = event.text;
    this.#speak(event, own, body);
  }

  file(event, blob, own) {
    const figure = element('figure', 'file');
    const label = element('span', 'file-name', event.name);
    const size = element('span', 'file-size', formatBytes(event.size));
    if (!blob) {
      figure.append(caption(label, size, element('span', 'file-size', 'no longer kept by the server')));
    } else if (PICTURES.has(event.mime)) {
      const url = URL.createObjectURL(new Blob([blob], { type: event.mime }));
      const image = element('img', 'picture');
      image.alt = event.name;
      image.addEventListener('load', () => { if (this.#atEnd) this.toEnd(); });
      image.src = url;
      const link = element('a', 'picture-link');
      link.href = url;
      link.download = event.name;
      link.title = `Save ${event.name}`;
      link.append(image);
      figure.append(link, caption(label, size));
      figure.dataset.url = url;
    } else {
      // As octets: a page or a drawing with scripts in it must not run in this origin when it is opened.
      const url = URL.createObjectURL(new Blob([blob], { type: 'application/octet-stream' }));
      const link = element('a', 'download');
      link.href = url;
      link.download = event.name;
      link.append(element('span', 'download-sign', '↓'), label, size);
      figure.append(link);
      figure.dataset.url = url;
    }
    this.#speak(event, own, figure);
  }

  // A stage direction: what happened, rather than what was said.
  note(text, time = Date.now(), kind = '') {
    const line = element('p', `direction ${kind}`.trim());
    line.append(element('span', '', text), stamp(time));
    this.#last = null;
    this.#add(line, time);
  }

  toEnd() {
    this.#root.scrollTop = this.#root.scrollHeight;
    this.#top = this.#root.scrollTop;
    this.#atEnd = true;
    this.#newer.hidden = true;
  }

  #speak(event, own, body) {
    const last = this.#last;
    if (last && last.id === event.from.id && last.name === event.from.name && event.time - last.time < SAME_BREATH) {
      last.time = event.time;
      const line = element('div', 'utterance');
      line.append(body, stamp(event.time));
      last.lines.append(line);
      this.#afterAdd();
      return;
    }
    const speech = element('article', own ? 'speech own' : 'speech');
    speech.style.setProperty('--hue', hueOf(event.from.id));
    const who = element('h2', 'who');
    who.append(element('bdi', '', event.from.name));
    if (event.from.kind !== 'browser') who.append(element('span', 'kind', '>_'));
    const lines = element('div', 'lines');
    const line = element('div', 'utterance');
    line.append(body, stamp(event.time));
    lines.append(line);
    speech.append(who, lines);
    this.#last = { id: event.from.id, name: event.from.name, time: event.time, lines };
    this.#add(speech, event.time);
  }

  #add(node, time) {
    this.#empty.hidden = true;
    const day = new Date(time).toDateString();
    if (this.#day && day !== this.#day) {
      this.#root.append(element('p', 'day', new Date(time).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' })));
    }
    this.#day = day;
    this.#root.append(node);
    while (this.#root.childElementCount > LONGEST) {
      const oldest = this.#empty.nextElementSibling;
      for (const figure of oldest.querySelectorAll('[data-url]')) URL.revokeObjectURL(figure.dataset.url);
      oldest.remove();
    }
    this.#afterAdd();
  }

  #afterAdd() {
    if (this.#atEnd) this.toEnd();
    else this.#newer.hidden = false;
  }
}

// The golden angle keeps neighbours in the talk far apart in colour.
export function hueOf(id) { return Math.round((id * 137.508 + 20) % 360); }

export function element(tag, className = '', text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  return node;
}

export function formatBytes(count) {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(count < 10240 ? 1 : 0)} KiB`;
  return `${(count / 1048576).toFixed(1)} MiB`;
}

export function clockTime(time) {
  return new Date(time).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
}

function caption(...parts) {
  const node = element('figcaption', 'caption');
  node.append(...parts);
  return node;
}

function stamp(time) {
  const date = new Date(time);
  const node = element('time', 'stamp', date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }));
  node.dateTime = date.toISOString();
  node.title = date.toLocaleString();
  return node;
}
