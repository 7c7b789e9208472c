// System: processes, enables, the rhythm of control, sensors, recorder, what was restored.

import { attr, h, keyed, levelMark, text } from "./dom.js";
import { Following } from "./link.js";

const COLUMNS = [["PID", "pid"], ["Heard", "age"], ["CPU", "cpu"], ["Memory", "memory"], ["Cycle p99", "cycle"], ["Woken late p99", "late"], ["Overruns", "overruns"], ["Rights", "rights"], ["Up", "uptime"]];

function level(cell, name, word) {
  if (cell.dataset.level === name + word) return;
  cell.dataset.level = name + word;
  cell.replaceChildren(name === "none" ? h("span", { class: "level" }, word) : levelMark(name, word));
}

function us(value) {
  if (value === null || value === undefined) return "–";
  return value >= 1e6 ? `${(value / 1e6).toPrecision(3)} s` : value >= 1000 ? `${(value / 1000).toPrecision(3)} ms` : `${Math.round(value)} µs`;
}

class System extends Following {
  build() {
    this.innerHTML = `<ion-banners></ion-banners><header class="ion-page-head"><h1>System</h1><span class="note" data-part="run"></span></header>
      <section class="card"><h2>Processes</h2><div class="table-wrap"><table class="data cards"><thead><tr><th>Process</th><th>State</th>${COLUMNS.map(([name]) => `<th>${name}</th>`).join("")}</tr></thead><tbody data-part="processes"></tbody></table></div></section>
      <div class="lower">
        <div class="stack"><section class="card"><div class="card-head"><h2>Rhythm of control</h2><span class="ion-spring"></span><span class="keys"><span><i></i>cycle took</span><span><i class="late"></i>woken late</span></span></div>
          <dl class="figures" data-part="cycle" style="margin-bottom:16px"></dl><div class="histogram" data-part="histogram" role="img" aria-label="How long cycles took and how late they were woken"></div><p class="note">Length of a bar: logarithm of how often.</p></section>
          <section class="card"><h2>Sensors</h2><div class="table-wrap"><table class="data cards"><thead><tr><th>Measurement</th><th>Quality</th><th class="r">Value</th><th class="r">Sample</th></tr></thead><tbody data-part="sensors"></tbody></table></div></section></div>
        <div class="stack"><section class="card"><h2>Enables</h2><p class="note" style="margin-top:0">A contactor is closed only while both are renewed; each expires by itself.</p><div class="rows" data-part="enables"></div></section>
          <section class="card"><h2>Recorder</h2><div class="rows" data-part="recorder"></div><p class="note" data-part="no-recorder">The recorder has said nothing yet.</p></section>
          <section class="card"><h2>From the start</h2><div class="rows" data-part="notes"></div><p class="note" data-part="no-notes">Nothing to tell: no state was restored, no right was refused.</p></section>
          <section class="card"><div class="card-head"><h2>Is this machine good enough?</h2><span class="ion-spring"></span><button class="btn small" type="button" data-part="ask">Check now</button></div><p class="note" data-part="doctor-note">Measures wakings, storage, rights, clock and memory for some ten seconds.</p><div class="rows" data-part="doctor"></div></section></div>
      </div>`;
    this.parts = Object.fromEntries([...this.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    this.parts.ask.addEventListener("click", () => this.ask());
  }

  async ask() {
    const { ask, doctor, "doctor-note": note } = this.parts;
    ask.disabled = true;
    text(note, "Measuring for some ten seconds …");
    try {
      const answer = await fetch("/live/doctor");
      const found = await answer.json();
      text(note, found.problem || "The BMS went on meanwhile: what it takes is part of what was measured.");
      keyed(doctor, found.rows, (row) => row.name, (row) => h("div", { style: "display:block" }, h("div", { style: "display:flex;gap:8px;justify-content:space-between" }, h("b", {}, row.name), h("span")), h("div", { class: "note" })),
        (element, row) => {
          level(element.firstChild.children[1], row.level, row.word);
          text(element.children[1], [row.figure, row.change].filter(Boolean).join(" → "));
        });
    } catch {
      text(note, "No answer: the BMS cannot be reached.");
    } finally {
      ask.disabled = false;
    }
  }

  topic() {
    return "system";
  }

  silent(is) {
    this.classList.toggle("stale-data", is);
  }

  show(data) {
    const p = this.parts;
    text(p.run, [data.run.source, data.run.scenario && `scenario ${data.run.scenario}`, `state in ${data.run.state_dir}`].filter(Boolean).join(" · "));
    keyed(p.processes, data.processes, (row) => row.name,
      (row) => h("tr", {}, h("td", { class: "wide" }, h("b", {}, row.name), h("span", { class: "job" }, row.job)), h("td", { class: "wide" }), ...COLUMNS.map(([name]) => h("td", { class: "nowrap", "data-label": name }))),
      (element, row) => {
        level(element.children[1], row.level, row.word);
        COLUMNS.forEach(([, key], k) => text(element.children[k + 2], row[key]));
      });
    this.rows(p.enables, data.enables);
    this.cycle(data.cycle);
    keyed(p.sensors, data.sensors, (row) => row.name,
      (row) => h("tr", {}, h("td", { title: row.meaning }, row.name), h("td"), h("td", { class: "r nowrap" }), h("td", { class: "r nowrap", "data-label": "sample" })),
      (element, row) => {
        level(element.children[1], row.level, row.word);
        text(element.children[2], row.value);
        text(element.children[3], row.age);
      });
    this.rows(p.recorder, data.recorder);
    p["no-recorder"].hidden = data.recorder.length > 0;
    const notes = [...data.notes, ...data.problems.map((one) => ({ text: one, level: "warning" }))];
    keyed(p.notes, notes, (row) => row.text, (row) => h("div", {}, levelMark(row.level, ""), h("span", { style: "flex:1" }, row.text)), () => {});
    p["no-notes"].hidden = notes.length > 0;
  }

  rows(parent, rows) {
    keyed(parent, rows, (row) => row.name, (row) => h("div", {}, h("span", {}, row.name), h("span"), h("span", { class: "note" })), (element, row) => {
      level(element.children[1], row.level, row.word);
      text(element.children[2], row.note);
      element.children[2].hidden = !row.note;
    });
  }

  cycle(cycle) {
    const { took, late } = cycle;
    const items = [["Period", us(cycle.period_us)], ["Took, p50", us(took?.p50)], ["p99.9", us(took?.p999)], ["longest", us(took?.max)], ["Late, p99.9", us(late?.p999)], ["latest", us(late?.max)], ["Overruns", cycle.overruns || "–"]];
    keyed(this.parts.cycle, items, (item) => item[0], (item) => h("div", { class: "figure" }, h("dt", {}, item[0]), h("dd", { style: "font-size:18px" })), (element, item) => text(element.lastChild, item[1]));
    const most = Math.log10(1 + Math.max(1, ...cycle.bins.flatMap((bin) => [bin.took, bin.late])));
    const width = (count) => `${(100 * Math.log10(1 + count)) / most}%`;
    keyed(this.parts.histogram, cycle.bins.flatMap((bin) => [{ k: `a${bin.end_us}`, bin, what: "at" }, { k: `b${bin.end_us}`, bin, what: "bars" }, { k: `c${bin.end_us}`, bin, what: "n" }]), (item) => item.k,
      ({ bin, what }) => (what === "at" ? h("span", { class: `at ${bin.end_us > cycle.period_us ? "over" : ""}` }, `≤ ${bin.end}`) : what === "bars" ? h("span", {}, h("i", { class: "bar" }), h("i", { class: "bar late", style: "margin-top:2px" })) : h("span", { class: "n" })),
      (element, { bin, what }) => {
        if (what === "bars") {
          element.firstChild.style.width = width(bin.took);
          element.lastChild.style.width = width(bin.late);
        } else if (what === "n") text(element, `${bin.took} · ${bin.late}`);
      });
    attr(this.parts.histogram, "aria-label", `Cycle took ${us(took?.p50)} in the middle, ${us(took?.max)} at most; woken late ${us(late?.max)} at most`);
  }
}

customElements.define("ion-system", System);
