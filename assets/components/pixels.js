// From bytes to pixels and colours: the arithmetic of the pictures, without any state.

/**
 * Every matrix shrunk to at most (down, across): of each block the byte farthest from `zero` stays. Averaging or
 * skipping would let a single bright cell vanish from a long text's thumbnail; the extreme keeps every one.
 */
function reduceToExtremes(bytes, count, queries, keys, down, across, zero) {
  if (down === queries && across === keys) return bytes;
  const rows = Uint32Array.from({ length: queries }, (_, q) => Math.floor((q * down) / queries) * across);
  const columns = Uint32Array.from({ length: keys }, (_, k) => Math.floor((k * across) / keys));
  const far = Uint8Array.from({ length: 256 }, (_, byte) => Math.abs(byte - zero));
  const reduced = new Uint8Array(count * down * across).fill(zero);
  let from = 0;
  for (let matrix = 0; matrix < count; matrix++) {
    for (let query = 0; query < queries; query++) {
      const to = matrix * down * across + rows[query];
      for (let key = 0; key < keys; key++, from++) {
        const value = bytes[from];
        if (far[value] > far[reduced[to + columns[key]]]) reduced[to + columns[key]] = value;
      }
    }
  }
  return reduced;
}

/** All matrices, coloured, side by side as in the sheet, one pixel per value. */
function paintAtlas(values, layers, heads, down, across, palette) {
  const atlas = new OffscreenCanvas(heads * across, layers * down);
  const image = new ImageData(heads * across, layers * down);
  const pixels = new Uint32Array(image.data.buffer);
  let from = 0;
  for (let layer = 0; layer < layers; layer++) {
    for (let head = 0; head < heads; head++) {
      for (let y = 0; y < down; y++) {
        let to = ((layer * down + y) * heads + head) * across;
        for (let x = 0; x < across; x++) pixels[to++] = palette[values[from++]];
      }
    }
  }
  atlas.getContext("2d").putImageData(image, 0, 0);
  return atlas;
}

/** Matrix cells [first, end) under one screen pixel, `position` pixels into a side of `length`. */
function span(position, length, cells) {
  const pixel = Math.max(0, Math.min(length - 1, position));
  if (cells <= length) return [Math.floor((pixel * cells) / length), Math.floor((pixel * cells) / length) + 1];
  const first = Math.floor((Math.floor(pixel) * cells) / length);
  return [first, Math.min(cells, Math.max(first + 1, Math.ceil(((Math.floor(pixel) + 1) * cells) / length)))];
}

/** 256 x 3 bytes in base64 -> 256 pixels as the canvas stores them. */
function decodePalette(base64) {
  const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const palette = new Uint8ClampedArray(256 * 4).fill(255);
  for (let i = 0; i < 256; i++) palette.set(raw.subarray(3 * i, 3 * i + 3), 4 * i);
  return new Uint32Array(palette.buffer);
}

/** A pixel as CSS has it. */
function colourOf(pixel) {
  const [r, g, b] = new Uint8Array(Uint32Array.of(pixel).buffer, 0, 3);
  return `rgb(${r} ${g} ${b})`;
}

/** The key of a picture's colours between what its two ends stand for; stops are [pixel, place from 0 to 1]. */
function makeScale(low, stops, high) {
  const scale = make("span", "scale");
  make("span", "", scale, low);
  const colours = stops.map(([pixel, place]) => `${colourOf(pixel)} ${100 * place}%`);
  make("span", "ramp", scale).style.backgroundImage = `linear-gradient(90deg, ${colours.join(", ")})`;
  make("span", "", scale, high);
  return scale;
}
