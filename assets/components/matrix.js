// One matrix of numbers as a picture: a canvas of up to millions of cells, each with its exact value in reach of
// the pointer and of the arrow keys.
//
// It is mounted with bytes (transformer/ui/parts/matrix.py makes them): the length of a JSON header (4 bytes, little end
// first), the header, then float32 values row by row. NaN is a cell that has no value.

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!(data instanceof Uint8Array)) return undefined;
  const choose = (row, column) => setTriggerValue("picked", [row, column]);
  return keep(parentElement, Matrix, (matrix) => matrix.update(data, choose));
}

class Matrix {
  constructor(root) {
    this.host = make("div", "component drawn matrix", root);
    this.legend = make("div", "legend", this.host);
    this.frame = make("div", "frame", this.host);
    this.rows = make("div", "rows", this.frame);
    this.box = make("div", "box", this.frame);
    this.canvas = make("canvas", "picture", this.box);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.marker = make("div", "marker", this.box);
    this.cursor = make("div", "cursor", this.box);
    this.columns = make("div", "columns", this.frame);
    this.tip = make("div", "tip", this.host);
    this.tip.setAttribute("role", "status");
    this.hideTip();
    this.paints = 0;
    this.at = [0, 0];
    this.canvas.addEventListener("pointermove", (event) => this.onPointer(event));
    this.canvas.addEventListener("pointerdown", (event) => this.onPointer(event));
    this.canvas.addEventListener("pointerleave", () => this.hideTip());
    this.canvas.addEventListener("click", () => this.pick());
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
    this.canvas.addEventListener("focus", () => this.canvas.matches(":focus-visible") && this.point());
    this.canvas.addEventListener("blur", () => this.hideTip());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.host);
  }

  destroy() {
    this.observer.disconnect();
    this.host.remove();
  }

  update(data, choose) {
    this.choose = choose;
    this.applied = data !== this.data || this.theme !== themeOf(this.host);
    if (!this.applied) return;
    this.data = data;
    const [spec, values] = unpack(data);
    this.spec = spec;
    // A copy: float32 values must begin at a multiple of 4 bytes, and a message need not.
    this.values = new Float32Array(values.slice().buffer);
    const [rows, columns] = this.spec.shape;
    if (this.values.length !== rows * columns) {
      throw new Error(`expected ${rows * columns} values, received ${this.values.length}`);
    }
    this.at = [Math.min(this.at[0], rows - 1), Math.min(this.at[1], columns - 1)];
    this.theme = applyTheme(this.host, spec.accent);
    this.palette = decodePalette(this.spec.scale[this.theme]);
    this.canvas.setAttribute("aria-label", `${this.spec.title}. Arrow keys read single values.`);
    this.canvas.style.cursor = this.spec.pickable ? "pointer" : "crosshair";
    this.describe();
    this.painted = "";
    this.hideTip();
    this.draw();
  }

  describe() {
    const { low, high, unit, steps } = this.spec;
    const stops = Array.from({ length: 17 }, (_, i) => [this.palette[Math.round((i / 16) * (steps - 1))], i / 16]);
    const scale = makeScale(format(low, 2), stops, `${format(high, 2)}${unit}`);
    const middle = low < 0 && high > 0 ? " · 0 in the middle" : "";
    this.legend.replaceChildren(make("b", "", null, this.spec.title), scale);
    this.legend.title = `${format(low, 2)} to ${format(high, 2)}${unit}${middle}`;
  }

  draw() {
    const room = this.host.clientWidth;
    if (!this.spec || room === 0) return; // inside a closed tab
    const [rows, columns] = this.spec.shape;
    const gutter = this.gutter(room);
    const most = room - gutter - 2;
    const { tallest, cell } = this.spec;
    let width = cell ? Math.min(most, cell * columns) : most;
    let height = cell ? Math.min(tallest, cell * rows) : tallest;
    if (this.spec.square) width = height = Math.min(width, height);
    const density = devicePixelRatio;
    width = Math.max(8, whole(width, columns, density));
    height = Math.max(8, whole(height, rows, density));
    const painted = [room, width, height, density, this.theme].join();
    if (painted === this.painted) return;
    this.painted = painted;
    const start = performance.now();
    this.frame.style.gridTemplateColumns = `${gutter}px ${width}px`;
    this.box.style.width = `${width}px`;
    this.box.style.height = `${height}px`;
    this.canvas.width = Math.round(width * density);
    this.canvas.height = Math.round(height * density);
    const across = Math.min(columns, this.canvas.width);
    const down = Math.min(rows, this.canvas.height);
    const shown = blend(this.values, rows, columns, down, across);
    const image = paint(shown, down, across, this.palette, this.spec);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false; // cells stay sharp
    context.drawImage(image, 0, 0, this.canvas.width, this.canvas.height);
    this.ticks(width, height);
    this.mark(width, height);
    this.paints += 1;
    // For tests and for timing from outside.
    Object.assign(this.host.dataset, {
      shape: `${rows}x${columns}`,
      paints: this.paints,
      drawMs: (performance.now() - start).toFixed(1),
    });
    const detail = { title: this.spec.title, shape: [rows, columns] };
    requestAnimationFrame(() => setTimeout(() => performance.mark("headlight:matrix-painted", { detail })));
  }

  /** Room for the labels of rows. */
  gutter(room) {
    if (!this.spec.labels.length) return 64;
    const longest = Math.max(...this.spec.labels.map((label) => [...label].length));
    return Math.min(room / 3, Math.max(64, 14 + 7.5 * longest));
  }

  ticks(width, height) {
    const [rows, columns] = this.spec.shape;
    const { labels, names } = this.spec;
    this.rows.replaceChildren();
    this.columns.replaceChildren();
    this.rows.style.height = `${height}px`;
    this.columns.style.width = `${width}px`;
    const every = labels.length ? Math.max(1, Math.ceil((15 * rows) / height)) : step((34 * rows) / height);
    for (let row = 0; row < rows; row += every) {
      const tick = make("span", "tick", this.rows, labels.length ? labels[row] : String(row + this.spec.first));
      tick.style.top = `${((row + 0.5) / rows) * height}px`;
    }
    const beside = step((40 * columns) / width);
    for (let column = 0; column < columns; column += beside) {
      const tick = make("span", "tick", this.columns, String(column + this.spec.first));
      tick.style.left = `${((column + 0.5) / columns) * width}px`;
    }
    make("span", "name", this.columns, `${names[1]} →`);
    make("span", "name", this.rows, labels.length ? "" : `${names[0]} ↓`);
  }

  /** Outlines the marked row, or one marked cell. */
  mark(width, height) {
    const [rows, columns] = this.spec.shape;
    const [row, column] = this.spec.marked ?? [-1, -1];
    this.marker.hidden = row < 0;
    if (row < 0) return;
    const tall = Math.max(height / rows, 3);
    const top = ((row + 0.5) * height) / rows - tall / 2;
    Object.assign(this.marker.style, { top: `${top}px`, height: `${tall}px` });
    const wide = column < 0 ? width : Math.max(width / columns, 3);
    const left = column < 0 ? 0 : ((column + 0.5) * width) / columns - wide / 2;
    Object.assign(this.marker.style, { left: `${left}px`, width: `${wide}px` });
  }

  onPointer(event) {
    if (!this.spec) return;
    const [rows, columns] = this.spec.shape;
    const box = this.canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
    this.at = [Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(columns - 1, column))];
    this.showTip(event.clientX, event.clientY, event.pointerType === "touch");
    this.cursor.hidden = true;
  }

  onKey(event) {
    const [rows, columns] = this.spec.shape;
    const [row, column] = this.at;
    const stride = Math.max(1, Math.round(rows / 16));
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      PageUp: [row - stride, column],
      PageDown: [row + stride, column],
      Home: [row, 0],
      End: [row, columns - 1],
    };
    if (event.key === "Enter" || event.key === " ") this.pick();
    else if (event.key === "Escape") this.hideTip();
    else if (event.key in moves) {
      const [down, across] = moves[event.key];
      this.at = [Math.max(0, Math.min(rows - 1, down)), Math.max(0, Math.min(columns - 1, across))];
      this.point();
    } else return;
    event.preventDefault();
  }

  /** The cell of the keyboard: outlined, with its value beside it. */
  point() {
    const [rows, columns] = this.spec.shape;
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [((this.at[1] + 0.5) / columns) * box.width, ((this.at[0] + 0.5) / rows) * box.height];
    Object.assign(this.cursor.style, { left: `${x}px`, top: `${y}px` });
    this.showTip(box.left + x, box.top + y);
    this.cursor.hidden = false;
  }

  pick() {
    if (this.spec.pickable) this.choose(...this.at);
  }

  showTip(x, y) {
    const [row, column] = this.at;
    const { names, labels, unit, first, missing } = this.spec;
    const value = this.values[row * this.spec.shape[1] + column];
    const place = make("span", "place");
    if (labels.length) place.append("“", make("bdi", "", null, labels[row]), "”");
    else place.append(`${names[0]} ${row + first}`);
    place.append(`, ${names[1]} ${column + first}: `);
    const shown = Number.isNaN(value) ? missing : `${format(value, 4)}${unit}`;
    this.tip.replaceChildren(place, make("b", "", null, shown));
    this.tip.style.visibility = "visible";
    const host = this.host.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = Math.max(0, Math.min(x - host.left + 14, host.width - width));
    const below = y + 22 + height < innerHeight;
    const top = below ? y - host.top + 18 : y - host.top - height - 12;
    this.tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  hideTip() {
    this.tip.style.visibility = "hidden";
    this.cursor.hidden = true;
  }
}

/** A length near `most` in which every cell has the same whole number of screen pixels, where that costs little. */
function whole(most, cells, density) {
  const pixels = Math.floor((most * density) / cells);
  const even = (pixels * cells) / density;
  return even >= 0.72 * most ? even : Math.floor(most);
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function step(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= least - 1e-9);
}

/** A number with a real minus sign: `digits` after the point, and where those would be zeros, as many that count. */
function format(value, digits) {
  const size = Math.abs(value);
  const text = size !== 0 && size < 0.01 ? size.toExponential(digits - 1) : size.toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + (digits < 4 ? String(Number(text)) : text);
}

/** The matrix shrunk to (down, across) by the mean of each block: where cells outnumber pixels they blend. */
function blend(values, rows, columns, down, across) {
  if (down === rows && across === columns) return values;
  const sums = new Float64Array(down * across);
  const counts = new Uint32Array(down * across);
  const to = Uint32Array.from({ length: columns }, (_, column) => Math.floor((column * across) / columns));
  for (let row = 0, from = 0; row < rows; row++) {
    const line = Math.floor((row * down) / rows) * across;
    for (let column = 0; column < columns; column++, from++) {
      const value = values[from];
      if (value === value) {
        sums[line + to[column]] += value;
        counts[line + to[column]] += 1;
      }
    }
  }
  return sums.map((sum, i) => sum / counts[i]); // 0 / 0 is NaN: no cell there has a value
}

/** Values as colours on an offscreen canvas, one pixel each. */
function paint(values, down, across, palette, { low, high, steps }) {
  const canvas = new OffscreenCanvas(across, down);
  const image = new ImageData(across, down);
  const pixels = new Uint32Array(image.data.buffer);
  const factor = (steps - 1) / (high - low);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== value) continue; // transparent: the page's background
    pixels[i] = palette[Math.max(0, Math.min(steps - 1, Math.round((value - low) * factor)))];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
