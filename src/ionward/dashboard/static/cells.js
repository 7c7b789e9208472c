// All cells: a map by module and bars, of voltage, SOC or temperature, with who is lowest and highest.

import { gradient, scale, stepOf } from "./colours.js";
import { attr, css, figure, h, text } from "./dom.js";
import { Following } from "./link.js";

const QUANTITIES = [["voltage", "Voltage"], ["soc", "SOC"], ["temperature", "Temperature"]];
const VIEWS = [["map", "Map"], ["bars", "Bars"]];

function segments(options, chosen, choose, label) {
  const group = h("div", { class: "segments", role: "group", "aria-label": label });
  for (const [key, name] of options) {
    group.append(h("button", { type: "button", "aria-pressed": String(key === chosen), onclick: () => {
      for (const other of group.children) attr(other, "aria-pressed", String(other.textContent === name));
      choose(key);
    } }, name));
  }
  return group;
}

class Cells extends Following {
  build() {
    this.quantity = "voltage";
    this.view = "map";
    const head = h("header", { class: "ion-page-head" }, h("h1", {}, "Cells"),
      segments(QUANTITIES, this.quantity, (key) => this.choose(key), "Quantity"),
      segments(VIEWS, this.view, (key) => this.look(key), "View"));
    const stats = h("section", { class: "card cell-stats", "aria-label": "Lowest, highest and difference" });
    stats.innerHTML = `
      <div class="figure"><span class="what">Lowest</span><span class="value" data-part="low">–</span><a class="who" data-part="low-who"></a></div>
      <div class="figure"><span class="what">Highest</span><span class="value" data-part="high">–</span><a class="who" data-part="high-who"></a></div>
      <div class="figure"><span class="what">Difference</span><span class="value" data-part="difference">–</span><span class="who">highest − lowest</span></div>
      <div class="figure"><span class="what">Mean</span><span class="value" data-part="mean">–</span><span class="who" data-part="count"></span></div>
      <div class="figure"><span class="what">Balancing</span><span class="value" data-part="balancing">–</span><span class="who">cells bled now</span></div>
      <div class="legend"><span class="what" data-part="legend-name"></span><div class="ramp" data-part="ramp"></div>
        <div class="ends num"><span data-part="end-low"></span><span data-part="end-high"></span></div></div>`;
    this.map = h("section", { class: "modules", "aria-label": "Cells by module" });
    this.bars = h("section", { class: "card bars", hidden: true });
    this.canvas = h("canvas", { role: "img", "aria-label": "Bars of all cells; the map has the same values as text" });
    this.tip = h("div", { class: "tip", hidden: true });
    this.bars.append(this.canvas, this.tip);
    const key = h("p", { class: "marks note" });
    key.innerHTML = `<span><i class="mark low">▼</i> lowest</span><span><i class="mark high">▲</i> highest</span>
      <span><i class="mark bleed"></i> bled now</span><span><i class="mark lost"></i> not good: held or lost</span><span>Choose a cell to see it alone.</span>`;
    this.append(h("ion-banners"), head, stats, this.map, this.bars, key);
    this.parts = Object.fromEntries([...this.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.canvas.addEventListener("click", (event) => {
      const cell = this.cellAt(event);
      if (cell !== null) window.emitEvent("sub_pages_navigate", `/cells/${cell}`);
    });
    this.repaint = () => { this.theme = null; if (this.data) this.show(this.data); };
    addEventListener("ion-theme", this.repaint);
    this.resized = new ResizeObserver(() => this.data && this.view === "bars" && this.drawBars(this.data));
    this.resized.observe(this.bars);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("ion-theme", this.repaint);
  }

  topic() {
    return `cells/${this.quantity}`;
  }

  choose(key) {
    this.quantity = key;
    this.theme = null;
    this.follow();
  }

  look(view) {
    this.view = view;
    this.map.hidden = view !== "map";
    this.bars.hidden = view !== "bars";
    if (this.data) this.show(this.data);
  }

  silent(is) {
    this.classList.toggle("stale-data", is);
  }

  show(data) {
    if (data.key !== this.quantity) return;
    this.data = data;
    this.classList.toggle("stale-data", data.age_s === null || data.age_s > 1);
    const p = this.parts;
    for (const [name, extreme] of [["low", data.lowest], ["high", data.highest]]) {
      figure(p[name], extreme.text);
      text(p[`${name}-who`], extreme.cell < 0 ? "" : `cell ${extreme.cell}`);
      attr(p[`${name}-who`], "href", extreme.cell < 0 ? null : `/cells/${extreme.cell}`);
    }
    figure(p.difference, data.difference);
    figure(p.mean, data.mean_text);
    text(p.count, `of ${data.values.filter((v) => v !== null).length} cells`);
    text(p.balancing, String(data.balancing.length));
    text(p["end-low"], data.low === null ? "" : `${data.low.toFixed(data.digits)} ${data.unit}`);
    text(p["end-high"], data.high === null ? "" : `${data.high.toFixed(data.digits)} ${data.unit}`);
    const theme = document.documentElement.dataset.theme + data.key + this.view;
    if (this.theme !== theme) {
      this.theme = theme;
      p.ramp.style.background = gradient(data.around_mean, this.view === "bars");
      text(p["legend-name"], data.around_mean ? "Colour: distance from the mean" : "Colour: coldest to hottest");
      for (const tile of this.tiles ?? []) tile.step = null;
    }
    if (this.view === "map") this.drawMap(data);
    else this.drawBars(data);
  }

  buildMap(data) {
    this.tiles = [];
    this.map.replaceChildren();
    const few = data.values.length <= 120 && innerWidth > 1080;
    this.map.style.setProperty("--tile", few ? "66px" : "46px");
    this.map.style.setProperty("--tile-text", few ? "14px" : "13px");
    // Rows of the same length, eight cells at most.
    const columns = Math.ceil(data.per_module / Math.ceil(data.per_module / 8));
    for (let module = 0; module < data.modules; module++) {
      const cells = h("div", { class: "tiles", style: `grid-template-columns: repeat(${columns}, minmax(0, 1fr))` });
      const last = module === data.modules - 1 ? data.values.length : (module + 1) * data.per_module;
      for (let n = module * data.per_module; n < last; n++) {
        const value = h("span", { class: "v" });
        const tile = h("a", { class: "tile", href: `/cells/${n}` }, h("span", { class: "n" }, String(n)), value);
        cells.append(tile);
        this.tiles.push({ tile, value, step: null, label: null });
      }
      this.map.append(h("div", { class: "module card" }, h("h2", {}, `Module ${module}`), cells));
    }
  }

  drawMap(data) {
    if (this.tiles?.length !== data.values.length) this.buildMap(data);
    const colours = scale(data.around_mean);
    const bled = new Set(data.balancing);
    const bad = new Map(data.bad);
    data.values.forEach((v, n) => {
      const one = this.tiles[n];
      const step = stepOf(v, data.low, data.high);
      if (one.step !== step) {
        one.step = step;
        one.tile.style.background = step < 0 ? "" : colours[step].fill;
        one.tile.style.color = step < 0 ? "" : colours[step].ink;
      }
      const said = v === null ? "–" : v.toFixed(data.digits);
      text(one.value, said);
      attr(one.tile, "data-extreme", n === data.lowest.cell ? "low" : n === data.highest.cell ? "high" : null);
      attr(one.tile, "data-bled", bled.has(n) ? 1 : null);
      attr(one.tile, "data-bad", bad.get(n) ?? null);
      const label = `Cell ${n}: ${said} ${data.unit}${bled.has(n) ? ", bled" : ""}${bad.has(n) ? `, ${bad.get(n)}` : ""}`;
      if (one.label !== label) {
        one.label = label;
        one.tile.setAttribute("aria-label", label);
      }
    });
  }

  drawBars(data) {
    const width = this.bars.clientWidth - 32;
    if (width <= 0) return;
    const height = innerWidth < 760 ? 300 : 420;
    const ratio = devicePixelRatio || 1;
    const { canvas } = this;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const area = { left: 62, right: width - 6, top: 12, bottom: height - 30 };
    this.area = { ...area, count: data.values.length };
    if (data.low === null) return;
    // Bars begin a little below the lowest, so that small differences are seen; the axis tells.
    const pad = 0.08 * (data.high - data.low);
    const [low, high] = [data.low - pad, data.high + pad];
    const y = (v) => area.bottom - ((v - low) / (high - low)) * (area.bottom - area.top);
    g.font = `12px ${css("--font")}`;
    g.textBaseline = "middle";
    g.lineWidth = 1;
    for (let k = 0; k <= 4; k++) {
      const v = low + ((high - low) * k) / 4;
      g.strokeStyle = css("--line");
      g.beginPath();
      g.moveTo(area.left, Math.round(y(v)) + 0.5);
      g.lineTo(area.right, Math.round(y(v)) + 0.5);
      g.stroke();
      g.fillStyle = css("--text-2");
      g.textAlign = "right";
      g.fillText(v.toFixed(data.digits), area.left - 8, y(v));
    }
    const step = (area.right - area.left) / data.values.length;
    const colours = scale(data.around_mean, true);
    const bled = new Set(data.balancing);
    data.values.forEach((v, n) => {
      const x = area.left + n * step;
      if (v === null) {
        g.fillStyle = css("--fault-fill");
        g.fillRect(x + step * 0.3, area.bottom - 6, Math.max(1, step * 0.4), 6);
        return;
      }
      g.fillStyle = colours[Math.max(0, stepOf(v, data.low, data.high))].fill;
      g.fillRect(x + Math.min(1, step * 0.1), y(v), Math.max(1, step - Math.min(2, step * 0.2)), area.bottom - y(v));
      if (bled.has(n)) {
        g.fillStyle = css("--text");
        g.fillRect(x + step * 0.25, area.bottom + 2, Math.max(1.5, step * 0.5), 4);
      }
    });
    g.strokeStyle = css("--text-2");
    g.setLineDash([5, 4]);
    g.beginPath();
    g.moveTo(area.left, y(data.mean));
    g.lineTo(area.right, y(data.mean));
    g.stroke();
    g.setLineDash([]);
    g.fillStyle = css("--text-2");
    g.textAlign = "center";
    const every = Math.ceil(44 / (step * data.per_module));
    for (let module = 0; module < data.modules; module += every) {
      const x = area.left + module * data.per_module * step;
      g.fillText(`M${module}`, x + (data.per_module * step * Math.min(every, 1)) / 2, height - 10);
      g.fillRect(Math.round(x), area.bottom, 1, 8);
    }
    for (const [mark, extreme] of [["▼", data.lowest], ["▲", data.highest]]) {
      if (extreme.cell < 0) continue;
      g.fillStyle = css("--text");
      g.fillText(mark, area.left + (extreme.cell + 0.5) * step, Math.max(8, y(data.values[extreme.cell]) - 9));
    }
  }

  cellAt(event) {
    if (!this.area) return null;
    const at = (event.offsetX - this.area.left) / (this.area.right - this.area.left);
    const cell = Math.floor(at * this.area.count);
    return at >= 0 && cell < this.area.count ? cell : null;
  }

  point(event) {
    const cell = this.cellAt(event);
    this.tip.hidden = cell === null;
    if (cell === null) return;
    const v = this.data.values[cell];
    text(this.tip, `Cell ${cell}: ${v === null ? "–" : `${v.toFixed(this.data.digits)} ${this.data.unit}`}`);
    const x = Math.min(event.offsetX + 14, this.bars.clientWidth - 150);
    this.tip.style.transform = `translate(${x}px, ${event.offsetY - 10}px)`;
  }
}

customElements.define("ion-cells", Cells);
export { segments };
