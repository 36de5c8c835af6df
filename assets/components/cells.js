// A click on a cell of a plotly heatmap, which says of itself only what is pointed at.
//
// It draws nothing. Data: {chart}, the key of the container that the heatmap stands in; rows and columns are
// categories named by their numbers (transformer/figures/heatmap.py). A click sends "picked", [row, column].

export default function mount({ data, parentElement, setTriggerValue }) {
  const pick = (row, column) => setTriggerValue("picked", [row, column]);
  return keep(parentElement, Cells, (cells) => cells.update(data.chart, pick));
}

class Cells {
  constructor() {
    this.heard = new WeakSet();
    // The picture may come after this, and another in its place: whoever clicks has pointed at it before.
    this.onPoint = (event) => this.listen(event.target);
    document.addEventListener("pointerover", this.onPoint);
  }

  destroy() {
    document.removeEventListener("pointerover", this.onPoint);
  }

  update(chart, pick) {
    this.chart = chart;
    this.pick = pick;
  }

  listen(target) {
    const picture = target.closest?.(`.st-key-${this.chart} .js-plotly-plot`);
    if (!picture?.on || this.heard.has(picture)) return;
    this.heard.add(picture);
    picture.on("plotly_click", ({ points }) => {
      const cell = points.find((point) => point.z !== undefined);
      if (cell) this.pick(Number(cell.y), Number(cell.x));
    });
  }
}
