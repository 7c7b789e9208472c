// One cell: what is known of it, and its course.

import { attr, figure, h, keyed, text } from "./dom.js";
import { Following } from "./link.js";
import { RANGES, Timeline } from "./timeline.js";

function namedFigures(parent, items) {
  keyed(
    parent,
    items,
    (item) => item.name,
    (item) => h("div", { class: "figure" }, h("dt", {}, item.name), h("dd"), h("span", { class: "who num" })),
    (element, item) => {
      figure(element.children[1], item.figure);
      text(element.children[2], item.note);
    },
  );
}

class Cell extends Following {
  build() {
    const cell = this.getAttribute("cell");
    if (!this.topic()) {
      this.show(null);
      return;
    }
    this.innerHTML = `<ion-banners></ion-banners>
      <header class="cell-head"><nav class="crumbs" aria-label="Where"><a href="/cells">Cells</a> ›</nav><h1 class="num"></h1><span class="where"></span>
        <span data-part="marks"></span><span class="ion-spring"></span>
        <a class="btn small" data-part="before">‹ Cell before</a><a class="btn small" data-part="next">Next cell ›</a></header>
      <section class="card"><dl class="figures headline"></dl></section>
      <section class="card" data-part="chart"><h2>Course</h2></section>
      <section class="card"><h2>From the estimate</h2><dl class="figures details"></dl></section>`;
    this.parts = Object.fromEntries([...this.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    this.headline = this.querySelector(".headline");
    this.details = this.querySelector(".details");
    this.line = new Timeline(this.parts.chart, { ranges: RANGES, span: "300", paneHeight: 130 });
    this.line.follow([
      { unit: "V", signals: [{ name: `cell_voltage_v[${cell}]`, index: 0 }, { name: "cell_voltage_mean_v", index: 6, order: 2 }] },
      { unit: "SOC", signals: [{ name: `cell_soc[${cell}]`, index: 2 }, { name: "soc_mean", index: 6, order: 2 }] },
      { unit: "°C", signals: [{ name: `cell_temperature_c[${cell}]`, index: 1 }] },
    ]);
    this.line.tools.append(h("span", { class: "note" }, "Grey and dotted: mean of all cells"));
  }

  topic() {
    const cell = this.getAttribute("cell");
    return /^\d{1,6}$/.test(cell) ? `cell/${cell}` : null;
  }

  silent(is) {
    this.classList.toggle("stale-data", is);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.line?.close();
  }

  show(data) {
    if (data === null) {
      this.line?.close();
      this.replaceChildren(h("p", { class: "card ion-empty" }, `This pack has no cell ${this.getAttribute("cell")}. `, h("a", { href: "/cells" }, "All cells")));
      return;
    }
    text(this.querySelector("h1"), data.title);
    text(this.querySelector(".where"), data.where);
    const marks = [data.balancing ? ["bled now", "info"] : null, data.quality === "good" ? ["measured well", "ok"] : [`${data.quality}${data.reason ? `: ${data.reason}` : ""}`, "fault"]].filter(Boolean);
    keyed(this.parts.marks, marks, (mark) => mark[0], (mark) => h("span", { class: "pill", "data-tone": mark[1], style: "margin-right:8px" }, mark[0]), () => {});
    attr(this.parts.before, "href", data.cell > 0 ? `/cells/${data.cell - 1}` : null);
    attr(this.parts.next, "href", data.cell < data.last ? `/cells/${data.cell + 1}` : null);
    this.parts.before.hidden = data.cell <= 0;
    this.parts.next.hidden = data.cell >= data.last;
    namedFigures(this.headline, data.headline);
    namedFigures(this.details, data.details);
  }
}

customElements.define("ion-cell", Cell);
