// What every component shares. transformer/ui/parts/component.py sends it in front of each of them, as one script:
// Streamlit hands a component over as a single file, and there is no build step.

const mounted = new WeakMap(); // root -> the object that draws into it

/**
 * What a component returns from its mount: at the first call for a root an object of this class is made, at every one
 * `update(object)` hands it the data, and when the root goes, so does the object.
 */
function keep(root, Component, update) {
  let kept = mounted.get(root);
  if (!kept) {
    kept = new Component(root);
    mounted.set(root, kept);
  }
  update(kept);
  return () => {
    kept.destroy();
    mounted.delete(root);
  };
}

/** Bytes as transformer/ui/parts/wire.py packs them: a JSON header after its length, and what follows. */
function unpack(data) {
  const end = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(data.subarray(4, end))), data.subarray(end)];
}

/** Text only ever enters the page as text, never as markup. */
function make(tag, className = "", parent = null, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  parent?.append(element);
  return element;
}

/** "light" or "dark", read off the page's real background, so that a switch in the menu is followed. */
function themeOf(host) {
  const background = getComputedStyle(host).backgroundColor;
  const [r, g, b] = (background.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
}

/** Takes the theme on: common.css draws in --accent. */
function applyTheme(host, accent) {
  const theme = themeOf(host);
  host.dataset.theme = theme;
  host.style.setProperty("--accent", accent[theme]);
  return theme;
}

/** Buttons, [value, text] each, one of which is taken; their value stands in data-`field` and goes to `take`. */
function makeSwitch(label, field, ways, take) {
  const group = make("span", "switch");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const [value, text] of ways) {
    const button = make("button", "", group, text);
    button.type = "button";
    button.dataset[field] = value;
    button.addEventListener("click", () => take(value));
  }
  return group;
}

/** Shows which button of a switch is taken. */
function setSwitch(group, field, value) {
  for (const button of group.children) button.setAttribute("aria-pressed", String(button.dataset[field] === value));
}

/** Type is large for a sentence and smaller for a page of text. */
function lengthOf(letters, paragraph, page) {
  return letters > page ? "page" : letters > paragraph ? "paragraph" : "sentence";
}

/** Tokens as running text: `draw(word, token, index)` adds each to the word that it belongs to. */
function layTokens(text, tokens, draw) {
  let word = null;
  return tokens.map((token, index) => {
    if (!word || !token.joins || token.special) {
      if (word) text.append(" ");
      word = make("span", "word", text);
    }
    const element = draw(word, token, index);
    // A word is not broken over lines, unless it alone is longer than one.
    if (word.textContent.length > 18) word.classList.add("long");
    return element;
  });
}

/** Weights from 0.05 on are also written above their token, without the zero before the point. */
function showWeight(element, weight) {
  if (weight >= 0.05) element.dataset.number = weight.toFixed(2).replace(/^0/, "");
  else delete element.dataset.number;
}

/** Makes `row` a possibility: its name, a bar over a share of a track, and its probability. Returns name and track. */
function fillRow(row, text, share, probability) {
  row.classList.add("possibility");
  const name = make("bdi", "name", row, text);
  const track = make("span", "track", row);
  make("span", "bar", track).style.width = `${100 * share}%`;
  make("span", "percent", row, percent(probability));
  return [name, track];
}

function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value < 9.95 || (value > 99.5 && value < 100) ? value.toFixed(1) : value.toFixed(0)} %`;
}
