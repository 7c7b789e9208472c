// Trends: any signals over time, found by name, live and from history.

import { colourOf, dashOf } from "./chart.js";
import { attr, h, icon, keyed, s, text } from "./dom.js";
import { Timeline } from "./timeline.js";

const FIRST = ["current_a", "pack_voltage_v", "cell_voltage_min_v", "cell_voltage_max_v", "temperature_max_c", "state"];
const KEEP = "ionward-trends";
const MOST = 12;
const FOUND = 80;

function stroke(index, order) {
  return s("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" }, s("line", { x1: 1, y1: 5, x2: 25, y2: 5, stroke: colourOf(index), "stroke-width": 3, "stroke-dasharray": dashOf(order).join(" ") }));
}

function number(value, signal) {
  if (value === null || value === undefined) return "–";
  if (signal.states.length) return signal.states[value] || String(value);
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return `${value.toFixed(digits).replace("-", "−")} ${signal.unit}`.trim();
}

class Trends extends HTMLElement {
  async connectedCallback() {
    if (this.built) return;
    this.built = true;
    const head = h("header", { class: "ion-page-head" }, h("h1", {}, "Trends"));
    const main = h("section", { class: "card" });
    this.chosenList = h("ul", { class: "chosen", "aria-label": "Signals shown" });
    this.search = h("input", { type: "search", placeholder: "Find a signal by name or meaning", "aria-label": "Find a signal", oninput: () => this.find() });
    this.foundList = h("ul", { class: "found", "aria-label": "Signals found" });
    const side = h("aside", { class: "card picker" }, h("h2", {}, "Signals"), this.chosenList, this.search, this.foundList);
    this.append(h("ion-banners"), head, h("div", { class: "trends" }, main, side));
    this.line = new Timeline(main, { onValues: (time) => this.values(time) });
    for (const kind of ["csv", "png"]) {
      this.line.tools.append(h("button", { class: "btn small", type: "button", onclick: () => this.line.save(kind, "ionward-trends") }, icon("download"), kind.toUpperCase()));
    }
    const answer = await fetch(`${window.path_prefix ?? ""}/live/signals`);
    this.signals = new Map((await answer.json()).map((signal) => [signal.name, signal]));
    this.chosen = this.remembered().filter((name) => this.signals.has(name));
    this.repaint = () => this.show();
    addEventListener("ion-theme", this.repaint);
    this.show();
    this.find();
  }

  disconnectedCallback() {
    removeEventListener("ion-theme", this.repaint);
    this.line?.close();
  }

  remembered() {
    const asked = new URLSearchParams(location.search).get("signals");
    if (asked) return asked.split(",").slice(0, MOST);
    try {
      return JSON.parse(localStorage.getItem(KEEP)) ?? FIRST;
    } catch {
      return FIRST;
    }
  }

  toggle(name) {
    if (this.chosen.includes(name)) this.chosen = this.chosen.filter((one) => one !== name);
    else if (this.chosen.length < MOST) this.chosen.push(name);
    else this.line.note.textContent = `No more than ${MOST} signals at once.`;
    try {
      localStorage.setItem(KEEP, JSON.stringify(this.chosen));
    } catch {
      // A browser that keeps nothing begins with the usual ones next time.
    }
    this.show();
    this.find();
  }

  // One pane for each unit; states have a pane of their own, with their names beside it.
  panes() {
    const panes = new Map();
    this.chosen.forEach((name, index) => {
      const signal = this.signals.get(name);
      const states = signal.states.length ? signal.states.map((one) => one || "none") : null;
      // Volts of a cell and volts of the pack do not belong on one scale.
      const ofCell = signal.unit === "V" && /^(raw\.)?cell_(?!voltage_sum)/.test(name);
      const title = states ? name : (signal.unit || name) + (ofCell ? ", cells" : "");
      const key = title;
      if (!panes.has(key)) panes.set(key, { unit: title, states, signals: [] });
      panes.get(key).signals.push({ name, index, order: panes.get(key).signals.length, step: Boolean(states) });
    });
    return [...panes.values()];
  }

  show() {
    const panes = this.panes();
    const room = Math.max(380, innerHeight - 260);
    this.line.chart.paneHeight = Math.round(Math.min(220, Math.max(104, room / Math.max(1, panes.length) - 24)));
    const rows = panes.flatMap((pane) => pane.signals).sort((a, b) => a.index - b.index);
    keyed(
      this.chosenList,
      rows,
      ({ name, index, order }) => `${name} ${index} ${order} ${document.documentElement.dataset.theme}`,
      ({ name, index, order }) => h("li", { title: this.signals.get(name).meaning }, stroke(index, order), h("span", { class: "name" }, name), h("span", { class: "now" }, "–"), h("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => this.toggle(name) }, icon("close"))),
      () => {},
    );
    this.line.follow(panes);
  }

  values(time) {
    this.chosen?.forEach((name, index) => {
      const row = this.chosenList.children[index];
      if (row) text(row.querySelector(".now"), number(this.line.chart.valueAt(name, time), this.signals.get(name)));
    });
  }

  find() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const signal of this.signals.values()) {
      const where = `${signal.name} ${signal.meaning}`.toLowerCase();
      if (words.every((word) => where.includes(word))) found.push(signal);
      if (found.length === FOUND) break;
    }
    keyed(
      this.foundList,
      found,
      (signal) => signal.name,
      (signal) => h("li", {}, h("button", { type: "button", onclick: () => this.toggle(signal.name) }, signal.name, h("small", {}, signal.meaning + (signal.unit ? `, ${signal.unit}` : "")))),
      (element, signal) => attr(element.firstChild, "aria-pressed", String(this.chosen.includes(signal.name))),
    );
  }
}

customElements.define("ion-trends", Trends);
