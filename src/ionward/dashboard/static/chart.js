// Curves over time on a canvas: one pane for each unit, zoom by dragging or with Ctrl and the wheel, values under the cursor.

import { css } from "./dom.js";

const GAP = 3; // a hole of so many times the usual distance is drawn as a hole
const LEFT = 66, LEFT_NARROW = 52, RIGHT = 12, TOP = 24, BOTTOM = 26, BETWEEN = 34;
const STEPS_S = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];
export const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

export const colourOf = (index) => css(`--s${(index % 8) + 1}`);
export const dashOf = (order) => DASHES[order % DASHES.length];

function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const part = rough / power;
  return power * (part > 5 ? 10 : part > 2 ? 5 : part > 1 ? 2 : 1);
}

function digitsOf(step) {
  return Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
}

function timeText(time_s, step_s) {
  const date = new Date(time_s * 1000);
  const two = (n) => String(n).padStart(2, "0");
  if (step_s >= 86400) return `${two(date.getDate())}.${two(date.getMonth() + 1)}.`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (step_s >= 60) return clock;
  return `${clock}:${two(date.getSeconds())}${step_s < 1 ? `.${Math.floor((date.getMilliseconds() + 0.5) / 100)}` : ""}`;
}

// First index whose time is not before `time`.
export function seek(times, time) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Chart {
  // `panes`: [{unit, states, signals: [{name, index, order, step}]}]; `index` chooses the colour, `order` the dashes. `onView(from, to, byPerson)` is told of every zoom.
  constructor(host, { onView, onCursor, onReset, paneHeight = 150 } = {}) {
    this.host = host;
    this.onView = onView;
    this.onCursor = onCursor;
    this.onReset = onReset;
    this.paneHeight = paneHeight;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    host.replaceChildren(this.canvas);
    this.panes = [];
    this.series = new Map();
    this.from = 0;
    this.to = 1;
    this.cursor = null;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(host);
    this.repaint = () => this.draw();
    addEventListener("ion-theme", this.repaint);
    this.listen();
  }

  close() {
    this.observer.disconnect();
    removeEventListener("ion-theme", this.repaint);
  }

  setPanes(panes) {
    this.panes = panes;
    this.draw();
  }

  setSeries(name, times, values, low = null, high = null) {
    this.series.set(name, { times, values, low, high });
  }

  push(time, values, keep_s) {
    for (const [name, value] of Object.entries(values)) {
      const series = this.series.get(name);
      if (!series) continue;
      if (series.times.length && time <= series.times[series.times.length - 1]) continue;
      series.times.push(time);
      series.values.push(value);
      const old = seek(series.times, time - keep_s);
      if (old > 200) {
        series.times.splice(0, old);
        series.values.splice(0, old);
      }
    }
  }

  view(from, to, byPerson = false) {
    this.from = from;
    this.to = Math.max(to, from + 0.5);
    this.onView?.(this.from, this.to, byPerson);
    this.draw();
  }

  get height() {
    return TOP + BOTTOM + this.panes.length * this.paneHeight + Math.max(0, this.panes.length - 1) * BETWEEN;
  }

  draw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.paint();
    });
  }

  paint() {
    const width = this.host.clientWidth;
    if (width < 40) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { canvas, height } = this;
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) {
      [canvas.width, canvas.height] = size;
      canvas.style.height = `${height}px`;
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = css("--surface");
    g.fillRect(0, 0, width, height);
    g.font = `12px ${css("--font")}`;
    this.area = { left: width < 520 ? LEFT_NARROW : LEFT, right: width - RIGHT };
    this.panes.forEach((pane, n) => this.paintPane(g, pane, TOP + n * (this.paneHeight + BETWEEN)));
    this.paintTimes(g, height - BOTTOM + 6);
    this.paintCursor(g, height);
  }

  x(time) {
    return this.area.left + ((time - this.from) / (this.to - this.from)) * (this.area.right - this.area.left);
  }

  timeAt(x) {
    return this.from + ((x - this.area.left) / (this.area.right - this.area.left)) * (this.to - this.from);
  }

  range(pane) {
    let low = Infinity, high = -Infinity;
    for (const { name } of pane.signals) {
      const series = this.series.get(name);
      if (!series) continue;
      const first = Math.max(0, seek(series.times, this.from) - 1);
      const last = Math.min(series.times.length, seek(series.times, this.to) + 1);
      for (let k = first; k < last; k++) {
        const v = series.values[k];
        if (v === null) continue;
        const [below, above] = [series.low?.[k] ?? v, series.high?.[k] ?? v];
        if (below < low) low = below;
        if (above > high) high = above;
      }
    }
    if (low === Infinity) return null;
    if (pane.states) return [low - 0.7, high + 0.7];
    const least = Math.max(Math.abs(high) * 1e-4, 1e-3);
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    const pad = 0.08 * (high - low);
    return [low - pad, high + pad];
  }

  paintPane(g, pane, top) {
    const bottom = top + this.paneHeight;
    const range = this.range(pane);
    pane.place = { top, bottom, range };
    g.strokeStyle = css("--line-strong");
    g.lineWidth = 1;
    g.strokeRect(this.area.left + 0.5, top + 0.5, this.area.right - this.area.left, this.paneHeight);
    g.textBaseline = "middle";
    g.textAlign = "right";
    if (range) this.paintScale(g, pane, range);
    g.fillStyle = css("--text-2");
    g.textAlign = "left";
    g.textBaseline = "top";
    g.font = `600 12px ${css("--font")}`;
    if (pane.unit) g.fillText(pane.unit, this.area.left, top - 17);
    g.font = `12px ${css("--font")}`;
    if (!range) {
      g.fillText("no values in this time", this.area.left + 12, top + 10);
      return;
    }
    g.save();
    g.beginPath();
    g.rect(this.area.left, top, this.area.right - this.area.left, this.paneHeight);
    g.clip();
    for (const signal of pane.signals) this.paintSeries(g, pane, signal);
    g.restore();
  }

  paintScale(g, pane, [low, high]) {
    const { top, bottom } = pane.place;
    const y = (v) => bottom - ((v - low) / (high - low)) * (bottom - top);
    const labels = pane.states
      ? pane.states.map((name, n) => [n, name]).filter(([n]) => n > low && n < high)
      : (() => {
          const step = niceStep(high - low, this.paneHeight / 36);
          const out = [];
          for (let v = Math.ceil(low / step) * step; v <= high; v += step) out.push([v, v.toFixed(digitsOf(step)).replace("-", "−")]);
          return out;
        })();
    for (const [v, label] of labels) {
      g.strokeStyle = css("--line");
      g.beginPath();
      g.moveTo(this.area.left, Math.round(y(v)) + 0.5);
      g.lineTo(this.area.right, Math.round(y(v)) + 0.5);
      g.stroke();
      g.fillStyle = css("--text-2");
      g.fillText(label, this.area.left - 8, y(v), this.area.left - 10);
    }
  }

  paintSeries(g, pane, { name, index, order, step }) {
    const series = this.series.get(name);
    if (!series) return;
    const { top, bottom, range: [low, high] } = pane.place;
    const y = (v) => bottom - ((v - low) / (high - low)) * (bottom - top);
    const first = Math.max(0, seek(series.times, this.from) - 1);
    const last = Math.min(series.times.length, seek(series.times, this.to) + 1);
    const usual = last - first > 2 ? (series.times[last - 1] - series.times[first]) / (last - first - 1) : Infinity;
    g.strokeStyle = g.fillStyle = colourOf(index);
    if (series.low) this.paintBand(g, series, first, last, y);
    g.lineWidth = 1.75;
    g.lineJoin = "round";
    g.setLineDash(dashOf(order ?? 0));
    g.beginPath();
    let on = false;
    let before = 0;
    for (let k = first; k < last; k++) {
      const v = series.values[k];
      if (v === null) {
        on = false;
        continue;
      }
      const [px, py] = [this.x(series.times[k]), y(v)];
      if (!on || series.times[k] - series.times[k - 1] > GAP * usual + 1) g.moveTo(px, py);
      else {
        if (step) g.lineTo(px, before);
        g.lineTo(px, py);
      }
      before = py;
      on = true;
    }
    g.stroke();
    g.setLineDash([]);
  }

  paintBand(g, series, first, last, y) {
    g.globalAlpha = 0.22;
    g.beginPath();
    for (let k = first; k < last; k++) if (series.high[k] !== null) g.lineTo(this.x(series.times[k]), y(series.high[k]));
    for (let k = last - 1; k >= first; k--) if (series.low[k] !== null) g.lineTo(this.x(series.times[k]), y(series.low[k]));
    g.fill();
    g.globalAlpha = 1;
  }

  paintTimes(g, y) {
    const span = this.to - this.from;
    const wanted = span / Math.max(2, (this.area.right - this.area.left) / 96);
    const step = STEPS_S.find((s) => s >= wanted) ?? STEPS_S[STEPS_S.length - 1];
    const shift = new Date(this.from * 1000).getTimezoneOffset() * 60;
    g.fillStyle = css("--text-2");
    g.textAlign = "center";
    g.textBaseline = "top";
    for (let t = Math.ceil((this.from - shift) / step) * step + shift; t <= this.to; t += step) {
      const x = this.x(t);
      if (x < this.area.left + 20 || x > this.area.right - 18) continue;
      g.fillText(timeText(t, step), x, y);
      g.strokeStyle = css("--line");
      for (const { place } of this.panes) {
        g.beginPath();
        g.moveTo(Math.round(x) + 0.5, place.top);
        g.lineTo(Math.round(x) + 0.5, place.bottom);
        g.stroke();
      }
    }
  }

  paintCursor(g, height) {
    if (this.drag) {
      g.fillStyle = css("--brand");
      g.globalAlpha = 0.18;
      const [a, b] = [this.drag.x, this.drag.now].sort((m, n) => m - n);
      g.fillRect(a, TOP, b - a, height - TOP - BOTTOM);
      g.globalAlpha = 1;
    }
    if (this.cursor === null) return;
    const x = this.x(this.cursor);
    g.strokeStyle = css("--text-2");
    g.beginPath();
    g.moveTo(Math.round(x) + 0.5, TOP);
    g.lineTo(Math.round(x) + 0.5, height - BOTTOM);
    g.stroke();
    g.fillStyle = css("--text");
    g.textAlign = x > this.area.right - 80 ? "right" : "left";
    g.textBaseline = "top";
    g.fillText(timeText(this.cursor, 0.5), x + (g.textAlign === "right" ? -6 : 6), height - BOTTOM - 16);
  }

  // The value of a signal at a time, or the newest one.
  valueAt(name, time = null) {
    const series = this.series.get(name);
    if (!series?.times.length) return null;
    if (time === null) return series.values[series.values.length - 1];
    const k = Math.min(series.times.length - 1, Math.max(0, seek(series.times, time)));
    return series.values[k];
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("dblclick", () => this.onReset?.());
    canvas.addEventListener("pointermove", (event) => {
      if (!this.area) return;
      this.cursor = this.timeAt(Math.min(this.area.right, Math.max(this.area.left, event.offsetX)));
      if (this.drag) this.drag.now = event.offsetX;
      this.onCursor?.(this.cursor);
      this.draw();
    });
    canvas.addEventListener("pointerleave", () => {
      this.cursor = null;
      this.onCursor?.(null);
      this.draw();
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      this.drag = { x: event.offsetX, now: event.offsetX };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", () => {
      const drag = this.drag;
      this.drag = null;
      if (drag && Math.abs(drag.now - drag.x) > 6) {
        const [a, b] = [this.timeAt(drag.x), this.timeAt(drag.now)].sort((m, n) => m - n);
        this.view(a, b, true);
      } else this.draw();
    });
    canvas.addEventListener("wheel", (event) => {
      if (!this.area || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
      event.preventDefault();
      const at = this.timeAt(event.offsetX);
      const by = event.deltaY + event.deltaX > 0 ? 1.25 : 0.8;
      this.view(at - (at - this.from) * by, at + (this.to - at) * by, true);
    }, { passive: false });
  }
}
