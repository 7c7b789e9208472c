// A chart with its data: the last minutes from memory, live values as they come, and history for longer stretches.

import { Chart } from "./chart.js";
import { h, icon } from "./dom.js";
import { link } from "./link.js";
import { segments } from "./cells.js";

export const RANGES = [
  ["60", "1 min"], ["300", "5 min"], ["600", "10 min"], ["3600", "1 h"], ["21600", "6 h"], ["86400", "24 h"],
  ["604800", "7 d"], ["2592000", "30 d"], ["31536000", "1 y"],
];
const MEMORY_S = 600;
const REFRESH_MS = 10000;

async function fetched(path, parameters) {
  const answer = await fetch(`${window.path_prefix ?? ""}${path}?${new URLSearchParams(parameters)}`);
  const data = await answer.json();
  if (!answer.ok) throw new Error(typeof data.detail === "string" ? data.detail : "the data cannot be read");
  return data;
}

export class Timeline {
  // `ranges` are the spans offered; `onValues` is told when values have changed, with the cursor's time or null.
  constructor(host, { ranges = RANGES, span = "300", paneHeight = 150, onValues } = {}) {
    this.onValues = onValues ?? (() => {});
    this.span = Number(span);
    this.live = true;
    this.note = h("span", { class: "chart-note", role: "status" });
    const body = h("div", { class: "chart" });
    this.pause = h("button", { class: "btn small", type: "button", "aria-pressed": false, onclick: () => this.hold(this.live) });
    this.back = h("button", { class: "btn small", type: "button", onclick: () => this.reset() }, icon("back"), "Whole range");
    this.tools = h("div", { class: "chart-tools" }, segments(ranges, span, (key) => this.choose(Number(key)), "Time range"), this.pause, this.back);
    host.append(this.tools, body, this.note);
    this.chart = new Chart(body, {
      paneHeight,
      onCursor: (time) => this.onValues(time),
      onReset: () => this.reset(),
      onView: (from, to, byPerson) => byPerson && this.zoomed(from, to),
    });
    this.names = [];
    this.timer = setInterval(() => this.again(), REFRESH_MS);
    this.showPause();
  }

  close() {
    clearInterval(this.timer);
    this.end?.();
    this.chart.close();
  }

  get remembered() {
    return this.span <= MEMORY_S && !this.zoom;
  }

  showPause() {
    this.pause.replaceChildren(icon(this.live ? "pause" : "play"), this.live ? "Pause" : "Go on");
    this.pause.setAttribute("aria-pressed", String(!this.live));
    this.back.hidden = !this.zoom;
  }

  // `panes` as the chart wants them; all their signals are loaded.
  async follow(panes) {
    const names = panes.flatMap((pane) => pane.signals.map((signal) => signal.name));
    this.chart.setPanes(panes);
    const changed = names.join() !== this.names.join();
    this.names = names;
    if (changed) {
      this.end?.();
      this.end = names.length ? link.want(`trail/${names.join(",")}`, (row) => row && this.take(row)) : null;
    }
    if (names.length) await this.load();
    else this.chart.draw();
  }

  take(row) {
    if (!this.remembered || this.loading) return;
    this.chart.push(row.time_s, row.values, MEMORY_S + 60);
    this.newest = row.time_s;
    if (!this.live) return;
    this.chart.view(this.begin(row.time_s), row.time_s);
    this.onValues(this.chart.cursor);
  }

  // A BMS that has just started has no five minutes yet: begin where there is something.
  begin(to) {
    const first = Math.min(...this.names.map((name) => this.chart.series.get(name)?.times[0] ?? to));
    return Math.max(to - this.span, Math.min(first, to - 30));
  }

  async load() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.loading = true;
    try {
      const now = Date.now() / 1000;
      const [from, to] = this.zoom ?? [now - this.span, now];
      const memory = this.remembered || (this.zoom && from > now - MEMORY_S);
      const names = this.names.join(",");
      const data = memory
        ? await fetched("/live/trail", { signals: names, seconds: MEMORY_S, points: 3000 })
        : await fetched("/live/history", { signals: names, from_s: from, to_s: to, points: 1000 });
      if (turn !== this.turn) return;
      for (const name of this.names) {
        const series = data.series?.[name];
        if (series) this.chart.setSeries(name, series.time_s, series.values, series.low ?? null, series.high ?? null);
        else this.chart.setSeries(name, [...(data.time_s ?? [])], data.values?.[name] ?? []);
      }
      if (!this.zoom) this.chart.view(this.remembered ? this.begin(to) : to - this.span, to);
      this.note.textContent = data.problems?.length ? data.problems.join("; ") : memory || data.source !== "memory" ? this.hint() : "No history yet: this is what is in memory, the last ten minutes at most.";
      this.chart.draw();
      this.onValues(this.chart.cursor);
    } catch (error) {
      if (turn === this.turn) this.note.textContent = `${error.message}.`;
    } finally {
      if (turn === this.turn) this.loading = false;
    }
  }

  hint() {
    return this.live ? "Drag to zoom, or Ctrl and wheel." : "Paused: values go on in the background.";
  }

  choose(span) {
    this.span = span;
    this.zoom = null;
    this.live = true;
    this.showPause();
    this.load();
  }

  hold(still) {
    this.live = !still;
    if (this.live) {
      this.zoom = null;
      this.load();
    }
    this.note.textContent = this.hint();
    this.showPause();
  }

  zoomed(from, to) {
    this.zoom = [from, to];
    this.live = false;
    this.showPause();
    this.note.textContent = this.hint();
    clearTimeout(this.waiting);
    if (from < Date.now() / 1000 - MEMORY_S) this.waiting = setTimeout(() => this.load(), 200);
  }

  reset() {
    this.choose(this.span);
  }

  again() {
    if (!this.remembered && this.live && !document.hidden && this.names.length) this.load();
  }

  csv() {
    const { chart } = this;
    const times = [...new Set(this.names.flatMap((name) => chart.series.get(name)?.times ?? []))].filter((t) => t >= chart.from && t <= chart.to).sort((a, b) => a - b);
    const at = new Map(this.names.map((name) => {
      const series = chart.series.get(name) ?? { times: [], values: [] };
      return [name, new Map(series.times.map((t, k) => [t, series.values[k]]))];
    }));
    const lines = times.map((t) => [new Date(t * 1000).toISOString(), ...this.names.map((name) => at.get(name).get(t) ?? "")].join(","));
    return `time,${this.names.join(",")}\n${lines.join("\n")}\n`;
  }

  download(name, blob) {
    const anchor = h("a", { href: URL.createObjectURL(blob), download: name });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 5000);
  }

  save(kind, stem) {
    const name = `${stem}-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${kind}`;
    if (kind === "csv") this.download(name, new Blob([this.csv()], { type: "text/csv" }));
    else this.chart.canvas.toBlob((blob) => this.download(name, blob), "image/png");
  }
}
