// All attention heads of one map at once: a layers-by-heads sheet of thumbnails.
//
// Data (made by transformer/ui/parts/sheet.py): shape, labels, colours, the selected head and the digest of the
// weights to draw. It is small, so choosing another head never sends the weights again: carrier.js brings them,
// one byte each, (layers, heads, queries, keys), 255 = 1.
//
// Thumbnails are one canvas. Over it lies a CSS grid of empty cells, one per head, which brings what a
// canvas lacks: roles and names for screen readers, a roving tab stop, native hit tests, and outlines
// for hover, focus and selection that cost no repainting of the picture.

const GAP = 4; // CSS pixels between thumbnails
const SMALLEST = 20; // CSS pixels; narrower sheets scroll sideways
const LARGEST = 168;
const TALL = 440; // the whole sheet is no taller than this, unless thumbnails would get lower than LOW
const LOW = 64;

const shelf = new Shelf();

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!data) return undefined;
  const choose = (layer, head) => setTriggerValue("selected", [layer, head]);
  return keep(parentElement, Sheet, (sheet) => sheet.update(data, choose));
}

class Sheet {
  constructor(root) {
    this.host = make("div", "component drawn sheet", root);
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

  update(spec, choose) {
    shelf.listen(spec.digest, this.onArrival, this.spec?.digest);
    const before = this.spec;
    this.spec = spec;
    this.choose = choose;
    this.colour();
    if (!before || String(before.shape) !== String(spec.shape) || before.title !== spec.title) this.build();
    this.select(spec.selected);
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
      this.columns.push(label);
    }
    this.cells = [];
    for (let layer = 0; layer < layers; layer++) {
      const row = make("div", "row", this.grid);
      row.setAttribute("role", "row");
      const label = make("div", "layer", row, `Layer ${layer + 1}`);
      label.setAttribute("role", "rowheader");
      label.style.gridRow = layer + 2;
      for (let head = 0; head < heads; head++) {
        const cell = make("div", "cell", row);
        cell.setAttribute("role", "gridcell");
        cell.setAttribute("aria-label", `Layer ${layer + 1} head ${head + 1}`);
        cell.tabIndex = -1;
        cell.dataset.index = this.cells.length;
        cell.style.gridArea = `${layer + 2} / ${head + 2}`;
        this.cells.push(cell);
      }
    }
    this.active = 0;
    this.hideTip();
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

  moveTabStop(index) {
    this.cells[this.active]?.setAttribute("tabindex", "-1");
    this.active = index;
    this.cells[index].setAttribute("tabindex", "0");
  }

  /** The key of the picture: what the colours, the rows and the columns of a thumbnail mean. */
  describe() {
    const steps = [0, 16, 32, 48, 64, 96, 128, 160, 192, 224, 255];
    const stops = steps.map((i) => [this.palette[i], i / 255]);
    const scale = makeScale("weight 0", stops, String(Number((this.top / 255).toPrecision(2))));
    const text = `In each picture a row is one ${this.spec.rows}, a column one ${this.spec.columns} it looks at.`;
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
      this.reduced = reduceByMaximum(weights, layers * heads, queries, keys, down, across);
      this.reducedKey = reducedKey;
    }
    const atlas = paintAtlas(this.reduced, layers, heads, down, across, this.stretched);
    this.canvas.width = Math.round((heads * (width + GAP) - GAP) * density);
    this.canvas.height = Math.round((layers * (height + GAP) - GAP) * density);
    const context = this.canvas.getContext("2d", { alpha: false });
    context.fillStyle = colourOf(this.palette[0]);
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

  /** The strongest weight among matrix cells [q0, q1) x [k0, k1) of one head. */
  strongest(index, q0, q1, k0, k1) {
    const [, , queries, keys] = this.spec.shape;
    const offset = index * queries * keys;
    let best = { query: q0, key: k0, value: -1 };
    for (let query = q0; query < q1; query++) {
      for (let key = k0; key < k1; key++) {
        const value = this.weights[offset + query * keys + key];
        if (value > best.value) best = { query, key, value };
      }
    }
    return best;
  }

  onPointer(event) {
    const cell = event.target.closest?.(".cell");
    if (!cell || !this.weights) return this.hideTip();
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
    if (!cell.matches(":focus-visible") || !this.weights) return;
    const [, , queries, keys] = this.spec.shape;
    const box = cell.getBoundingClientRect();
    const best = this.strongest(this.active, 0, queries, 0, keys);
    this.showTip(this.active, best, box.left + box.width / 2, box.bottom, "Strongest: ");
  }

  onClick(event) {
    const cell = event.target.closest?.(".cell");
    if (cell) this.pick(Number(cell.dataset.index));
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
    if (event.key === "Enter" || event.key === " ") this.pick(this.active);
    else if (event.key in moves) this.cells[moves[event.key]].focus();
    else if (event.key === "Escape") this.hideTip();
    else return;
    event.preventDefault();
  }

  pick(index) {
    const heads = this.spec.shape[1];
    const chosen = [Math.floor(index / heads), index % heads];
    if (String(chosen) === this.host.dataset.selected) return;
    this.select(chosen); // at once; the page confirms it with the next update
    this.choose(...chosen);
  }

  showTip(index, { query, key, value }, x, y, lead = "") {
    const heads = this.spec.shape[1];
    const place = `Layer ${Math.floor(index / heads) + 1}, head ${(index % heads) + 1}`;
    const from = make("bdi", "", null, this.spec.queries[query]);
    const to = make("bdi", "", null, this.spec.keys[key]);
    const line = make("span", "pair");
    line.append(`${lead}“`, from, "” → “", to, "” ", make("b", "", null, (value / 255).toFixed(2)));
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
