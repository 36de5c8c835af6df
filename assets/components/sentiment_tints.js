// The same text several times, each time tinted by another answer to "which words matter?".
//
// Data (made by transformer/ui/sentiment/tints.py): {tokens: [{text, joins, special}], rows: [{title, about, signed, low,
// high, unit, values}], colours: {light, dark: {share, for, against, accent}}}. A row's tint is full at its own largest
// value, which the legend names; a signed row has one hue for each sign. Values of null: not computed yet.

const FULL = 62; // percent of the hue where a tint is full: text stays readable on it

export default function mount({ data, parentElement }) {
  if (!data) return undefined;
  return keep(parentElement, Tints, (tints) => tints.update(data));
}

class Tints {
  constructor(root) {
    this.host = make("div", "component tints", root);
    this.grid = make("div", "grid", this.host);
    this.status = make("div", "status", this.host);
    this.status.setAttribute("aria-live", "polite");
    this.pointed = null;
    this.updates = 0;
    this.grid.addEventListener("pointerover", (event) => {
      const token = event.target.closest?.(".token");
      if (token) this.point(Number(token.dataset.index));
    });
    this.grid.addEventListener("pointerleave", () => this.point(null));
    this.grid.addEventListener("click", (event) => {
      const token = event.target.closest?.(".token");
      if (token) this.point(Number(token.dataset.index));
    });
    this.grid.addEventListener("focusin", (event) => this.onFocus(event));
    this.grid.addEventListener("focusout", () => this.point(null));
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
  }

  destroy() {
    this.host.remove();
  }

  update(data) {
    this.data = data;
    const colours = data.colours[themeOf(this.host)];
    for (const name of ["share", "for", "against", "accent"]) this.host.style.setProperty(`--${name}`, colours[name]);
    const letters = data.tokens.reduce((sum, token) => sum + token.text.length, 0);
    this.host.dataset.length = lengthOf(letters, 160, 500);
    const scrolled = this.texts?.[0]?.scrollTop ?? 0;
    this.pointed = null;
    this.grid.replaceChildren();
    this.texts = data.rows.map((row, i) => this.build(row, i));
    for (const text of this.texts) {
      text.scrollTop = scrolled;
      text.addEventListener("scroll", () => this.follow(text));
    }
    this.say();
    this.host.dataset.updates = ++this.updates;
  }

  build(row, number) {
    const section = make("section", "row", this.grid);
    section.setAttribute("aria-label", row.title);
    make("div", "title", section, row.title);
    make("div", "about", section, row.about);
    const most = Math.max(0, ...(row.values ?? []).map(Math.abs));
    if (row.values) section.append(legend(row, most));
    const text = make("p", "text", section);
    text.dir = "auto"; // Hebrew and Arabic run from the right
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", `${row.title}, ${this.data.tokens.length} tokens, arrow keys move between them`);
    layTokens(text, this.data.tokens, (word, token, index) => {
      const element = make("span", "token", word, token.text);
      element.classList.toggle("special", token.special);
      element.dataset.index = index;
      if (!row.values) return;
      const value = row.values[index];
      element.dataset.value = number3(value, row.signed);
      element.style.setProperty("--tint", most ? `${((FULL * Math.abs(value)) / most).toFixed(1)}%` : "0%");
      element.style.setProperty("--hue", `var(--${row.signed ? (value > 0 ? "for" : "against") : "share"})`);
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", `${token.text}, ${number3(value, row.signed)}`);
      element.tabIndex = index === 0 ? 0 : -1;
    });
    section.dataset.number = number;
    return text;
  }

  /** Long texts scroll together. */
  follow(from) {
    for (const text of this.texts) if (Math.abs(text.scrollTop - from.scrollTop) > 1) text.scrollTop = from.scrollTop;
  }

  point(index) {
    if (index === this.pointed) return;
    this.pointed = index;
    for (const token of this.grid.querySelectorAll(".token.pointed")) token.classList.remove("pointed");
    if (index !== null) {
      for (const token of this.grid.querySelectorAll(`.token[data-index="${index}"]`)) token.classList.add("pointed");
    }
    this.say();
  }

  /** One line: every row's number for the token that is pointed at. */
  say() {
    if (this.pointed === null) {
      this.status.textContent = "Point at a word, or move with the arrow keys, to see its numbers.";
      return;
    }
    const line = ["“", make("bdi", "", null, this.data.tokens[this.pointed].text), "”"];
    for (const row of this.data.rows) {
      if (!row.values) continue;
      line.push(` · ${row.title.toLowerCase()} `, make("b", "", null, number3(row.values[this.pointed], row.signed)));
    }
    this.status.replaceChildren(...line);
  }

  onFocus(event) {
    const token = event.target.closest?.(".token");
    if (!token) return;
    for (const other of token.closest(".text").querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    token.tabIndex = 0;
    this.point(Number(token.dataset.index));
  }

  onKey(event) {
    const token = event.target.closest?.(".token");
    if (!token) return;
    const all = [...token.closest(".text").querySelectorAll(".token")];
    const at = all.indexOf(token);
    const on = getComputedStyle(token.closest(".text")).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + on, ArrowLeft: at - on, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    all[to]?.focus();
    event.preventDefault();
  }
}

function legend(row, most) {
  const line = make("div", "legend");
  make("span", "", line, row.signed ? `${row.low} ${number3(-most, true)}` : row.low);
  make("span", row.signed ? "ramp signed" : "ramp", line);
  make("span", "", line, `${row.signed ? `${number3(most, true)} ` : ""}${row.signed ? row.high : number3(most, false)}`);
  return line;
}

/** Two or more digits that count, with its sign where it has a meaning; a true minus. */
function number3(value, signed) {
  const size = Math.abs(value);
  const digits = size >= 0.095 ? 2 : 3;
  const text = size.toFixed(digits);
  if (!signed || Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}
