"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const dark = matchMedia("(prefers-color-scheme: dark)");
const lookup = { light: bytes(data.lookup.light), dark: bytes(data.lookup.dark) };
const HINT = "Point at a cell, or use the arrow keys in the picture, to read its weight.";
const ALL = -1; // the mean over all layers or heads
const state = { ...data.start, row: null, column: null };
let sheetTile, heat;

// Weights come as 16 bits each, little-endian whatever the machine: 0 to 65535 for 0 to 1.
const maps = data.maps.map((map) => {
  const raw = new DataView(bytes(map.weights).buffer);
  const weights = new Float32Array(raw.byteLength / 2);
  for (let i = 0; i < weights.length; i++) weights[i] = raw.getUint16(2 * i, true) / 65535;
  return { ...map, weights };
});

function picture(map, layer, head) {
  const size = map.queries.length * map.keys.length;
  const layers = layer === ALL ? [...Array(map.layers).keys()] : [layer];
  const heads = head === ALL ? [...Array(map.heads).keys()] : [head];
  const mean = new Float32Array(size);
  for (const l of layers)
    for (const h of heads) {
      const start = (l * map.heads + h) * size;
      for (let i = 0; i < size; i++) mean[i] += map.weights[start + i];
    }
  return mean.map((value) => value / (layers.length * heads.length));
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The values as an image with a pixel for each cell.
function image(values, rows, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const colours = lookup[dark.matches ? "dark" : "light"];
  values.forEach((value, i) => {
    const at = 3 * Math.min(255, Math.round(value * 255));
    pixels.data.set([colours[at], colours[at + 1], colours[at + 2], 255], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// A canvas of that many CSS pixels, sharp on any screen.
function prepare(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.imageSmoothingEnabled = false;
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  return context;
}

const room = () => element("heat").parentElement.clientWidth - parseFloat(getComputedStyle(document.body).paddingLeft) * 2;
const cut = (text) => ([...text].length > 20 ? [...text].slice(0, 19).join("") + "…" : text);

function drawSheet() {
  const map = maps[state.map];
  const side = 22;
  const step = Math.max(14, Math.min(100, Math.floor((room() - side) / map.heads)));
  const context = prepare(element("sheet"), side + step * map.heads, side + step * map.layers);
  sheetTile = { side, step };
  context.fillStyle = style("--muted");
  context.textAlign = "center";
  for (let h = 0; h < map.heads; h++) context.fillText(h + 1, side + (h + 0.5) * step, side / 2);
  for (let l = 0; l < map.layers; l++) context.fillText(l + 1, side / 2, side + (l + 0.5) * step);
  for (let l = 0; l < map.layers; l++)
    for (let h = 0; h < map.heads; h++) {
      const small = image(picture(map, l, h), map.queries.length, map.keys.length);
      const box = [side + h * step + 2, side + l * step + 2, step - 4, step - 4];
      // Where several cells share a pixel they are averaged, not dropped.
      context.imageSmoothingEnabled = Math.max(small.width, small.height) > step;
      context.drawImage(small, ...box);
      const chosen = (state.layer === ALL || state.layer === l) && (state.head === ALL || state.head === h);
      context.strokeStyle = style(chosen ? "--accent" : "--grid");
      context.lineWidth = chosen ? 2 : 1;
      context.strokeRect(...box);
    }
  element("sheet").setAttribute("aria-label", `${map.layers} layers of ${map.heads} heads; ${name()} is chosen`);
}

function drawHeat() {
  const map = maps[state.map];
  const [rows, columns] = [map.queries.length, map.keys.length];
  const values = picture(map, state.layer, state.head);
  const measure = element("heat").getContext("2d");
  measure.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const widest = (labels) => Math.ceil(Math.max(...labels.map((label) => measure.measureText(cut(label)).width)));
  const left = Math.min(widest(map.queries), room() / 3) + 8;
  const width = Math.min(44, 800 / Math.max(rows, columns), (room() - left - 2) / columns);
  const height = Math.max(width, Math.min(18, 800 / rows));
  const turned = widest(map.keys) > width - 4;
  const below = turned ? widest(map.keys) + 10 : 24;
  const context = prepare(element("heat"), left + width * columns + 2, height * rows + below + 2);
  heat = { left, width, height, rows, columns, values };
  context.drawImage(image(values, rows, columns), left, 1, width * columns, height * rows);
  context.strokeStyle = style("--grid");
  context.strokeRect(left, 1, width * columns, height * rows);
  const every = (cell) => Math.max(1, Math.ceil(14 / cell));
  context.textAlign = "right";
  for (let row = 0; row < rows; row++) {
    if (row % every(height) && row !== state.row) continue;
    if (row !== state.row && state.row !== null && Math.abs(row - state.row) * height < 14) continue;
    context.fillStyle = style(row === state.row ? "--accent" : "--text");
    context.fillText(cut(map.queries[row]), left - 6, 1 + (row + 0.5) * height, left - 6);
  }
  for (let column = 0; column < columns; column++) {
    if (column % every(width) && column !== state.column) continue;
    if (column !== state.column && state.column !== null && Math.abs(column - state.column) * width < 14) continue;
    context.fillStyle = style(column === state.column ? "--accent" : "--text");
    context.save();
    context.translate(left + (column + 0.5) * width, height * rows + (turned ? 7 : 13));
    if (turned) context.rotate(-Math.PI / 2);
    context.textAlign = turned ? "right" : "center";
    context.fillText(cut(map.keys[column]), 0, 0);
    context.restore();
  }
  if (state.row !== null) {
    context.strokeStyle = style("--accent");
    context.lineWidth = 2;
    context.strokeRect(left + state.column * width, 1 + state.row * height, width, height);
  }
  element("heat").setAttribute("aria-label", `${rows} rows that look at ${columns} columns, ${name()}`);
}

function read() {
  const readout = element("readout");
  if (state.row === null) {
    readout.textContent = HINT;
    return;
  }
  const map = maps[state.map];
  const weight = heat.values[state.row * heat.columns + state.column];
  const token = (text) => Object.assign(document.createElement("bdi"), { textContent: `“${text}”` });
  const number = Object.assign(document.createElement("b"), { textContent: weight.toFixed(3) });
  readout.replaceChildren(token(map.queries[state.row]), " looks at ", token(map.keys[state.column]), ": ", number);
}

function name() {
  const layer = state.layer === ALL ? "mean of all layers" : `layer ${state.layer + 1}`;
  return `${layer}, ${state.head === ALL ? "mean of all heads" : `head ${state.head + 1}`}`;
}

function table() {
  if (!element("numbers").open) return;
  const map = maps[state.map];
  const cell = (kind, text) => Object.assign(document.createElement(kind), { textContent: text });
  const result = document.createElement("table");
  result.createTHead().insertRow().append(cell("th", ""), ...map.keys.map((key) => cell("th", key)));
  const body = result.createTBody();
  map.queries.forEach((query, row) => {
    const weights = [...heat.values.slice(row * heat.columns, (row + 1) * heat.columns)];
    body.insertRow().append(cell("th", query), ...weights.map((weight) => cell("td", weight.toFixed(3))));
  });
  element("numbers").querySelector("div").replaceChildren(result);
}

function draw() {
  const title = name();
  element("chosen").textContent = title[0].toUpperCase() + title.slice(1);
  const colours = lookup[dark.matches ? "dark" : "light"];
  const stops = [...Array(17).keys()].map((i) => `rgb(${colours.slice(Math.round((i / 16) * 255) * 3).slice(0, 3)})`);
  element("bar").style.background = `linear-gradient(to right, ${stops})`;
  drawSheet();
  drawHeat();
  read();
  table();
}

function options() {
  const map = maps[state.map];
  for (const [id, count] of [["layer", map.layers], ["head", map.heads]]) {
    state[id] = Math.min(state[id], count - 1);
    const numbers = [...Array(count).keys()].map((i) => new Option(i + 1, i));
    element(id).replaceChildren(new Option("mean of all", ALL), ...numbers);
    element(id).value = state[id];
  }
}

function choose(change) {
  Object.assign(state, change, { row: null, column: null });
  options();
  draw();
}

function point(row, column) {
  const inside = row >= 0 && column >= 0 && row < heat.rows && column < heat.columns;
  Object.assign(state, inside ? { row, column } : { row: null, column: null });
  drawHeat();
  read();
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));

element("sheet").addEventListener("click", (event) => {
  const at = (offset) => Math.floor((offset - sheetTile.side) / sheetTile.step);
  const [layer, head] = [at(event.offsetY), at(event.offsetX)];
  const map = maps[state.map];
  // The numbers at the edges choose a whole layer or one head of every layer.
  choose({ layer: layer < map.layers && layer >= 0 ? layer : ALL, head: head < map.heads && head >= 0 ? head : ALL });
});
element("sheet").addEventListener("keydown", (event) => {
  if (!(event.key in ARROWS)) return;
  event.preventDefault();
  const [down, right] = ARROWS[event.key];
  const map = maps[state.map];
  choose({ layer: clamp(state.layer + down, map.layers), head: clamp(state.head + right, map.heads) });
});
for (const kind of ["pointermove", "pointerdown"])
  element("heat").addEventListener(kind, (event) =>
    point(Math.floor((event.offsetY - 1) / heat.height), Math.floor((event.offsetX - heat.left) / heat.width)),
  );
element("heat").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(-1, -1));
element("heat").addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(-1, -1);
  if (!(event.key in ARROWS)) return;
  event.preventDefault();
  const [down, right] = state.row === null ? [0, 0] : ARROWS[event.key];
  point(clamp((state.row ?? 0) + down, heat.rows), clamp((state.column ?? 0) + right, heat.columns));
});
element("map").addEventListener("change", (event) => choose({ map: Number(event.target.value) }));
for (const id of ["layer", "head"])
  element(id).addEventListener("change", (event) => choose({ [id]: Number(event.target.value) }));
element("numbers").addEventListener("toggle", table);
dark.addEventListener("change", draw);
addEventListener("resize", draw);

document.querySelector("h1").textContent = data.heading;
element("input").textContent = data.input;
element("output").textContent = data.output;
element("map").replaceChildren(...maps.map((map, i) => new Option(map.title, i)));
element("map").value = state.map;
options();
draw();
