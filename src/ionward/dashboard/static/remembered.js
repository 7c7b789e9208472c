// The fault memory: a line for each fault and place; opened, the second before it and the second after it.

import { ask, attr, h, keyed, levelMark, s, text } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 62;
const TOP = 5;
const BOTTOM = HEIGHT - 5;

// A curve from a second before to a second after; states as steps. Where the values are not known there is a gap.
function curve(times, { values, steps }) {
  const known = values.filter((v) => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (t) => (WIDTH * (t + 1)) / 2;
  const y = (v) => (high > low ? BOTTOM - ((BOTTOM - TOP) * (v - low)) / (high - low) : HEIGHT / 2);
  let path = "";
  let on = false;
  values.forEach((v, k) => {
    if (v !== null && times[k] !== null) path += `${!on ? "M" : steps ? `H${x(times[k]).toFixed(1)}V` : "L"}${on && steps ? "" : `${x(times[k]).toFixed(1)} `}${y(v).toFixed(1)}`;
    on = v !== null;
  });
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    s("path", { class: "spark-now", d: `M${WIDTH / 2} 0V${HEIGHT}` }), s("path", { class: "spark", d: path }));
}

function drawn(times, one) {
  const changed = one.before !== one.after;
  return h("figure", { class: "frozen" },
    h("figcaption", {}, h("span", { class: "w" }, one.name), h("span", { class: "b" }, changed ? `${one.before} → ` : "", h("b", {}, one.after))),
    h("div", { class: "plot" }, h("div", { class: "ends" }, h("span", {}, one.high), h("span", {}, one.low)), curve(times, one)));
}

function frame(one) {
  const grid = h("div", { class: "frozen-grid" }, ...one.curves.map((curve) => drawn(one.time_s, curve)));
  return h("section", { class: "freeze-frame" },
    h("h3", {}, one.title, one.mark ? h("span", { class: "pill", "data-tone": "warning" }, one.mark) : null),
    h("p", { class: "note" }, "One second before the fault to one second after it; the dashed line is the fault. Values: just before it → at the end."), grid,
    one.same.length ? h("p", { class: "same" }, h("b", {}, "The same all the time: "), one.same.join(" · ")) : null);
}

const COLUMNS = [["", ""], ["wide event-text", ""], ["", ""], ["nowrap", "first"], ["nowrap", "last"], ["r", "count"], ["r", ""]];

export class FaultTable {
  // `body` is the tbody that it fills.
  constructor(body) {
    this.body = body;
    this.rows = [];
  }

  show(rows) {
    this.rows = rows;
    const shown = rows.flatMap((row) => (this.open === row.key ? [row, { ...row, key: `detail ${row.key}`, detail: row.key }] : [row]));
    keyed(this.body, shown, (row) => row.key, (row) => (row.detail ? this.detail(row) : this.line(row)), (element, row) => !row.detail && this.update(element, row));
  }

  line(row) {
    const open = () => {
      this.open = this.open === row.key ? null : row.key;
      this.show(this.rows);
    };
    const pressed = (event) => event.target === event.currentTarget && (event.key === "Enter" || event.key === " ") && (event.preventDefault(), open());
    const element = h("tr", { tabindex: 0, onclick: open, onkeydown: pressed }, ...COLUMNS.map(([kind, label]) => h("td", { class: kind, "data-label": label || null })));
    element.lastChild.append(h("button", { class: "btn small", type: "button", hidden: true, onclick: (event) => (event.stopPropagation(), ask("release", { fault: row.fault })) }, "Release …"));
    return element;
  }

  update(element, row) {
    const [level, name, status, first, last, count, act] = element.children;
    attr(element, "aria-expanded", String(this.open === row.key));
    if (element.dataset.level !== row.level + row.word) {
      element.dataset.level = row.level + row.word;
      level.replaceChildren(levelMark(row.level, row.word));
    }
    const words = row.name + row.where + row.action;
    if (name.dataset.words !== words) {
      name.dataset.words = words;
      name.replaceChildren(h("b", {}, row.name), row.where ? h("span", { class: "at" }, ` · ${row.where}`) : "", h("span", { class: "job" }, row.action));
    }
    const said = [...row.status, row.ageing].join();
    if (status.dataset.words !== said) {
      status.dataset.words = said;
      const tone = { locked: "critical", latched: "warning", confirmed: "info" };
      const pills = row.status.map((word) => h("span", { class: "pill", "data-tone": tone[word] }, word));
      status.replaceChildren(h("span", { class: "pills" }, ...pills), row.ageing ? h("span", { class: "job" }, row.ageing) : "");
    }
    text(first, row.first);
    text(last, row.last);
    text(count, String(row.count));
    act.firstChild.hidden = !row.locked;
  }

  detail(row) {
    const cell = h("td", { colspan: COLUMNS.length }, "…");
    const failed = (why) => (cell.textContent = `${why}.`);
    if (!row.frames) failed("No freeze frame was kept of it");
    else {
      fetch(`${window.path_prefix ?? ""}/live/memory/${row.detail}`).then(async (answer) => {
        const data = await answer.json();
        if (!answer.ok) return failed(data.detail);
        cell.replaceChildren(h("p", {}, data.meaning), ...data.frames.map(frame));
      }, () => failed("No connection to the BMS"));
    }
    return h("tr", { class: "detail" }, cell);
  }
}
