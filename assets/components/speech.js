// A clip on one axis of seconds: words, wave, spectrogram and one head's attention, and a playhead over all of them.
//
// Data (packed by transformer/ui/speech/player.py): uint32 length, JSON, then one byte per weight, row by row. The sound
// is the same whatever head is chosen: carrier.js brings it, once, and the JSON says under which digest. Where spans can
// be drawn, a drag with the mouse sends "span", [from, to] in seconds of the clip; a click goes there as ever.

const WAVE = 46; // CSS pixels
const MEL = 132;
const ROW = 20; // of a token, where there is room for all
const TALL = 440; // the attention is no taller, unless rows would get lower than a pixel
const SPOT = 0.005; // seconds: rounding of a time that was set
const DRAG = 4; // CSS pixels; a hand that clicks is not quite still

const shelf = new Shelf();

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!(data instanceof Uint8Array)) return undefined;
  return keep(parentElement, Player, (player) => player.update(data, (span) => setTriggerValue("span", span)));
}

/** Sizes, then the peaks of the wave, the spectrogram (frames, bins), and a wav file. */
function unpackSound(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [columns, frames, bins] = [0, 4, 8].map((at) => view.getUint32(at, true));
  const wave = bytes.subarray(16, 16 + columns);
  const mel = bytes.subarray(16 + columns, 16 + columns + frames * bins);
  const picture = new Uint8Array(frames * bins); // (bins, frames), the highest on top
  for (let frame = 0; frame < frames; frame++) {
    for (let bin = 0; bin < bins; bin++) picture[(bins - 1 - bin) * frames + frame] = mel[frame * bins + bin];
  }
  const file = bytes.subarray(16 + columns + frames * bins);
  return { wave, picture, frames, bins, step: view.getFloat32(12, true), file };
}

class Player {
  constructor(root) {
    this.host = make("div", "component drawn speech", root);
    this.bar = make("div", "bar", this.host);
    this.button = make("button", "play", this.bar);
    this.button.type = "button";
    this.clock = make("span", "clock", this.bar);
    this.chips = make("div", "chips", this.host);
    this.chips.setAttribute("role", "group");
    this.chips.setAttribute("aria-label", "Words: each plays alone");
    this.frame = make("div", "frame", this.host);
    this.rows = make("div", "rows", this.frame);
    this.rows.setAttribute("aria-hidden", "true");
    this.stack = make("div", "stack", this.frame);
    this.stack.tabIndex = 0;
    this.stack.setAttribute("role", "slider");
    this.stack.setAttribute("aria-label", "Place in the clip");
    this.stack.setAttribute("aria-valuemin", "0");
    this.bands = make("div", "bands", this.stack);
    this.wave = make("canvas", "wave", this.stack);
    this.mel = make("canvas", "mel", this.stack);
    this.heat = make("div", "heat", this.stack);
    this.cells = make("canvas", "cells", this.heat);
    this.lit = make("div", "lit", this.heat);
    this.line = make("canvas", "line", this.heat);
    this.axis = make("div", "axis", this.stack);
    this.spans = make("div", "spans", this.stack);
    this.drawn = make("div", "span", this.stack); // what is being drawn
    this.drawn.hidden = true;
    this.drag = null; // where the mouse went down: its place and its second
    this.head = make("div", "head", this.stack);
    this.tip = make("div", "tip", this.host);
    this.audio = new Audio();
    this.until = Infinity;
    this.paints = 0;
    this.hideTip();
    this.button.addEventListener("click", () => this.toggle());
    this.stack.addEventListener("click", (event) => this.onClick(event));
    this.stack.addEventListener("pointerdown", (event) => this.onDown(event));
    this.stack.addEventListener("pointerup", (event) => this.onUp(event));
    this.stack.addEventListener("pointercancel", () => this.dropDrag());
    this.stack.addEventListener("pointermove", (event) => this.onPointer(event));
    this.stack.addEventListener("pointerleave", () => this.hideTip());
    this.stack.addEventListener("keydown", (event) => this.onKey(event));
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, () => this.onState());
    for (const name of ["timeupdate", "seeked"]) this.audio.addEventListener(name, () => this.tick());
    this.onArrival = () => this.takeSound();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.host);
    this.onState();
  }

  destroy() {
    this.observer.disconnect();
    shelf.listen(null, this.onArrival, this.spec?.digest);
    this.audio.pause();
    URL.revokeObjectURL(this.audio.src);
    this.host.remove();
  }

  update(data, send) {
    this.send = send;
    if (data === this.data && this.theme === themeOf(this.host)) return;
    this.data = data;
    const [spec, weights] = unpack(data);
    shelf.listen(spec.digest, this.onArrival, this.spec?.digest);
    Object.assign(this, { spec, weights });
    this.theme = applyTheme(this.host, spec.accent);
    this.palette = decodePalette(this.spec.scale[this.theme]);
    this.stack.setAttribute("aria-valuemin", this.said(0));
    this.stack.setAttribute("aria-valuemax", this.said(this.spec.seconds));
    this.words = this.spec.words[0]?.words ?? [];
    this.chips.replaceChildren();
    this.buttons = this.words.map(([text, start, end]) => {
      const chip = make("button", "chip", this.chips, text);
      chip.type = "button";
      chip.setAttribute("aria-label", `Play “${text}”, ${this.said(start)} to ${this.said(end)} seconds`);
      chip.addEventListener("click", () => this.play(start, end));
      return chip;
    });
    this.follow();
    this.painted = "";
    this.takeSound();
  }

  /** Which row is spoken at each column: the last one that the path has entered. */
  follow() {
    const attention = this.spec.attention;
    this.spoken = [];
    if (!attention) return;
    const columns = attention.shape[1];
    if (attention.timed) this.spoken = Array.from({ length: columns }, (_, column) => column);
    else if (attention.path.length) {
      this.spoken = new Array(columns).fill(-1);
      for (const [row, column] of attention.path) this.spoken[column] = row;
      for (let i = 1; i < columns; i++) if (this.spoken[i] < 0) this.spoken[i] = this.spoken[i - 1];
    }
  }

  takeSound() {
    const bytes = shelf.get(this.spec.digest);
    if (!bytes) return;
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.sound = unpackSound(bytes);
      this.audio.pause();
      URL.revokeObjectURL(this.audio.src);
      this.audio.src = URL.createObjectURL(new Blob([this.sound.file], { type: "audio/wav" }));
      this.until = Infinity;
    }
    this.painted = "";
    this.draw();
  }

  draw() {
    const room = this.host.clientWidth;
    if (!this.sound || room === 0) return;
    const attention = this.spec.attention;
    const beside = [...this.spec.words.map(({ way }) => way), ...(attention?.rows ?? ["spectrum"])];
    const gutter = Math.min(room / 4, 16 + 6.5 * Math.max(...beside.map((text) => [...text].length)));
    const width = Math.floor(room - gutter - 2);
    const painted = [room, devicePixelRatio, this.theme].join();
    if (painted === this.painted) return;
    this.painted = painted;
    this.width = width;
    this.frame.style.gridTemplateColumns = `${gutter}px ${width}px`;
    this.drawWave(width);
    const { picture, bins, frames, step } = this.sound;
    this.paint(this.mel, width, MEL, picture, bins, frames, step);
    this.rows.replaceChildren();
    this.ticks = [];
    this.drawBands();
    this.heat.hidden = !attention;
    if (attention) this.drawAttention(width, attention);
    this.drawAxis(width);
    this.drawSpans();
    this.paints += 1;
    this.host.dataset.paints = this.paints; // for tests
    this.tick();
  }

  /** Values (down, across), a column of `step` seconds, on a canvas that is as wide as the clip is long. */
  paint(canvas, width, height, values, down, across, step) {
    const [w, h] = this.size(canvas, width, height);
    const context = canvas.getContext("2d");
    const wide = (w * across * step) / this.spec.seconds;
    const [rows, columns] = [Math.min(down, h), Math.min(across, Math.max(1, Math.round(wide)))];
    const shown = reduceToExtremes(values, 1, down, across, rows, columns, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(paintAtlas(shown, 1, 1, rows, columns, this.palette), 0, 0, wide, h);
  }

  size(canvas, width, height) {
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    return [canvas.width, canvas.height];
  }

  drawWave(width) {
    const [w, h] = this.size(this.wave, width, WAVE);
    const context = this.wave.getContext("2d");
    context.fillStyle = getComputedStyle(this.host).color;
    context.globalAlpha = 0.55;
    const { wave } = this.sound;
    for (let i = 0; i < wave.length; i++) {
      const tall = Math.max(1, (wave[i] / 255) * (h - 2));
      context.fillRect((i * w) / wave.length, (h - tall) / 2, Math.max(1, w / wave.length), tall);
    }
  }

  drawAttention(width, { shape, rows, step, path, title }) {
    const [down, across] = shape;
    const height = Math.max(28, Math.min(TALL, ROW * down));
    this.paint(this.cells, width, height, this.weights, down, across, step);
    const [w, h] = this.size(this.line, width, height);
    const context = this.line.getContext("2d");
    context.lineWidth = 1.5 * devicePixelRatio;
    context.strokeStyle = this.spec.accent[this.theme];
    context.beginPath();
    for (const [row, column] of path) {
      const x = ((column + 0.5) * step * w) / this.spec.seconds;
      context.lineTo(x, ((row + 0.5) * h) / down);
    }
    context.stroke();
    this.heat.setAttribute("role", "img");
    this.heat.setAttribute("aria-label", title);
    this.tall = height;
    const every = Math.max(1, Math.ceil((15 * down) / height));
    for (let row = 0; row < down; row += every) {
      const tick = make("span", "tick", this.rows, rows[row]);
      tick.style.top = `${this.heat.offsetTop + ((row + 0.5) / down) * height}px`;
      this.ticks[row] = tick;
    }
  }

  drawBands() {
    this.bands.replaceChildren();
    for (const { way, words } of this.spec.words) {
      const band = make("div", "band", this.bands);
      make("span", "tick", this.rows, way).style.top = `${band.offsetTop + band.offsetHeight / 2}px`;
      words.forEach(([text, start, end], i) => {
        // The mark is as long as the word; what it is called has room until the next one.
        const next = words[i + 1]?.[1] ?? this.spec.seconds;
        const span = make("span", "word", band, text);
        span.title = `${text}: ${this.said(start)} to ${this.said(end)} s, ${way}`;
        span.style.left = `${this.x(start)}px`;
        span.style.width = `${Math.max(2, this.x(Math.max(end, next)) - this.x(start))}px`;
        make("i", "mark", span).style.width = `${Math.max(2, this.x(end) - this.x(start))}px`;
      });
    }
  }

  /** What the decoder does not hear, hatched, and what is chosen. */
  drawSpans() {
    this.spans.replaceChildren();
    for (const [start, end, name, cut] of this.spec.spans) {
      const span = make("div", cut ? "span cut" : "span", this.spans);
      span.title = name;
      this.lay(span, start, end);
    }
  }

  lay(span, start, end) {
    span.style.left = `${this.x(start)}px`;
    span.style.width = `${Math.max(1, this.x(end) - this.x(start))}px`;
  }

  drawAxis(width) {
    this.axis.replaceChildren();
    const every = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60].find((s) => (s * width) / this.spec.seconds >= 48) ?? 120;
    const begin = this.spec.offset;
    for (let i = Math.ceil(begin / every); i * every <= begin + this.spec.seconds + 1e-6; i++) {
      const tick = make("span", "tick", this.axis, every < 1 ? (i * every).toFixed(1) : String(i * every));
      const x = this.x(i * every - begin);
      tick.style.left = `${x}px`;
      if (this.width - x < 14) tick.classList.add("last");
    }
    make("span", "name", this.axis, "seconds →");
  }

  /** A time as people read it: the clip may be a part of a longer one. */
  said(time) {
    return (this.spec.offset + time).toFixed(2);
  }

  x(time) {
    return (Math.min(time, this.spec.seconds) / this.spec.seconds) * this.width;
  }

  timeAt(event) {
    const box = this.stack.getBoundingClientRect();
    const share = (event.clientX - box.left) / this.width;
    return Math.max(0, Math.min(1, share)) * this.spec.seconds;
  }

  onDown(event) {
    this.dragged = false;
    // A finger scrolls the page: for it there is a slider.
    if (!this.spec.spannable || !this.sound || event.pointerType === "touch" || event.button) return;
    this.drag = { x: event.clientX, time: this.timeAt(event) };
    this.stack.setPointerCapture(event.pointerId);
  }

  onDrag(event) {
    if (!this.drag || (!this.dragged && Math.abs(event.clientX - this.drag.x) < DRAG)) return;
    this.dragged = true;
    this.drawn.hidden = false;
    this.lay(this.drawn, ...this.reach(event));
  }

  onUp(event) {
    const span = this.drag && this.dragged ? this.reach(event) : null;
    this.dropDrag();
    if (span && span[1] > span[0]) this.send(span.map((time) => Number(time.toFixed(3))));
  }

  reach(event) {
    return [this.drag.time, this.timeAt(event)].sort((a, b) => a - b);
  }

  dropDrag() {
    this.drag = null;
    this.drawn.hidden = true;
  }

  onClick(event) {
    if (!this.dragged) this.seek(this.timeAt(event));
    this.dragged = false;
  }

  toggle() {
    if (this.audio.paused) this.play(this.audio.ended ? 0 : this.audio.currentTime, Infinity);
    else this.audio.pause();
  }

  play(from, until) {
    this.until = until;
    this.audio.currentTime = from;
    this.audio.play()?.catch(() => this.onState()); // no sound device, or no permission yet
  }

  seek(time) {
    this.until = Infinity;
    this.audio.currentTime = Math.max(0, Math.min(this.spec.seconds, time));
    this.tick();
  }

  onState() {
    const playing = !this.audio.paused && !this.audio.ended;
    this.button.textContent = playing ? "❚❚ Pause" : "▶ Play";
    this.host.dataset.state = playing ? "playing" : "paused";
    if (playing) requestAnimationFrame(() => this.frameByFrame());
    this.tick();
  }

  frameByFrame() {
    this.tick();
    if (!this.audio.paused && !this.audio.ended) requestAnimationFrame(() => this.frameByFrame());
  }

  /** Everything that moves with the time. */
  tick() {
    if (!this.sound || !this.width) return;
    if (this.audio.currentTime >= this.until && !this.audio.paused) {
      this.audio.pause();
      this.audio.currentTime = this.until;
      this.until = Infinity;
    }
    const time = Math.min(this.audio.currentTime, this.spec.seconds);
    this.head.style.transform = `translateX(${this.x(time)}px)`;
    this.clock.textContent = `${this.said(time)} of ${this.said(this.spec.seconds)} s`;
    const attention = this.spec.attention;
    const column = attention ? Math.floor((time + SPOT) / attention.step) : 0;
    const row = this.spoken[Math.min(column, this.spoken.length - 1)] ?? -1;
    this.lit.hidden = row < 0;
    if (row >= 0) {
      const tall = this.tall / attention.shape[0];
      Object.assign(this.lit.style, { top: `${row * tall}px`, height: `${Math.max(2, tall)}px` });
    }
    this.ticks?.forEach((tick, i) => tick?.classList.toggle("now", i === row));
    const word = this.words.findIndex(([, start, end]) => time + SPOT >= start && time + SPOT < end);
    this.buttons.forEach((button, i) => button.classList.toggle("now", i === word));
    const said = word >= 0 ? `, “${this.words[word][0]}”` : "";
    this.stack.setAttribute("aria-valuenow", this.said(time));
    this.stack.setAttribute("aria-valuetext", `${this.said(time)} seconds${said}`);
    Object.assign(this.host.dataset, { at: time.toFixed(2), row, word });
  }

  onKey(event) {
    const now = this.audio.currentTime;
    const step = this.spec.attention?.step ?? 0.05;
    const starts = this.words.map(([, start]) => start);
    const word = this.words.find(([, start, end]) => now + SPOT >= start && now + SPOT < end);
    const keys = {
      ArrowRight: () => this.seek(now + step),
      ArrowLeft: () => this.seek(now - step),
      ArrowDown: () => this.seek(starts.find((start) => start > now + SPOT) ?? now),
      ArrowUp: () => this.seek(starts.findLast((start) => start < now - SPOT) ?? 0),
      PageDown: () => this.seek(now + 1),
      PageUp: () => this.seek(now - 1),
      Home: () => this.seek(0),
      End: () => this.seek(this.spec.seconds),
      " ": () => this.toggle(),
      Enter: () => (word ? this.play(word[1], word[2]) : this.toggle()),
    };
    if (!(event.key in keys)) return;
    keys[event.key]();
    event.preventDefault();
  }

  onPointer(event) {
    if (!this.sound || event.pointerType === "touch") return;
    this.onDrag(event);
    const time = this.timeAt(event);
    const attention = this.spec.attention;
    this.tip.replaceChildren(make("span", "", null, `${this.said(time)} s`));
    const box = this.heat.getBoundingClientRect();
    if (attention && event.clientY >= box.top && event.clientY < box.bottom) {
      const [down, across] = attention.shape;
      const row = Math.min(down - 1, Math.floor(((event.clientY - box.top) / box.height) * down));
      const column = Math.min(across - 1, Math.floor(time / attention.step));
      const weight = (this.weights[row * across + column] / 255) * attention.top;
      this.tip.prepend("“", make("bdi", "", null, attention.rows[row]), "”, ");
      this.tip.append(": ", make("b", "", null, weight.toFixed(3)));
    }
    this.tip.style.visibility = "visible";
    const host = this.host.getBoundingClientRect();
    const left = Math.max(0, Math.min(event.clientX - host.left + 14, host.width - this.tip.offsetWidth));
    this.tip.style.transform = `translate(${left}px, ${event.clientY - host.top + 18}px)`;
  }

  hideTip() {
    this.tip.style.visibility = "hidden";
  }
}
