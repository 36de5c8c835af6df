// All attention heads of one map at once: a layers-by-heads sheet of thumbnails.
//
// Data (made by transformer/ui/parts/sheet.py): shape, labels, colours, the selected head and the digest of the
// weights to draw. It is small, so choosing another head never sends the weights again: carrier.js brings them,
// one byte each, (layers, heads, queries, keys), 255 = 1; where `signed` is a number they are differences from another
// run, 127 = 0 and 0 and 254 that number of either sign. `factors` marks heads that are switched off, halved or doubled.
// `tints` are figures of heads that are drawn instead of weights, and `note` says what they are.
//
// Thumbnails are one canvas. Over it lies a CSS grid of empty cells, one per head, which brings what a
// canvas lacks: roles and names for screen readers, a roving tab stop, native hit tests, and outlines
// for hover, focus and selection that cost no repainting of the picture.

const GAP = 4; // CSS pixels between thumbnails
const SMALLEST = 20; // CSS pixels; narrower sheets scroll sideways
const LARGEST = 168;
const TALL = 440; // the whole sheet is no taller than this, unless thumbnails would get lower than LOW
const LOW = 64;
// What a click on a head does: look at it, or multiply what it contributes. The last three are FACTORS of sheet.py.
const WAYS = [["look", "Look"], ["off", "Switch off"], ["half", "Halve"], ["double", "Double"]];
const MARKS = new Map([[0, "off"], [0.5, "½"], [2, "2×"]]);

const shelf = new Shelf();

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!data) return undefined;
  return keep(parentElement, Sheet, (sheet) => sheet.update(data, setTriggerValue));
}

class Sheet {
  constructor(root) {
    this.host = make("div", "component drawn sheet", root);
    this.clicking = "look";
    this.ways = makeSwitch("What a click on a head does", "way", WAYS, (way) => this.setWay(way));
    this.host.append(this.ways);
    this.scroller = make("div", "scroller", this.host);
    this.grid = make("div", "grid", this.scroller);
    this.canvas = make("canvas", "picture");
    this.canvas.setAttribute("aria-hidden", "true");
    this.tip = make("div", "tip", this.host);
    this.tip.hidden = true;
    this.legend = make("div", "legend", this.host);
    this.paints = 0;
    this.active = 0; // index of the cell that holds the tab stop
    this.grid.addEventListener("pointermove", (event) => this.onPointer(event));
    this.grid.addEventListener("pointerleave", () => this.hideTip());
    this.grid.addEventListener("click", (event) => this.onClick(event));
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
    this.grid.addEventListener("focusin", (event) => this.onFocus(event));
    this.grid.addEventListener("focusout", () => this.hideTip());
    this.onArrival = () => this.draw();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.host);
    this.watchDensity();
  }

  destroy() {
    this.observer.disconnect();
    this.density?.removeEventListener("change", this.onDensity);
    shelf.listen(null, this.onArrival, this.spec?.digest);
    this.host.remove();
  }

  /** Moving the window to a screen with other pixels changes the density without any resize. */
  watchDensity() {
    this.onDensity = () => {
      this.draw();
      this.watchDensity();
    };
    this.density = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    this.density.addEventListener("change", this.onDensity, { once: true });
  }

  setWay(way) {
    this.clicking = way;
    this.host.dataset.clicking = way;
    setSwitch(this.ways, "way", way);
  }

  update(spec, send) {
    shelf.listen(spec.digest, this.onArrival, this.spec?.digest);
    const before = this.spec;
    this.spec = spec;
    this.send = send;
    this.zero = spec.signed === null ? 0 : 127; // the byte that stands for nothing
    this.ways.hidden = !spec.switchable;
    this.setWay(spec.switchable ? this.clicking : "look");
    this.colour();
    // Another answer has other rows and columns, but the same heads: these keep their elements, and with them the focus.
    const heads = ({ shape, title }) => [shape[0], shape[1], title].join();
    if (!before || heads(before) !== heads(spec)) this.build();
    if (before && String(before.factors) !== String(spec.factors)) this.pinnedUntil = performance.now() + 1500;
    this.select(spec.selected);
    this.mark();
    this.describe();
    this.draw();
  }

  colour() {
    const theme = applyTheme(this.host, this.spec.accent);
    this.palette = decodePalette(this.spec.scale[theme]);
    this.top = this.spec.top ?? 255; // the byte that has full colour
    this.stretched = this.palette.map((_, i) => this.palette[Math.min(255, Math.round((i * 255) / this.top))]);
    this.paletteKey = theme + this.top + this.spec.scale[theme];
  }

  /** Cells, row and column headers; only when the shape changes, so that focus survives reruns. */
  build() {
    const [layers, heads] = this.spec.shape;
    this.outline = make("div", "outline");
    this.outline.setAttribute("aria-hidden", "true");
    this.grid.replaceChildren(this.canvas, this.outline);
    this.grid.setAttribute("role", "grid");
    this.grid.setAttribute("aria-multiselectable", "true");
    this.grid.setAttribute("aria-label", `${this.spec.title}: every layer (rows) and head (columns)`);
    this.grid.setAttribute("aria-readonly", "true");
    this.grid.style.setProperty("--heads", heads);
    this.grid.style.setProperty("--layers", layers);
    this.grid.style.setProperty("--gap", `${GAP}px`);
    const header = make("div", "row", this.grid);
    header.setAttribute("role", "row");
    this.corner = make("div", "corner", header);
    this.corner.setAttribute("role", "columnheader");
    this.columns = [];
    for (let head = 0; head < heads; head++) {
      const label = make("div", "column", header);
      label.setAttribute("role", "columnheader");
      label.dataset.line = `-1,${head}`;
      this.columns.push(label);
    }
    this.cells = [];
    for (let layer = 0; layer < layers; layer++) {
      const row = make("div", "row", this.grid);
      row.setAttribute("role", "row");
      const label = make("div", "layer", row, `Layer ${layer + 1}`);
      label.setAttribute("role", "rowheader");
      label.style.gridRow = layer + 2;
      label.dataset.line = `${layer},-1`;
      for (let head = 0; head < heads; head++) {
        const cell = make("div", "cell", row);
        cell.setAttribute("role", "gridcell");
        cell.tabIndex = -1;
        cell.dataset.index = this.cells.length;
        cell.style.gridArea = `${layer + 2} / ${head + 2}`;
        this.cells.push(cell);
      }
    }
    this.active = 0;
    this.hideTip();
  }

  /** Keeps the sheet where it is on the screen while the page grows above it: the next click must hit the same head. */
  pin() {
    const page = document.querySelector("[data-testid=stMain]");
    if (!page) return;
    const place = () => this.host.getBoundingClientRect().top;
    const top = place();
    this.pinnedUntil = Infinity; // until the answer is here, however long it takes
    const moved = new AbortController();
    for (const type of ["wheel", "touchmove", "keydown", "pointerdown"]) {
      addEventListener(type, () => moved.abort(), { signal: moved.signal, passive: true, capture: true });
    }
    const seen = () => ({ top: place(), scrolled: page.scrollTop, height: page.scrollHeight });
    let last = seen();
    const follow = () => {
      const now = seen();
      const by = now.scrolled - last.scrolled;
      // A page that grows scrolls by itself, but no farther than it grew, or to its end: else somebody looks elsewhere.
      const ends = now.scrolled + page.clientHeight >= now.height - 1;
      const far = Math.abs(by) > Math.abs(now.height - last.height) + 1;
      if (far && !ends && Math.abs(now.top - last.top) >= 2) moved.abort();
      if (performance.now() > this.pinnedUntil || !this.host.isConnected) moved.abort();
      if (moved.signal.aborted) return;
      const off = now.top - top;
      if (Math.abs(off) >= 1) {
        page.scrollBy({ top: off, behavior: "instant" });
        // At the end of the page it is followed once there is more of it; where it sticks it needs no following.
        if (page.scrollTop !== now.scrolled && Math.abs(place() - top) >= Math.abs(off)) {
          page.scrollTop = now.scrolled;
          moved.abort();
        }
      }
      last = seen();
      requestAnimationFrame(follow);
    };
    // After the event that asked for it.
    setTimeout(follow);
  }

  /** Outlines a head, or where layer or head is null all of them: a column, a row, the whole sheet. */
  select([layer, head]) {
    const heads = this.spec.shape[1];
    this.cells.forEach((cell, i) => {
      const chosen = (layer ?? Math.floor(i / heads)) === Math.floor(i / heads) && (head ?? i % heads) === i % heads;
      cell.setAttribute("aria-selected", String(chosen));
    });
    this.outline.style.gridRow = layer === null ? "2 / -1" : String(layer + 2);
    this.outline.style.gridColumn = head === null ? "2 / -1" : String(head + 2);
    this.host.dataset.selected = `${layer ?? "all"},${head ?? "all"}`;
    if (!this.grid.contains(deepActive(this.grid))) this.moveTabStop((layer ?? 0) * heads + (head ?? 0));
  }

  /** Crosses heads out that are off, and writes on others what they are multiplied by. */
  mark() {
    const heads = this.spec.shape[1];
    this.cells.forEach((cell, i) => {
      const factor = this.spec.factors?.[Math.floor(i / heads)][i % heads] ?? 1;
      const mark = factor === 1 ? "" : (MARKS.get(factor) ?? `${factor}×`);
      const name = `Layer ${Math.floor(i / heads) + 1} head ${(i % heads) + 1}`;
      cell.setAttribute("aria-label", mark ? `${name}, ${mark}` : name);
      cell.dataset.factor = factor === 0 ? "off" : factor === 1 ? "" : "other";
      cell.textContent = factor === 0 ? "" : mark;
    });
    this.tint();
  }

  /** A figure of each head as a colour and a number over its picture, where there are figures. */
  tint() {
    const { tints, arms, shape } = this.spec;
    this.host.classList.toggle("tinted", Boolean(tints));
    const most = tints ? Math.max(...tints.flat().map(Math.abs), 1e-6) : 1;
    const palette = tints && decodePalette(arms[this.host.dataset.theme]);
    this.cells.forEach((cell, i) => {
      cell.style.removeProperty("--tint");
      if (!tints) return;
      const value = tints[Math.floor(i / shape[1])][i % shape[1]];
      const pixel = palette[127 + Math.round((127 * value) / most)];
      const [r, g, b] = new Uint8Array(Uint32Array.of(pixel).buffer, 0, 3);
      cell.style.setProperty("--tint", colourOf(pixel));
      cell.dataset.ink = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "light" : "dark";
      const number = value.toFixed(Math.abs(value) < 9.95 ? 1 : 0).replace("-", "−");
      if (!cell.textContent) cell.textContent = number === "−0.0" ? "0.0" : number;
      cell.setAttribute("aria-label", `${cell.getAttribute("aria-label")}, ${number}`);
    });
  }

  moveTabStop(index) {
    this.cells[this.active]?.setAttribute("tabindex", "-1");
    this.active = index;
    this.cells[index].setAttribute("tabindex", "0");
  }

  /** The key of the picture: what the colours, the rows and the columns of a thumbnail mean. */
  describe() {
    const { signed } = this.spec;
    const last = signed === null ? 255 : 254;
    const steps = [0, 16, 32, 48, 64, 96, 127, 160, 192, 224, last];
    const stops = steps.map((i) => [this.palette[i], i / last]);
    const end = Number((signed ?? this.top / 255).toPrecision(2));
    const scale = makeScale(signed === null ? `${this.spec.measure} 0` : `change −${end}`, stops, signed === null ? String(end) : `+${end}`);
    if (this.spec.tints) {
      this.legend.replaceChildren(make("span", "", null, this.spec.note));
      return;
    }
    const keys = this.spec.switchable ? " Key x switches the head in focus off, Shift+x its layer." : "";
    const text = `In each picture a row is one ${this.spec.rows}, a column one ${this.spec.columns} it looks at.${keys}`;
    this.legend.replaceChildren(scale, make("span", "", null, text));
  }

  /** Sizes of thumbnails for the width there is, in whole CSS pixels. */
  layout() {
    const [layers, heads, queries, keys] = this.spec.shape;
    const room = this.host.clientWidth;
    const compact = room < 560;
    const gutter = (compact ? 46 : 62) + (layers > 9 ? 8 : 0); // "Layer 10" is longer
    const fit = Math.floor((room - gutter - GAP * heads) / heads);
    // Very long or very wide maps are squeezed, or one head would fill the screen.
    const ratio = Math.max(0.5, Math.min(1.5, queries / keys));
    const tallest = Math.max(LOW, TALL / layers - GAP);
    const width = Math.max(SMALLEST, Math.floor(Math.min(LARGEST, fit, tallest / ratio)));
    const height = Math.round(width * ratio);
    const style = this.grid.style;
    style.setProperty("--gutter", `${gutter}px`);
    style.setProperty("--width", `${width}px`);
    style.setProperty("--height", `${height}px`);
    const spelled = width >= 40;
    this.corner.textContent = spelled ? "" : "Head";
    this.columns.forEach((label, head) => {
      label.textContent = spelled ? `Head ${head + 1}` : String(head + 1);
      label.setAttribute("aria-label", `Head ${head + 1}`);
    });
    return { width, height };
  }

  draw() {
    const weights = this.spec && shelf.get(this.spec.digest);
    if (!weights || this.host.clientWidth === 0) return; // not here yet, or inside a closed tab
    const [layers, heads, queries, keys] = this.spec.shape;
    if (weights.length !== layers * heads * queries * keys) {
      throw new Error(`expected ${layers * heads * queries * keys} weights, received ${weights.length}`);
    }
    const { width, height } = this.layout();
    const density = devicePixelRatio;
    const painted = [this.spec.digest, this.spec.shape, width, height, density, this.paletteKey].join();
    if (painted === this.painted) return; // only the outline changed, and that is CSS
    const start = performance.now();
    const sameWeights = this.host.dataset.digest === this.spec.digest;
    const across = Math.min(keys, Math.max(1, Math.round(width * density)));
    const down = Math.min(queries, Math.max(1, Math.round(height * density)));
    const reducedKey = [this.spec.digest, this.spec.shape, across, down].join();
    if (reducedKey !== this.reducedKey) {
      this.reduced = reduceToExtremes(weights, layers * heads, queries, keys, down, across, this.zero);
      this.reducedKey = reducedKey;
    }
    const atlas = paintAtlas(this.reduced, layers, heads, down, across, this.stretched);
    this.canvas.width = Math.round((heads * (width + GAP) - GAP) * density);
    this.canvas.height = Math.round((layers * (height + GAP) - GAP) * density);
    const context = this.canvas.getContext("2d", { alpha: false });
    context.fillStyle = colourOf(this.palette[this.zero]);
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false; // cells stay sharp squares
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const left = Math.round(head * (width + GAP) * density);
        const top = Math.round(layer * (height + GAP) * density);
        const w = Math.round(width * density);
        const h = Math.round(height * density);
        context.drawImage(atlas, head * across, layer * down, across, down, left, top, w, h);
      }
    }
    this.painted = painted;
    this.paints += 1;
    this.weights = weights;
    // For tests and for timing from outside: how often, what, and how long.
    Object.assign(this.host.dataset, {
      digest: this.spec.digest,
      paints: this.paints,
      drawMs: (performance.now() - start).toFixed(1),
    });
    const detail = { digest: this.spec.digest, paints: this.paints, sameWeights };
    performance.mark("headlight:sheet-drawn", { detail });
    // The picture is on the screen after the next frame, not when the last call returns.
    requestAnimationFrame(() => setTimeout(() => performance.mark("headlight:sheet-painted", { detail })));
  }

  /** The strongest weight, or largest change, among matrix cells [q0, q1) x [k0, k1) of one head. */
  strongest(index, q0, q1, k0, k1) {
    const [, , queries, keys] = this.spec.shape;
    const offset = index * queries * keys;
    let best = { query: q0, key: k0, value: this.weights[offset + q0 * keys + k0] };
    for (let query = q0; query < q1; query++) {
      for (let key = k0; key < k1; key++) {
        const value = this.weights[offset + query * keys + key];
        if (Math.abs(value - this.zero) > Math.abs(best.value - this.zero)) best = { query, key, value };
      }
    }
    return best;
  }

  /** A byte as the weight, or the signed change, that it stands for. */
  figure(byte) {
    const { signed } = this.spec;
    if (signed === null) return (byte / 255).toFixed(2);
    const value = ((byte - 127) / 127) * signed;
    return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  }

  onPointer(event) {
    const cell = event.target.closest?.(".cell");
    if (!cell || !this.weights || this.spec.tints) return this.hideTip();
    const [, , queries, keys] = this.spec.shape;
    const box = cell.getBoundingClientRect();
    // A screen pixel may stand for several matrix cells; it shows, and so names, their strongest.
    const [q0, q1] = span(event.clientY - box.top, box.height, queries);
    const [k0, k1] = span(event.clientX - box.left, box.width, keys);
    const index = Number(cell.dataset.index);
    this.showTip(index, this.strongest(index, q0, q1, k0, k1), event.clientX, event.clientY);
  }

  onFocus(event) {
    const cell = event.target.closest?.(".cell");
    if (!cell) return;
    this.moveTabStop(Number(cell.dataset.index));
    if (!cell.matches(":focus-visible") || !this.weights || this.spec.tints) return;
    const [, , queries, keys] = this.spec.shape;
    const box = cell.getBoundingClientRect();
    const best = this.strongest(this.active, 0, queries, 0, keys);
    this.showTip(this.active, best, box.left + box.width / 2, box.bottom, "Strongest: ");
  }

  onClick(event) {
    const cell = event.target.closest?.(".cell");
    if (cell) this.press(Number(cell.dataset.index));
    const line = event.target.closest?.("[data-line]")?.dataset.line;
    if (line && this.clicking !== "look") this.turn(...line.split(",").map(Number));
  }

  /** A click on a head, or Enter. */
  press(index) {
    const heads = this.spec.shape[1];
    if (this.clicking === "look") this.pick(index);
    else this.turn(Math.floor(index / heads), index % heads);
  }

  /** Switches heads, -1 for all of a layer or of a column; the page answers with other factors. */
  turn(layer, head, way = this.clicking) {
    this.pin();
    this.send("switched", [layer, head, WAYS.findIndex(([name]) => name === way) - 1]);
  }

  onKey(event) {
    const [layers, heads] = this.spec.shape;
    const row = Math.floor(this.active / heads);
    const column = this.active % heads;
    const first = event.ctrlKey ? 0 : row * heads;
    const last = event.ctrlKey ? layers * heads - 1 : row * heads + heads - 1;
    const moves = {
      ArrowLeft: row * heads + Math.max(0, column - 1),
      ArrowRight: row * heads + Math.min(heads - 1, column + 1),
      ArrowUp: Math.max(0, row - 1) * heads + column,
      ArrowDown: Math.min(layers - 1, row + 1) * heads + column,
      PageUp: column,
      PageDown: (layers - 1) * heads + column,
      Home: first,
      End: last,
    };
    if (event.key === "Enter" || event.key === " ") this.press(this.active);
    else if (event.key.toLowerCase() === "x" && this.spec.switchable && !event.ctrlKey && !event.metaKey) {
      this.turn(row, event.shiftKey ? -1 : column, "off");
    } else if (event.key in moves) this.cells[moves[event.key]].focus();
    else if (event.key === "Escape") this.hideTip();
    else return;
    event.preventDefault();
  }

  pick(index) {
    const heads = this.spec.shape[1];
    const chosen = [Math.floor(index / heads), index % heads];
    if (String(chosen) === this.host.dataset.selected) return;
    this.select(chosen); // at once; the page confirms it with the next update
    this.send("selected", chosen);
  }

  showTip(index, { query, key, value }, x, y, lead = "") {
    const heads = this.spec.shape[1];
    const place = `Layer ${Math.floor(index / heads) + 1}, head ${(index % heads) + 1}`;
    const from = make("bdi", "", null, this.spec.queries[query]);
    const to = make("bdi", "", null, this.spec.keys[key]);
    const line = make("span", "pair");
    line.append(`${lead}“`, from, "” → “", to, "” ", make("b", "", null, this.figure(value)));
    this.tip.replaceChildren(make("span", "place", null, `${place}: `), line);
    this.tip.hidden = false;
    // Beside the pointer, inside the sheet's width, above it where the window ends.
    const host = this.host.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = Math.max(0, Math.min(x - host.left + 14, host.width - width));
    const below = y + 18 + height < innerHeight;
    this.tip.style.transform = `translate(${left}px, ${below ? y - host.top + 18 : y - host.top - height - 10}px)`;
  }

  hideTip() {
    this.tip.hidden = true;
  }
}

/** The focused element inside this component's shadow tree. */
function deepActive(node) {
  return node.getRootNode().activeElement;
}
