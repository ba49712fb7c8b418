// Draws what happened in the last seconds, with now at the right.

const SVG = 'http://www.w3.org/2000/svg';

/** When messages were published. */
export function showNews(svg, times, now, span) {
  const pen = new Pen(svg, now, span);
  for (const at of times) pen.circle('published', at, pen.height / 2, 5);
  pen.finish();
}

/** One way: what it asked, what arrived, and how long after it was published. */
export class Strip {
  constructor(svg, title, isStream) {
    this.svg = svg;
    this.title = title;
    this.isStream = isStream;
    this.described = -Infinity;
  }

  draw(asked, arrivals, published, now, span) {
    const pen = new Pen(this.svg, now, span);
    const middle = pen.height / 2;
    const half = pen.height * 0.27;
    for (const at of published) pen.line('when', at, 0, at, pen.height);
    for (const { from, to, news } of asked) {
      const kind = news || to === null ? '' : ' fruitless';
      pen.rect(`open${kind}`, from, to ?? now, middle - half, half * 2);
      // Streams end only when the line is cut: their one request is not an event of the strip.
      if (!this.isStream) pen.line(`ask${kind}`, from, middle - half, from, middle + half);
    }
    for (const { at, since } of arrivals) {
      pen.line('late', since, middle, at, middle);
      pen.circle('arrived', at, middle, 5.5);
    }
    pen.finish();
    this.describe(asked, arrivals, now);
  }

  // For who hears the page; not at each frame.
  describe(asked, arrivals, now) {
    if (now - this.described < 2000) return;
    this.described = now;
    const late = arrivals.map(({ at, since }) => Math.round(at - since));
    this.svg.setAttribute('aria-label', `${this.title}, the last 12 seconds: ${count(asked.length, 'request')}, ${count(arrivals.length, 'message')}${late.length ? `, ${count(Math.max(...late), 'millisecond')} late at most` : ''}`);
  }
}

// Uses the shapes of the last frame again: a drawing of some sixty shapes, sixty times a second.
class Pen {
  constructor(svg, now, span) {
    this.svg = svg;
    this.now = now;
    this.span = span;
    this.width = svg.clientWidth;
    this.height = svg.clientHeight;
    this.next = svg.firstElementChild;
    svg.setAttribute('viewBox', `0 0 ${this.width || 1} ${this.height || 1}`);
  }

  // Room at the right for half a dot.
  x(at) { return (this.width - 7) * (1 - (this.now - at) / this.span); }

  rect(kind, from, to, y, height) {
    const x = this.x(from);
    this.put('rect', { class: kind, x, y, width: Math.max(1.5, this.x(to) - x), height, rx: 3 });
  }

  line(kind, x1, y1, x2, y2) { this.put('line', { class: kind, x1: this.x(x1), y1, x2: this.x(x2), y2 }); }

  circle(kind, at, cy, r) { this.put('circle', { class: kind, cx: this.x(at), cy, r }); }

  put(name, values) {
    let shape = this.next;
    if (shape?.tagName === name) {
      this.next = shape.nextElementSibling;
    } else {
      shape = document.createElementNS(SVG, name);
      this.svg.insertBefore(shape, this.next);
    }
    for (const key in values) {
      const value = typeof values[key] === 'number' ? values[key].toFixed(1) : values[key];
      if (shape.getAttribute(key) !== value) shape.setAttribute(key, value);
    }
  }

  finish() {
    while (this.next) {
      const gone = this.next;
      this.next = gone.nextElementSibling;
      gone.remove();
    }
  }
}

function count(number, noun) { return `${number} ${noun}${number === 1 ? '' : 's'}`; }
