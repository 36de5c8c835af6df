// The likeliest next words as bars, each a button that appends its word.
//
// Data (made by transformer/ui/next_word/bars.py): {words: [{start, text, probability, own, before}], blocked, accent}.
// `before` is the network's own probability before something was changed in it; left out where it is not known.
// `start` is the part of a broken-off word that is typed already. An answer is [number of the list, place in it], so
// that a click that comes late is never taken for a word of another list.

export default function mount({ data, parentElement, setTriggerValue }) {
  const take = (answer) => setTriggerValue("taken", answer);
  return keep(parentElement, Bars, (bars) => bars.update(data, take));
}

class Bars {
  constructor(root) {
    this.host = make("div", "component bars", root);
    this.list = make("ol", "words", this.host);
    this.list.setAttribute("aria-label", "The likeliest next words");
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.updates = 0;
  }

  destroy() {
    this.host.remove();
  }

  update(spec, take) {
    this.take = take;
    applyTheme(this.host, spec.accent);
    const content = JSON.stringify([spec.list, spec.words, spec.blocked]);
    if (content === this.content) return;
    this.content = content;
    this.spec = spec;
    const active = this.host.getRootNode().activeElement;
    const at = this.buttons().indexOf(active);
    const most = Math.max(...spec.words.map((word) => Math.max(word.probability, word.own, word.before ?? 0)), 1e-9);
    this.list.replaceChildren(...spec.words.map((word, place) => this.row(word, place, most)));
    // Whoever goes on word after word by keyboard stays in the list.
    if (at >= 0) this.buttons()[Math.min(at, spec.words.length - 1)]?.focus();
    this.host.dataset.updates = ++this.updates;
    performance.mark("headlight:words-drawn", { detail: { list: spec.list } });
  }

  row({ start, text, probability, own, before }, place, most) {
    const item = make("li");
    const button = make("button", "word", item);
    button.type = "button";
    button.disabled = this.spec.blocked;
    const [name, track] = fillRow(button, text, probability / most, probability);
    if (start) name.prepend(make("span", "start", null, start));
    make("span", "tick", track).style.left = `${(100 * own) / most}%`;
    if (before !== undefined) make("span", "tick before", track).style.left = `${(100 * before) / most}%`;
    const was = before === undefined ? "" : `, before the change ${percent(before)}`;
    const numbers = `drawn with ${percent(probability)}, the network's own probability ${percent(own)}${was}`;
    button.setAttribute("aria-label", `${start}${text}: ${numbers}. Append it.`);
    button.title = numbers;
    button.addEventListener("click", () => {
      this.host.classList.add("busy"); // until the next list is here
      this.take([this.spec.list, place]);
    });
    this.host.classList.remove("busy");
    return item;
  }

  buttons() {
    return [...this.list.querySelectorAll("button")];
  }

  onKey(event) {
    const buttons = this.buttons();
    const at = buttons.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    buttons[to]?.focus();
    event.preventDefault();
  }
}
