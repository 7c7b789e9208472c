// Events: the fault memory; the log; what was before and after.

import { ask, attr, h, keyed, levelMark, s, text } from "./dom.js";
import { segments } from "./cells.js";
import { Following } from "./link.js";
import { FaultTable } from "./remembered.js";

const KINDS = [["", "All"], ["Fault", "Faults"], ["Command", "Commands"], ["State", "States"], ["Contactor", "Contactors"], ["other", "Other"]];
const NAMED = new Set(["Fault", "Command", "State", "Contactor"]);

function spark(times, values) {
  const known = values.filter((v) => v !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const [first, last] = [times[0], times[times.length - 1]];
  const x = (t) => 2 + (88 * (t - first)) / Math.max(1e-6, last - first);
  const y = (v) => (high > low ? 22 - (18 * (v - low)) / (high - low) : 13);
  let path = "";
  let on = false;
  values.forEach((v, k) => {
    if (v !== null) path += `${on ? "L" : "M"}${x(times[k]).toFixed(1)} ${y(v).toFixed(1)}`;
    on = v !== null;
  });
  return s("svg", { viewBox: "0 0 92 26", "aria-hidden": "true" }, s("path", { class: "spark-now", d: `M${x(0).toFixed(1)} 1V25` }), s("path", { class: "spark", d: path }));
}

class Events extends Following {
  build() {
    this.kind = "";
    this.innerHTML = `<ion-banners></ion-banners><header class="ion-page-head"><h1>Events</h1><span class="pill" data-part="waiting" hidden></span><span class="pill" data-part="locked" hidden></span></header>
      <section class="card"><div class="card-head"><h2>Faults that have happened</h2></div><div class="table-wrap"><table class="data cards"><thead><tr>
        <th>Level now</th><th>Fault</th><th>Status</th><th>First</th><th>Last</th><th class="r">Count</th><th></th></tr></thead><tbody data-part="faults"></tbody></table></div>
        <p class="note" data-part="none">No fault is remembered.</p><p class="note" data-part="about"></p></section>
      <section class="card"><div class="card-head" data-part="head"><h2>Log, newest first</h2><span class="ion-spring"></span></div>
        <div class="table-wrap"><table class="data cards"><thead><tr><th>Time</th><th>Level</th><th>Kind</th><th>What happened</th></tr></thead><tbody data-part="log"></tbody></table></div>
        <p class="note">Choose a line to see what was before and after it. All events are kept in the recordings.</p></section>`;
    this.parts = Object.fromEntries([...this.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    const acknowledge = h("button", { class: "btn", type: "button", onclick: () => ask("acknowledge") }, "Acknowledge …");
    this.querySelector(".ion-page-head").append(h("span", { class: "ion-spring", style: "flex:1" }), acknowledge);
    this.faults = new FaultTable(this.parts.faults);
    this.parts.head.append(segments(KINDS, "", (key) => { this.kind = key; this.showLog(); }, "Kind"));
  }

  topic() {
    return "events";
  }

  show(data) {
    this.data = data;
    const { waiting, locked, none, about } = this.parts;
    waiting.hidden = !data.waiting;
    attr(waiting, "data-tone", "critical");
    text(waiting, data.waiting === 1 ? "1 waits to be acknowledged" : `${data.waiting} wait to be acknowledged`);
    locked.hidden = !data.locked;
    attr(locked, "data-tone", "critical");
    text(locked, "locked: a service action is needed");
    none.hidden = data.faults.length > 0;
    text(about, ["Kept over restarts; choose a line to see the second before and after.", ...data.about].join(" "));
    this.parts.faults.closest(".table-wrap").hidden = data.faults.length === 0;
    this.faults.show(data.faults);
    this.showLog();
  }

  showLog() {
    if (!this.data) return;
    const rows = this.data.events.filter((row) => !this.kind || row.kind === this.kind || (this.kind === "other" && !NAMED.has(row.kind)));
    const shown = rows.flatMap((row) => (this.open === row.number ? [row, { ...row, number: `d${row.number}`, detail: true }] : [row]));
    keyed(
      this.parts.log,
      shown,
      (row) => row.number,
      (row) => (row.detail ? this.detail(row) : this.line(row)),
      (element, row) => !row.detail && attr(element, "aria-expanded", String(this.open === row.number)),
    );
  }

  line(row) {
    const open = () => {
      this.open = this.open === row.number ? null : row.number;
      this.showLog();
    };
    return h("tr", { tabindex: 0, onclick: open, onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), open()) },
      h("td", { class: "nowrap" }, row.time, row.ms ? h("span", { class: "note" }, `.${row.ms}`) : null),
      h("td", { class: "nowrap" }, levelMark(row.level, row.word)), h("td", {}, row.kind), h("td", { class: "wide event-text" }, row.text));
  }

  detail(row) {
    const cell = h("td", { colspan: 4 }, "…");
    const number = row.number.slice(1);
    fetch(`${window.path_prefix ?? ""}/live/event/${number}`).then(async (answer) => {
      const data = await answer.json();
      if (!answer.ok) {
        cell.textContent = `${data.detail}.`;
        return;
      }
      const around = h("div", { class: "around" });
      for (const one of data.rows) {
        around.append(h("div", {}, h("span", { class: "w" }, one.name), spark(data.time_s, one.values),
          h("span", { class: "b" }, one.changed ? `${one.before} → ` : "", h("b", {}, one.after))));
      }
      cell.replaceChildren(h("h3", {}, "Before and after, two seconds each"), around);
      if (data.action) cell.append(h("p", { class: "note" }, `What to do: ${data.action}`));
    });
    return h("tr", { class: "detail" }, cell);
  }
}

customElements.define("ion-events", Events);
