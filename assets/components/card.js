// The card under a token of the output: how sure the network was, and what else it considered.

class Card {
  /** `choose(step, j, alternative)` is called for an alternative that is clicked. */
  constructor(host, choose) {
    this.element = make("div", "card", host);
    this.element.hidden = true;
    this.element.setAttribute("role", "group");
    this.host = host;
    this.choose = choose;
  }

  get open() {
    return !this.element.hidden;
  }

  hide() {
    this.element.hidden = true;
  }

  /** Opens for `step`, whose alternatives cannot be chosen where it is `fixed`, under the last line of its token, inside the width of the host. */
  show(step, token) {
    const key = JSON.stringify(step);
    if (key !== this.key) this.fill(step);
    this.key = key;
    this.element.hidden = false;
    const host = this.host.getBoundingClientRect();
    const box = [...token.getClientRects()].at(-1);
    const left = Math.max(0, Math.min(box.left - host.left, host.width - this.element.offsetWidth));
    this.element.style.transform = `translate(${left}px, ${box.bottom - host.top}px)`;
  }

  fill(step) {
    const head = make("div", "head");
    head.append("“", make("bdi", "", null, step.text.trim() || "␣"), "” ", make("b", "", null, percent(step.probability)));
    if (step.other !== undefined) head.append(`, in the other answer ${percent(step.other)}`);
    head.append(` · entropy ${step.entropy.toFixed(2)} bits`);
    const list = make("div", "alternatives");
    const most = Math.max(...step.alternatives.map((other) => other.probability), 1e-9);
    step.alternatives.forEach((other, j) => {
      const button = make("button", "alternative", list);
      button.type = "button";
      fillRow(button, other.text.trim() || "␣", other.probability / most, other.probability);
      button.disabled = other.written || step.fixed;
      if (other.written) button.setAttribute("aria-current", "true");
      const what = other.written ? "written" : step.fixed ? "" : "go on with it from here";
      button.setAttribute("aria-label", [other.text, percent(other.probability), what].filter(Boolean).join(", "));
      button.title = other.written ? "the token that was written" : what;
      button.addEventListener("click", () => this.choose(step, j, other));
    });
    this.element.replaceChildren(head, list);
    const hint = step.fixed ? "Take the change back to go on with another." : "Click another: the network goes on from there.";
    if (step.alternatives.length) make("div", "hint", this.element, hint);
    this.element.setAttribute("aria-label", `Alternatives to ${step.text}`);
  }

  /** The buttons that can be chosen: all but the token that was written. */
  choices() {
    return this.open ? [...this.element.querySelectorAll("button:not(:disabled)")] : [];
  }
}
