// A text as a decoder read it, token by token: how surprising each token was, and a slider that replays how the text
// came about. At each step it stands there as far as it had been read, with what its last token looked at, and what was
// foretold. Everything is here already: moving the slider asks nobody.
//
// Data (packed by transformer/ui/next_word/replay.py): uint32 length, JSON, then one byte per weight of the chosen view,
// (tokens, tokens), 255 = 1. A token that was foretold has `bits`, `probability` and `best`; what was foretold for token
// i came from row i - 1. Step k is the moment when the first k tokens had been read.

const REST = 500; // ms without a move after which the address is told the step
const PACE = 450; // ms for each step of the replay
const MOST_BITS = 12; // where the tint of surprise is full: one in 4,096

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!(data instanceof Uint8Array)) return undefined;
  const tell = (seen) => setTriggerValue("seen", seen);
  return keep(parentElement, Replay, (replay) => replay.update(...unpack(data), tell));
}

class Replay {
  constructor(root) {
    this.host = make("div", "component replay", root);
    this.top = make("div", "top", this.host);
    const tints = [["surprise", "Surprise"], ["attention", "Attention"]];
    this.switch = makeSwitch("Tint of the text", "tint", tints, (tint) => this.pick(tint));
    this.top.append(this.switch);
    this.legend = make("span", "legend", this.top);
    this.body = make("div", "body", this.host);
    const left = make("div", "left", this.body);
    this.text = make("p", "text", left);
    this.text.dir = "auto"; // Hebrew and Arabic run from the right
    this.text.setAttribute("role", "group");
    this.controls = make("div", "controls", left);
    this.buildControls();
    this.status = make("div", "status", left);
    this.status.setAttribute("aria-live", "polite");
    this.foretold = make("div", "foretold", this.body);
    this.foretold.setAttribute("role", "group");
    this.picked = null; // a tint that somebody chose; without one it follows what is being done
    this.updates = 0;
    this.text.addEventListener("pointerover", (event) => this.onOver(event));
    this.text.addEventListener("pointerleave", () => this.point(null));
    this.text.addEventListener("click", (event) => this.onClick(event));
    this.text.addEventListener("focusin", (event) => this.onFocus(event));
    this.text.addEventListener("focusout", () => this.point(null));
    this.text.addEventListener("keydown", (event) => this.onKey(event));
  }

  destroy() {
    clearTimeout(this.telling);
    clearInterval(this.playing);
    this.host.remove();
  }

  pick(tint) {
    this.picked = tint;
    this.refresh();
    this.tell();
  }

  buildControls() {
    const button = (name, text, act) => {
      const made = make("button", "move", this.controls, text);
      made.type = "button";
      made.setAttribute("aria-label", name);
      made.title = name;
      made.addEventListener("click", act);
      return made;
    };
    button("One step back", "‹", () => this.move(this.step - 1));
    this.slider = make("input", "slider", this.controls);
    this.slider.type = "range";
    this.slider.min = 1;
    this.slider.setAttribute("aria-label", "Step");
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value)));
    button("One step on", "›", () => this.move(this.step + 1));
    this.player = button("Replay", "▶", () => this.play());
    this.count = make("span", "count", this.controls);
  }

  update(spec, weights, tell) {
    const count = spec.tokens.length;
    if (weights.length !== count * count) {
      throw new Error(`expected ${count * count} weights, received ${weights.length}`);
    }
    const theme = applyTheme(this.host, spec.accent);
    this.host.style.setProperty("--surprise", spec.surprise[theme]);
    // Another head is looked at: then its attention is what one wants to see.
    if (this.spec && this.spec.view !== spec.view) this.picked = "attention";
    const text = JSON.stringify(spec.tokens);
    const changed = text !== this.content;
    Object.assign(this, { spec, weights, sendSeen: tell, content: text });
    if (changed) {
      this.stop();
      clearTimeout(this.telling);
      this.picked = spec.tint || null;
      this.step = Math.max(1, Math.min(spec.step ?? count, count));
      this.slider.max = count;
      this.build();
    }
    this.refresh();
    this.host.dataset.updates = ++this.updates;
  }

  build() {
    const letters = this.spec.tokens.reduce((sum, token) => sum + token.text.length, 0);
    this.host.dataset.length = lengthOf(letters, 160, 500);
    this.text.setAttribute("aria-label", `${this.spec.tokens.length} tokens, arrow keys move between them`);
    this.text.replaceChildren();
    this.pointed = null;
    this.tabStop = this.spec.tokens.length - 1;
    this.tokens = layTokens(this.text, this.spec.tokens, (word, token, index) => {
      const blank = token.text === "␣";
      const element = make("span", "token", word, token.text);
      element.classList.toggle("special", token.special);
      element.classList.toggle("blank", blank);
      element.setAttribute("role", "button");
      element.tabIndex = index === this.tabStop ? 0 : -1;
      element.dataset.index = index;
      const surprise = token.bits === undefined ? "read first" : `${bits(token.bits)} of surprise`;
      element.setAttribute("aria-label", `${blank ? "space" : token.text}, ${surprise}`);
      return element;
    });
  }

  get tint() {
    return this.picked ?? (this.step < this.tokens.length ? "attention" : "surprise");
  }

  move(step) {
    const to = Math.max(1, Math.min(step, this.tokens.length));
    if (to === this.step) return;
    this.step = to;
    this.refresh();
    this.tell();
  }

  play() {
    if (this.playing) {
      this.stop();
      return;
    }
    if (this.step === this.tokens.length) this.move(1);
    this.player.textContent = "❚❚";
    this.player.setAttribute("aria-label", "Pause");
    this.playing = setInterval(() => {
      if (this.step < this.tokens.length) this.move(this.step + 1);
      if (this.step === this.tokens.length) this.stop();
    }, PACE);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.player.textContent = "▶";
    this.player.setAttribute("aria-label", "Replay");
  }

  /** The page learns where one stands once the hand rests, for its address. */
  tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      const step = this.step === this.tokens.length ? 0 : this.step;
      this.sendSeen({ step, tint: this.picked ?? "", tokens: this.tokens.length });
    }, REST);
  }

  /** Brings tints, legend, status line and what was foretold in line with the step. */
  refresh() {
    const { step, tokens } = this;
    const surprise = this.tint === "surprise";
    this.host.dataset.tint = this.tint;
    this.host.dataset.step = step;
    this.slider.value = step;
    this.slider.setAttribute("aria-valuetext", `after ${step} of ${tokens.length} tokens`);
    this.count.textContent = `${step} / ${tokens.length}`;
    setSwitch(this.switch, "tint", this.tint);
    tokens.forEach((element, index) => {
      const weight = index < step ? this.weight(step - 1, index) : 0;
      const token = this.spec.tokens[index];
      const tint = surprise ? Math.min((token.bits ?? 0) / MOST_BITS, 1) : weight;
      element.style.setProperty("--tint", index <= step ? tint.toFixed(3) : 0);
      element.dataset.weight = weight.toFixed(3);
      showWeight(element, surprise ? 0 : weight);
      element.classList.toggle("row", index === step - 1 && (!surprise || step < tokens.length));
      element.classList.toggle("came", index === step);
      element.classList.toggle("later", index > step);
    });
    this.buildLegend(surprise);
    this.say();
    this.showForetold();
  }

  weight(row, column) {
    return this.weights[row * this.tokens.length + column] / 255;
  }

  buildLegend(surprise) {
    if (this.legend.dataset.tint === this.tint) return;
    this.legend.dataset.tint = this.tint;
    const ends = surprise ? ["0 bits: certain", `${MOST_BITS} bits or more: 1 in 4,096`] : ["weight 0", "1"];
    this.legend.replaceChildren(make("span", "", null, ends[0]), make("span", "ramp"), make("span", "", null, ends[1]));
  }

  /** One line in words: of the token that is pointed at, else of the step. */
  say() {
    const index = this.pointed;
    const line = [];
    if (index !== null) {
      const { bits: own, probability, best, entropy } = this.spec.tokens[index];
      line.push(this.quote(index));
      if (own === undefined) line.push(" was read first: nothing foretold it.");
      else {
        line.push(": ", make("b", "", null, bits(own)), ` of surprise, foretold with ${percent(probability)}. `);
        const first = best[0];
        if (first && !first.written) line.push("Likeliest was “", make("bdi", "", null, shown(first.text)), `”, ${percent(first.probability)}. `);
        line.push(`Open between ${(2 ** entropy).toFixed(entropy < 3 ? 1 : 0)} tokens (${entropy.toFixed(1)} bits).`);
      }
    } else if (this.tint === "surprise") {
      const known = this.spec.tokens.slice(0, this.step + 1).filter((token) => token.bits !== undefined);
      const mean = known.reduce((sum, token) => sum + token.bits, 0) / Math.max(known.length, 1);
      if (known.length) line.push("On average ", make("b", "", null, bits(mean)), ` of surprise a token, as if it were one of ${(2 ** mean).toFixed(0)} equally likely ones. `);
      line.push("Point at a token for its numbers; click it to go there.");
    } else {
      const row = this.step - 1;
      const looked = [...Array(this.step).keys()].map((column) => [column, this.weight(row, column)]);
      looked.sort((a, b) => b[1] - a[1]);
      line.push(make("span", "view", null, `${this.spec.view}: `), this.quote(row), " looks at ");
      looked.slice(0, 4).filter(([, weight], i) => i === 0 || weight >= 0.01).forEach(([column, weight], i) => {
        line.push(i ? ", " : "", this.quote(column), " ", make("b", "", null, weight.toFixed(2)));
      });
      line.push(".");
    }
    this.status.replaceChildren(...line);
  }

  quote(index) {
    const quoted = make("span");
    quoted.append("“", make("bdi", "", null, this.spec.tokens[index].text), "”");
    return quoted;
  }

  /** What was foretold at this step, and what came. */
  showForetold() {
    const token = this.spec.tokens[this.step];
    const head = make("div", "head");
    if (!token) {
      head.append("All is read: what comes next is foretold in the list above. Move the slider to see what was foretold earlier.");
      this.foretold.setAttribute("aria-label", "Foretold at this step");
      this.foretold.replaceChildren(head);
      return;
    }
    head.append("Then came ", this.quote(this.step), ": ", make("b", "", null, percent(token.probability)), `, ${bits(token.bits)}. Foretold were:`);
    const rows = [...token.best];
    if (!rows.some((other) => other.written)) rows.push({ text: token.text, probability: token.probability, written: true });
    const most = Math.max(...rows.map((other) => other.probability), 1e-9);
    const list = make("ol", "others");
    for (const other of rows) {
      const item = make("li", other.written ? "other written" : "other", list);
      fillRow(item, shown(other.text), other.probability / most, other.probability);
    }
    this.foretold.setAttribute("aria-label", `Foretold at step ${this.step}`);
    this.foretold.replaceChildren(head, list);
  }

  point(index) {
    if (index === this.pointed) return;
    this.pointed = index;
    this.say();
  }

  onOver(event) {
    const token = event.target.closest?.(".token");
    this.point(token && event.pointerType !== "touch" ? Number(token.dataset.index) : null);
  }

  onClick(event) {
    const token = event.target.closest?.(".token");
    if (!token) return;
    this.move(Number(token.dataset.index) + 1);
    this.point(Number(token.dataset.index));
  }

  onFocus(event) {
    const index = this.tokens.indexOf(event.target);
    if (index < 0) return;
    this.tokens[this.tabStop].tabIndex = -1;
    this.tabStop = index;
    event.target.tabIndex = 0;
    this.point(index);
  }

  onKey(event) {
    const index = this.tokens.indexOf(event.target);
    if (index < 0) return;
    const on = getComputedStyle(this.text).direction === "rtl" ? -1 : 1;
    const to = { ArrowLeft: index - on, ArrowRight: index + on, Home: 0, End: this.tokens.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.move(index + 1);
    else if (to !== undefined) this.tokens[to]?.focus();
    else return;
    event.preventDefault();
  }
}

function bits(value) {
  return `${value.toFixed(1)} bits`;
}

function shown(text) {
  return text.trim() || "␣";
}
