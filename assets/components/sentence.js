// The input and the output as a person writes them, each token a place to ask questions:
//   * hover, focus or lock a token: its attention lights the tokens it looks at, or that look at it;
//   * under a token of the output a card says how sure the network was and what else it considered;
//     choosing one of these sends {step, alternative} to the page;
//   * where tokens of the input have the number of a `word`, a click or Enter sends that number: the word is to be
//     masked, or its mask (`hidden` is what stands under it) taken off. A switch lets clicks lock tokens instead;
//   * where the page can cut looks (`cuttable`), the same switch lets a click on a second token send "cut", the row and
//     the column of the weights that belong to the locked one and to that.
//
// Data (packed by transformer/ui/parts/sentence.py): uint32 length, JSON, then one byte per weight of the
// chosen view, (queries, keys), 255 = 1. `places.queries[i]` is the token that row i belongs to, counted
// within its side; the same for keys and columns. -1 is the start marker that a decoder reads before its
// own output; a side that has one names it as `lead`, and it is shown as a token before the first. A third side,
// `beside`, is another answer to the same input, which stands above or below the target and is only read.

const CARD_DELAY = 200; // ms; passing over a line of text should not flash a card per word
const LEAVE_DELAY = 180; // ms to get from a token into its card

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!(data instanceof Uint8Array)) return undefined;
  return keep(parentElement, Sentence, (sentence) => sentence.update(...unpack(data), setTriggerValue));
}

class Sentence {
  constructor(root) {
    this.host = make("div", "component sentence", root);
    this.status = make("div", "status", this.host); // above the words, where no card covers it
    this.status.setAttribute("aria-live", "polite");
    this.body = make("div", "body", this.host);
    this.footer = make("div", "footer", this.host);
    this.card = new Card(this.host, (step, j, other) => this.chooseAlternative(step, j, other));
    this.direction = "forward"; // for self-attention: what a token looks at, or who looks at it
    this.clicking = ""; // what a click does: "mask" where words can be masked, "lock", or "cut" where looks can be
    this.tokens = { source: [], target: [] }; // elements in reading order, the lead included
    this.tabStop = { source: 0, target: 0 };
    this.locked = this.hovered = this.focused = null; // elements of tokens
    this.dismissed = false; // the card of the current token was closed
    this.updates = 0;
    this.body.addEventListener("pointerover", (event) => this.onOver(event));
    this.body.addEventListener("pointerout", () => this.leaveSoon());
    this.card.element.addEventListener("pointerenter", () => clearTimeout(this.leaving));
    this.card.element.addEventListener("pointerleave", () => this.leaveSoon());
    this.body.addEventListener("click", (event) => this.onClick(event));
    this.host.addEventListener("keydown", (event) => this.onKey(event));
    this.body.addEventListener("focusin", (event) => this.onFocus(event));
    this.host.addEventListener("focusout", (event) => this.onBlur(event));
    // A click elsewhere closes the card, but a locked token stays lit: that is how one compares heads.
    this.onOutside = (event) => {
      if (!event.composedPath().includes(this.host)) this.dismiss();
    };
    document.addEventListener("pointerdown", this.onOutside);
  }

  destroy() {
    clearTimeout(this.leaving);
    clearTimeout(this.opening);
    document.removeEventListener("pointerdown", this.onOutside);
    this.host.remove();
  }

  update(spec, weights, send) {
    const [queries, keys] = spec.shape;
    if (weights.length !== queries * keys) {
      throw new Error(`expected ${queries * keys} weights, received ${weights.length}`);
    }
    this.spec = spec;
    this.weights = weights;
    this.send = send;
    applyTheme(this.host, spec.accent);
    // The longer side decides for both.
    const longest = Math.max(...Object.values(spec.sides).map((side) => side.tokens.reduce((n, t) => n + t.text.length, 0)));
    this.host.dataset.length = lengthOf(longest, 180, 600);
    const text = JSON.stringify(spec.sides);
    if (text !== this.text) this.build(); // the same words keep their elements, focus and lock
    this.text = text;
    this.buildFooter();
    this.refresh();
    this.host.dataset.updates = ++this.updates;
  }

  build() {
    const active = this.host.getRootNode().activeElement;
    const had = this.host.contains(active) ? (this.info(active) ?? this.info(this.current)) : null;
    this.locked = this.hovered = this.focused = this.carded = null;
    this.body.replaceChildren();
    const { beside } = this.spec.sides;
    for (const side of ["source", "target"]) {
      const { title, tokens, lead } = this.spec.sides[side];
      if (side === "target" && beside?.above) this.buildBeside(beside);
      const shown = lead ? [{ text: lead, special: true }, ...tokens] : tokens;
      this.tokens[side] = [];
      this.tabStop[side] = Math.min(this.tabStop[side], Math.max(0, shown.length - 1));
      if (!shown.length) continue;
      const section = make("section", "side", this.body);
      make("div", "title", section, title);
      const text = make("p", "text", section);
      text.dir = "auto"; // Hebrew and Arabic run from the right, emoji and mixed text as written
      text.dataset.side = side;
      text.setAttribute("role", "group");
      text.setAttribute("aria-label", `${title}: ${tokens.length} tokens, arrow keys move between them`);
      this.tokens[side] = layTokens(text, shown, (word, token, place) =>
        this.buildToken(word, side, lead ? place - 1 : place, token),
      );
      this.tokens[side][this.tabStop[side]].tabIndex = 0;
    }
    if (beside && !beside.above) this.buildBeside(beside);
    if (had) (this.tokenAt(had.side, had.index) ?? this.tokens[had.side].at(-1))?.focus();
  }

  /** Another answer, to be read: it does not answer to the pointer. */
  buildBeside({ title, tokens }) {
    const section = make("section", "side beside", this.body);
    make("div", "title", section, title);
    const text = make("p", "text", section);
    text.dir = "auto";
    text.dataset.side = "beside";
    layTokens(text, tokens, (word, token) => {
      const element = make("span", "token", word, token.text.trim() === "" ? "␣" : token.text);
      if (token.special) element.classList.add("special");
      this.showSure(element, token);
      element.title = `${percent(token.probability)}${token.other === undefined ? "" : `, in the other answer ${percent(token.other)}`}`;
      return element;
    });
  }

  /** How sure the network was of a token, and whether another answer lacks it. */
  showSure(element, token) {
    element.style.setProperty("--sure", token.probability.toFixed(3));
    element.dataset.sure = token.probability >= 0.5 ? "yes" : token.probability >= 0.2 ? "half" : "no";
    if (token.changed) element.classList.add("changed");
  }

  buildToken(word, side, index, token) {
    const blank = token.text.trim() === "";
    const element = make("span", "token", word, blank ? "␣" : token.text);
    element.setAttribute("role", "button");
    element.setAttribute("aria-pressed", "false");
    if (token.word !== undefined) element.dataset.word = token.word;
    element.tabIndex = -1;
    Object.assign(element.dataset, { side, index });
    if (token.special || blank) element.classList.add("special");
    let name = blank ? "space" : token.text;
    if (token.probability !== undefined) {
      this.showSure(element, token);
      name += `, probability ${percent(token.probability)}`;
      if (token.other !== undefined) name += `, in the other answer ${percent(token.other)}`;
      if (token.changed) name += ", not in the other answer";
    }
    if (token.hidden !== undefined) {
      element.classList.add("masked");
      name = `mask instead of ${token.hidden}`;
      element.title = `instead of “${token.hidden}”`;
    }
    element.setAttribute("aria-label", name);
    return element;
  }

  /** Legend, and for self-attention the switch of direction. Not touched by hovering. */
  buildFooter() {
    const { queries, keys } = this.spec;
    const parts = [];
    const clicks = [["lock", "A click holds its attention"]];
    if (this.maskable) clicks.unshift(["mask", "A click masks the word"]);
    if (this.spec.cuttable) clicks.push(["cut", "A second click cuts the look"]);
    if (!clicks.some(([way]) => way === this.clicking)) this.clicking = clicks[0][0];
    if (clicks.length > 1) parts.push(this.buildSwitch("What a click does", "clicking", clicks));
    if (queries && queries === keys) {
      const ways = [["forward", "what it looks at"], ["reverse", "who looks at it"]];
      parts.push(this.buildSwitch("What a token lights", "direction", ways));
    }
    if (this.spec.sides.target.tokens.some((token) => token.probability !== undefined)) {
      const legend = make("span", "legend");
      legend.append("Pale = unsure: ");
      for (const [sure, value, text] of [["yes", 1, "≥ 50 %"], ["half", 0.35, "≥ 20 %"], ["no", 0.1, "< 20 %"]]) {
        const sample = make("span", "sample", legend, text);
        sample.dataset.sure = sure;
        sample.style.setProperty("--sure", value);
      }
      if (this.spec.sides.target.tokens.some((token) => token.changed)) make("span", "sample changed", legend, "only in one of both");
      parts.push(legend);
    }
    const names = parts.map((part) => part.textContent).join("|");
    if (names === this.footerNames) return; // keeps the focus of the switch
    this.footerNames = names;
    this.footer.replaceChildren(...parts);
  }

  /** A switch that sets a field of this object. */
  buildSwitch(label, field, ways) {
    const group = makeSwitch(label, field, ways, (value) => {
      this[field] = value;
      setSwitch(group, field, value);
      this.refresh();
    });
    setSwitch(group, field, this[field]);
    return group;
  }

  get maskable() {
    return this.spec.sides.source.tokens.some((token) => token.word !== undefined);
  }

  info(element) {
    if (!element?.dataset?.index) return null;
    return { side: element.dataset.side, index: Number(element.dataset.index) };
  }

  tokenAt(side, index) {
    return this.tokens[side][this.spec.sides[side].lead ? index + 1 : index];
  }

  get current() {
    return this.locked ?? this.hovered ?? this.focused;
  }

  /** Weights that a token lights: a list of [side, index, byte], and the sentence's verb. */
  lights(element) {
    const at = this.info(element);
    const { queries, keys, places, shape } = this.spec;
    if (!at || !queries) return null;
    const forward = at.side === queries && !(at.side === keys && this.direction === "reverse");
    if (!forward && at.side !== keys) return null;
    const own = (forward ? places.queries : places.keys).indexOf(at.index);
    if (own < 0) return null;
    const others = forward ? places.keys : places.queries;
    const lit = others.map((index, i) => [
      forward ? keys : queries,
      index,
      this.weights[forward ? own * shape[1] + i : i * shape[1] + own],
    ]);
    return { verb: forward ? "looks at" : "is looked at by", lit };
  }

  /** Brings light, outlines, status line and card in line with what is locked, hovered or focused. */
  refresh() {
    const current = this.current;
    for (const side of ["source", "target"]) {
      for (const token of this.tokens[side]) {
        token.classList.toggle("current", token === current);
        // A word is masked whole.
        token.classList.toggle("sibling", this.masks(current) && token.dataset.word === current.dataset.word);
        token.setAttribute("aria-pressed", String(token === this.locked));
        token.style.removeProperty("--light");
        delete token.dataset.light;
        delete token.dataset.number;
      }
    }
    const found = this.lights(current);
    for (const [side, index, byte] of found?.lit ?? []) {
      const token = this.tokenAt(side, index);
      const weight = byte / 255;
      token.style.setProperty("--light", weight.toFixed(3));
      token.dataset.light = weight.toFixed(3);
      showWeight(token, weight);
    }
    this.say(current, found);
    if (current !== this.carded) {
      this.dismissed = false;
      this.carded = current;
      clearTimeout(this.opening);
      if (this.stepOf(current) && current === this.hovered && !this.card.open && !this.locked) {
        this.opening = setTimeout(() => this.showCard(), CARD_DELAY);
        return;
      }
    }
    this.showCard();
  }

  /** One line that says in words what the light shows; it always has its room, so nothing jumps. */
  say(current, found) {
    const view = make("span", "view", null, this.spec.view ? `${this.spec.view}: ` : "");
    if (!current) {
      const ways = { mask: "click to mask it", cut: "click one, then another, and it no longer sees that" };
      const masks = this.clicking !== "mask" || this.masks(this.body.querySelector("[data-word]"));
      const click = (masks && ways[this.clicking]) ?? "click to hold it, Escape lets go";
      this.status.replaceChildren(view, `point at a word to see its attention; ${click}.`);
      return;
    }
    if (!found) {
      const { queries, keys } = this.spec;
      const elsewhere = queries === keys && current.dataset.side !== queries;
      const alone = `this view is about the ${queries === "source" ? "input" : "output"} alone.`;
      this.status.replaceChildren(view, !queries ? "" : elsewhere ? alone : "no weights belong to this token.");
      return;
    }
    const best = [...found.lit].sort((a, b) => b[2] - a[2]).slice(0, 4).filter(([, , byte]) => byte >= 2);
    const line = make("span");
    line.append("“", make("bdi", "", null, current.textContent), `” ${found.verb} `);
    if (!best.length) line.append("nothing with a weight of 0.01 or more");
    best.forEach(([side, index, byte], i) => {
      if (i) line.append(", ");
      line.append("“", make("bdi", "", null, this.tokenAt(side, index).textContent), "” ");
      line.append(make("b", "", null, (byte / 255).toFixed(2)));
    });
    this.status.replaceChildren(view, line);
  }

  stepOf(element) {
    const at = this.info(element);
    const token = at?.side === "target" ? this.spec.sides.target.tokens[at.index] : null; // none for a lead
    const { fixed } = this.spec.sides.target;
    return token?.probability === undefined ? null : { ...token, index: at.index, fixed };
  }

  showCard() {
    clearTimeout(this.opening);
    const step = this.stepOf(this.current);
    if (!step || this.dismissed) {
      this.card.hide();
      return;
    }
    this.card.show(step, this.current);
  }

  chooseAlternative(step, alternative, other) {
    const token = this.tokenAt("target", step.index);
    this.locked = this.hovered = null;
    token.focus({ preventScroll: true });
    this.dismiss();
    this.status.replaceChildren("Going on with “", make("bdi", "", null, other.text), "” …");
    this.send("chosen", { step: step.index, alternative });
  }

  dismiss() {
    this.dismissed = true;
    this.showCard();
  }

  onOver(event) {
    const token = event.target.closest?.(".token[data-index]");
    if (!token || event.pointerType === "touch") return; // a tap locks instead
    clearTimeout(this.leaving);
    if (token === this.hovered) return;
    this.hovered = token;
    if (!this.locked) this.refresh();
  }

  leaveSoon() {
    clearTimeout(this.leaving);
    this.leaving = setTimeout(() => {
      this.hovered = null;
      this.refresh();
    }, LEAVE_DELAY);
  }

  onClick(event) {
    const token = event.target.closest?.(".token[data-index]");
    if (token) this.press(token);
  }

  /** Whether a click on this token masks its word. */
  masks(token) {
    return this.clicking === "mask" && token?.dataset.word !== undefined;
  }

  /** The row and the column of the weights between a token that is held and another; null where there are none. */
  lookBetween(held, other) {
    const [from, to] = [this.info(held), this.info(other)];
    const found = held && this.lights(held);
    const place = found ? found.lit.findIndex(([side, index]) => side === to.side && index === to.index) : -1;
    if (place < 0) return null;
    const forward = found.verb === "looks at";
    const own = (forward ? this.spec.places.queries : this.spec.places.keys).indexOf(from.index);
    return forward ? [own, place] : [place, own];
  }

  /** A click or Enter: the word is masked, or a look is cut, where that is asked for, else its attention is held. */
  press(token) {
    const look = this.clicking === "cut" && this.locked ? this.lookBetween(this.locked, token) : null;
    if (look) {
      this.status.replaceChildren("Answering again …");
      this.send("cut", look);
      return;
    }
    if (!this.masks(token)) {
      this.toggleLock(token);
      return;
    }
    this.locked = null;
    token.focus({ preventScroll: true });
    this.status.replaceChildren("Reading again …");
    this.send("masked", Number(token.dataset.word));
  }

  toggleLock(token) {
    this.locked = this.locked === token ? null : token;
    this.dismissed = false;
    this.refresh();
  }

  onFocus(event) {
    const at = this.info(event.target);
    if (!at) return;
    this.tokens[at.side][this.tabStop[at.side]].tabIndex = -1;
    this.tabStop[at.side] = this.tokens[at.side].indexOf(event.target);
    event.target.tabIndex = 0;
    this.focused = event.target.matches(":focus-visible") ? event.target : null;
    this.refresh();
  }

  onBlur(event) {
    if (this.host.contains(event.relatedTarget)) return; // on to the card, or to another token
    this.focused = null;
    this.refresh();
  }

  onKey(event) {
    const at = this.info(event.target);
    if (event.key === "Escape") this.release(event);
    else if (at) this.onTokenKey(event, at.side);
    else if (event.target.closest(".alternatives")) this.onCardKey(event);
  }

  /** Escape: first out of the card, then out of the lock. */
  release(event) {
    if (!this.current) return;
    event.preventDefault();
    if (this.card.element.contains(event.target)) this.current.focus();
    this.locked = null;
    this.refresh();
    this.dismiss();
  }

  onTokenKey(event, side) {
    const tokens = this.tokens[side];
    const index = tokens.indexOf(event.target);
    const backwards = getComputedStyle(event.target.closest(".text")).direction === "rtl";
    const other = this.tokens[side === "source" ? "target" : "source"];
    const nearest = other[Math.round((index / tokens.length) * other.length)] ?? other.at(-1);
    const moves = {
      ArrowLeft: () => tokens[index + (backwards ? 1 : -1)],
      ArrowRight: () => tokens[index + (backwards ? -1 : 1)],
      Home: () => tokens[0],
      End: () => tokens.at(-1),
      ArrowUp: () => (side === "target" ? nearest : null),
      // Down goes into the card of an output token, and from the input to the output.
      ArrowDown: () => (side === "source" ? nearest : this.card.choices()[0]),
    };
    if (event.key === "Enter" || event.key === " ") this.press(event.target);
    else if (event.key in moves) moves[event.key]()?.focus();
    else return;
    event.preventDefault();
  }

  onCardKey(event) {
    const choices = this.card.choices();
    const at = choices.indexOf(event.target);
    if (event.key === "ArrowDown") choices[at + 1]?.focus();
    else if (event.key === "ArrowUp") (choices[at - 1] ?? this.current).focus();
    else return;
    event.preventDefault();
  }
}
