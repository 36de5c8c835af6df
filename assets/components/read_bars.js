// Groups of possibilities as bars: what could stand under each mask, or how likely each class is.
//
// Data (made by transformer/ui/read/bars.py): {groups: [{title, bars: [{text, probability, note, before}]}], verb}; `before` is
// the probability before something was changed in the network, where it is known. With a verb
// each bar is a button; a click sends [group, bar]. The longest bar of a group has the full width of its track only if
// its probability is 1, so that groups compare.

export default function mount({ data, parentElement, setTriggerValue }) {
  if (!data) return undefined;
  let host = parentElement.querySelector(".bars");
  const before = host?.getRootNode().activeElement?.dataset.at;
  host?.remove();
  host = make("div", "component bars", parentElement);
  applyTheme(host, data.accent);
  data.groups.forEach((group, i) => {
    const section = make("section", "group", host);
    section.setAttribute("aria-label", group.title);
    make("div", "title", section, group.title);
    group.bars.forEach((bar, j) => {
      const row = drawBar(section, bar, data.verb);
      row.dataset.at = `${i},${j}`;
      if (data.verb) row.addEventListener("click", () => setTriggerValue("taken", [i, j]));
    });
  });
  host.addEventListener("keydown", onKey);
  if (before) host.querySelector(`[data-at="${before}"]`)?.focus({ preventScroll: true });
  return () => host.remove();
}

function drawBar(section, { text, probability, note, before }, verb) {
  const row = make(verb ? "button" : "div", "row", section);
  const was = before === undefined ? "" : `, before the change ${percent(before)}`;
  const words = `${text}, ${percent(probability)}${was}${note ? `, ${note}` : ""}`;
  const [name, track] = fillRow(row, text, probability, probability);
  name.title = text;
  if (before !== undefined) {
    make("span", "tick", track).style.left = `${100 * before}%`;
    track.title = `${percent(probability)}${was}`;
  }
  if (note) row.classList.add("noted");
  if (verb) {
    row.type = "button";
    row.title = `${verb} “${text}”${note ? ` (${note})` : ""}`;
    row.setAttribute("aria-label", `${verb} ${words}`);
  }
  return row;
}

/** Arrow keys go up and down through all bars. */
function onKey(event) {
  const rows = [...event.currentTarget.querySelectorAll("button")];
  const at = rows.indexOf(event.target);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  rows[next]?.focus();
  event.preventDefault();
}
