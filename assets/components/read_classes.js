// A text whose tokens have classes: stretches are marked and named, and a token says all of its classes at the pointer.
//
// Data (made by transformer/ui/read/classes.py): {tokens: [{text, joins, special, classes: [{name, probability}], before}],
// stretches: [{begin, end, name, probability}], colours: {light, dark: {share, accent}}}. A token's tint is full where its
// class has a probability of 1; `before` is its class before something was changed in the network. Tokens without classes
// are a text in which stretches alone are marked.

const FULL = 62; // percent of the hue where a tint is full: text stays readable on it

export default function mount({ data, parentElement }) {
  if (!data) return undefined;
  return keep(parentElement, Classes, (classes) => classes.update(data));
}

class Classes {
  constructor(root) {
    this.host = make("div", "component classes", root);
    this.text = make("p", "text", this.host);
    this.text.dir = "auto";
    this.text.setAttribute("role", "group");
    this.status = make("div", "status", this.host);
    this.status.setAttribute("aria-live", "polite");
    for (const event of ["pointerover", "click", "focusin"]) {
      this.text.addEventListener(event, ({ target }) => this.point(target.closest?.(".token")));
    }
    for (const event of ["pointerleave", "focusout"]) this.text.addEventListener(event, () => this.point(null));
    this.text.addEventListener("keydown", (event) => this.onKey(event));
  }

  destroy() {
    this.host.remove();
  }

  update(data) {
    this.data = data;
    const colours = data.colours[themeOf(this.host)];
    for (const name of ["share", "accent"]) this.host.style.setProperty(`--${name}`, colours[name]);
    const letters = data.tokens.reduce((sum, token) => sum + token.text.length, 0);
    this.host.dataset.length = lengthOf(letters, 160, 500);
    this.text.setAttribute("aria-label", `${data.tokens.length} tokens with classes, arrow keys move between them`);
    const of = new Map();
    for (const stretch of data.stretches) for (let i = stretch.begin; i < stretch.end; i++) of.set(i, stretch);
    this.text.replaceChildren();
    layTokens(this.text, data.tokens, (word, token, index) => {
      const element = make("span", "token", word, token.text);
      element.classList.toggle("special", token.special);
      const best = token.classes[0];
      element.classList.toggle("changed", token.before !== undefined && token.before.name !== best.name);
      element.dataset.index = index;
      element.tabIndex = index === 0 ? 0 : -1;
      element.setAttribute("role", "img");
      element.setAttribute("aria-label", this.words(index));
      const stretch = of.get(index);
      if (!stretch) return;
      element.classList.add("marked");
      element.style.setProperty("--tint", `${(FULL * (best?.probability ?? 1)).toFixed(1)}%`);
      if (index < stretch.end - 1) return;
      const name = make("span", "name", word, stretch.name);
      make("span", "percent", name, percent(stretch.probability));
    });
    this.point(null);
  }

  /** A token, its classes, and its class before the change where it was another. */
  words(index) {
    const { text, classes, before } = this.data.tokens[index];
    if (!classes.length) return `“${text}”`;
    const said = classes.map(({ name, probability }) => `${name} ${percent(probability)}`).join(", ");
    return `“${text}”: ${said}${before ? `; before the change ${before.name} ${percent(before.probability)}` : ""}`;
  }

  point(token) {
    for (const other of this.text.querySelectorAll(".pointed")) other.classList.remove("pointed");
    token?.classList.add("pointed");
    this.status.textContent = token
      ? this.words(Number(token.dataset.index))
      : this.data.tokens[0]?.classes.length
        ? "Point at a token, or move with the arrow keys, to see its classes."
        : "";
  }

  onKey(event) {
    const all = [...this.text.querySelectorAll(".token")];
    const at = all.indexOf(event.target.closest?.(".token"));
    const on = getComputedStyle(this.text).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + on, ArrowLeft: at - on, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || !all[to]) return;
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
    event.preventDefault();
  }
}
