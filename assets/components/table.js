// A small table of text to type into: a word in the first column, numbers in the others, one row after the last for
// another word. Enter and the arrow keys go from row to row, Tab from cell to cell; cells copied from a spreadsheet
// can be pasted.
//
// What stands in the boxes is the table; the page only hears of it. A cell counts when it is left or with Enter; then
// the whole table is sent, so that nothing depends on what was sent before or on what the page is doing meanwhile.
// Streamlit's own editor decides in a timer what Enter has ended, and forgets the cell if the browser was too busy to
// come to that timer between the last letter and Enter. Here the keystroke itself decides.
//
// Data (made by transformer/ui/by_hand/table.py): {generation, columns, rows}. Rows are drawn when their generation
// is new; otherwise they are what this table has sent, maybe some edits ago, and are left alone.

const LONGEST = 60; // letters of a cell, and
const MOST = 32; // rows: more than any good table has, so that the page can say what is wrong

export default function mount({ data, parentElement, setStateValue }) {
  return keep(parentElement, Table, (table) => table.update(data, (edited) => setStateValue("edited", edited)));
}

class Table {
  constructor(root) {
    this.host = make("div", "component typed", root);
    const table = make("table", "", this.host);
    this.head = make("tr", "", make("thead", "", table));
    this.body = make("tbody", "", table);
    this.body.addEventListener("focusin", (event) => this.onFocus(event));
    this.body.addEventListener("focusout", (event) => this.commit(event.target));
    this.body.addEventListener("mouseup", (event) => this.onMouseUp(event));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.body.addEventListener("paste", (event) => this.onPaste(event));
    this.body.addEventListener("click", (event) => this.onClick(event));
  }

  destroy() {
    this.host.remove();
  }

  update({ generation, columns, rows }, send) {
    this.send = send;
    if (generation === this.generation) return;
    const typing = this.typing();
    this.generation = generation;
    this.columns = ["word", ...columns];
    this.rows = rows.map((row) => [...row]);
    this.head.replaceChildren();
    for (const name of this.columns) make("th", "", this.head, name).scope = "col";
    make("td", "", this.head);
    this.draw();
    this.resume(typing);
  }

  /** The cell that somebody is typing into while a new table arrives, and the word of its row. */
  typing() {
    const input = this.host.getRootNode().activeElement;
    if (!input?.matches("input") || !this.host.contains(input)) return null;
    const [row, column] = this.place(input);
    const changed = input.value !== this.text(row, column);
    return { row, column, word: this.text(row, 0), text: changed ? input.value : null };
  }

  /** What was being typed goes on in the new table: in the same row, or else in the one to which its word has moved. */
  resume(typing) {
    if (!typing) return;
    const { row, column, word, text } = typing;
    const words = [...this.rows.map(([first]) => first), ""]; // the blank row's, too
    const input = this.input(words[row] === word ? row : words.indexOf(word), column);
    if (!input) return;
    input.focus();
    if (text === null) return;
    input.value = text;
    input.setSelectionRange(text.length, text.length);
  }

  draw() {
    this.drawing = true; // a box that is taken away is left, too
    this.body.replaceChildren();
    this.rows.forEach(() => this.addRow());
    this.addRow();
    this.drawing = false;
  }

  /** One more row of boxes; the one after the last word is blank and cannot be deleted. */
  addRow() {
    const row = this.body.children.length;
    if (row >= MOST) return;
    const line = make("tr", row < this.rows.length ? "" : "blank", this.body);
    this.columns.forEach((name, column) => {
      const input = make("input", "", make(column ? "td" : "th", "", line));
      input.value = this.text(row, column);
      input.maxLength = LONGEST;
      input.autocomplete = "off";
      input.autocapitalize = "off";
      input.spellcheck = false;
      input.enterKeyHint = "next";
      input.dir = column ? "ltr" : "auto";
      input.setAttribute("aria-label", `Row ${row + 1}, ${name}`);
      if (!column) input.placeholder = row < this.rows.length ? "" : "new word";
    });
    const button = make("button", "", make("td", "", line), "×");
    button.type = "button";
    button.title = button.ariaLabel = `Delete row ${row + 1}`;
  }

  text(row, column) {
    return this.rows[row]?.[column] ?? "";
  }

  input(row, column) {
    return this.body.children[row]?.children[column]?.querySelector("input");
  }

  place(element) {
    const cell = element.closest("th, td");
    return [[...this.body.children].indexOf(cell.parentElement), [...cell.parentElement.children].indexOf(cell)];
  }

  /** Take a cell over from its box; true if it has changed. */
  keep(input) {
    const [row, column] = this.place(input);
    if (input.value === this.text(row, column)) return false;
    if (row === this.rows.length) this.begin(row);
    this.rows[row][column] = input.value;
    return true;
  }

  /** The blank row becomes one with zeros, and another blank one follows it. */
  begin(row) {
    this.rows.push(this.columns.map((_, column) => (column ? "0" : "")));
    const line = this.body.children[row];
    line.className = "";
    line.querySelectorAll("td input").forEach((input) => (input.value ||= "0"));
    line.querySelector("th input").placeholder = "";
    this.addRow();
  }

  commit(input) {
    if (!this.drawing && input.matches("input") && this.keep(input)) this.tell();
  }

  tell() {
    this.send({ generation: this.generation, rows: this.rows.map((row) => [...row]) });
  }

  onFocus({ target }) {
    if (!target.matches("input")) return;
    target.select(); // as in a spreadsheet: what is typed replaces what was there
    this.entered = target;
  }

  onMouseUp(event) {
    if (event.target === this.entered) event.preventDefault(); // which would put the caret into what is selected
    this.entered = null;
  }

  onKey(event) {
    const { key, target } = event;
    if (!target.matches("input") || event.isComposing) return;
    const [row, column] = this.place(target);
    if (key === "Escape") {
      target.value = this.text(row, column);
      target.select();
    } else if (["Enter", "ArrowDown", "ArrowUp"].includes(key)) {
      event.preventDefault();
      this.commit(target);
      const up = key === "ArrowUp" || (key === "Enter" && event.shiftKey);
      this.input(row + (up ? -1 : 1), column)?.focus();
    }
  }

  onPaste(event) {
    if (!event.target.matches("input")) return;
    const text = event.clipboardData.getData("text/plain").replace(/\r?\n$/, "");
    if (!/[\t\n]/.test(text)) return; // one cell: the box itself takes it
    event.preventDefault();
    const [row, column] = this.place(event.target);
    text.split(/\r?\n/).slice(0, MOST - row).forEach((line, down) => {
      line.split("\t").forEach((cell, right) => {
        const input = this.input(row + down, column + right);
        if (!input) return;
        input.value = cell.trim().slice(0, LONGEST);
        this.keep(input);
      });
    });
    this.tell();
  }

  onClick({ target }) {
    const button = target.closest("button");
    if (!button) return;
    const [row] = this.place(button);
    this.rows.splice(row, 1);
    this.draw();
    this.body.children[Math.min(row, this.rows.length - 1)]?.querySelector("button").focus();
    this.tell();
  }
}
