// Overview: state, SOC, power, voltage and temperature to be read from afar, the single-line diagram, limits, faults.

import { lostBanners, showBanners } from "./banners.js";
import "./diagram.js";
import { ask, attr, figure, h, icon, keyed, shape, text } from "./dom.js";
import { Following } from "./link.js";

const ARROWS = { 1: "down", [-1]: "up", 0: "rest" };

class Overview extends Following {
  build() {
    this.innerHTML = `
      <h1>Overview</h1>
      <div class="banners" data-part="banners" aria-live="assertive"></div>
      <section class="heroes" aria-label="The battery now">
        <div class="card hero" data-part="state"><h2>State</h2><div class="word" data-part="state-word">–</div>
          <div class="sub"><b data-part="state-since"></b></div><div class="bottom sub" data-part="state-detail"></div></div>
        <div class="card hero"><h2>State of charge</h2><div class="big" data-part="soc">–</div>
          <div class="sub"><b data-part="soc-std"></b> <span data-part="soc-note"></span></div>
          <div class="bottom"><div class="socbar" role="img" data-part="soc-bar"><div class="fill"></div><div class="band"></div></div>
          <div class="sub" data-part="soc-energy"></div></div></div>
        <div class="card hero"><h2>Power</h2><div class="big" data-part="power">–</div>
          <div class="direction" data-part="direction"><span></span><span data-part="direction-word"></span></div>
          <div class="bottom pair"><b data-part="current">–</b><span class="tag" data-part="current-note"></span></div></div>
        <div class="card hero"><h2>Voltage</h2>
          <div class="pair"><b data-part="pack">–</b><span class="tag">pack</span></div>
          <div class="pair"><b data-part="bus">–</b><span class="tag" data-part="bus-word">bus</span></div>
          <div class="bottom sub" data-part="cells"></div></div>
        <div class="card hero"><h2>Temperature</h2>
          <div class="pair"><b data-part="hot">–</b><span class="tag">hottest</span></div>
          <div class="pair"><b data-part="cold">–</b><span class="tag">coldest</span></div>
          <div class="bottom sub" data-part="temperature-note"></div></div>
      </section>
      <div class="lower">
        <div class="stack first">
          <section class="card diagram-card"><div class="card-head"><h2>Single-line diagram</h2><span class="ion-spring"></span>
            <span class="level" data-part="bus-pill"></span></div>
            <ion-diagram></ion-diagram><div class="facts" data-part="facts"></div></section>
          <section class="card commands" aria-label="Commands" data-part="commands"></section>
        </div>
        <div class="stack">
          <section class="card"><h2>Limits and what sets them</h2><div data-part="limits"></div></section>
          <section class="card grow fault-card"><div class="card-head"><h2>Faults</h2></div><div class="faults" data-part="faults"></div></section>
        </div>
      </div>`;
    this.parts = Object.fromEntries([...this.querySelectorAll("[data-part]")].map((one) => [one.dataset.part, one]));
    this.diagram = this.querySelector("ion-diagram");
  }

  topic() {
    return "overview";
  }

  silent(is) {
    this.lost = is;
    this.classList.toggle("stale-data", is || !this.fresh);
    this.diagram.stale(is || !this.fresh);
    if (is) showBanners(this.parts.banners, lostBanners(this.banners));
  }

  show(data) {
    const p = this.parts;
    this.fresh = data.fresh;
    this.classList.toggle("stale-data", !data.fresh);
    this.banners = data.banners;
    showBanners(p.banners, data.banners);
    attr(p.state, "data-tone", data.state.level);
    text(p["state-word"], data.state.word);
    text(p["state-since"], data.state.since);
    text(p["state-detail"], data.state.detail || data.state.enables);
    this.showCharge(data.soc);
    figure(p.power, data.power.value);
    if (this.way !== data.power.direction) {
      this.way = data.power.direction;
      p.direction.firstChild.replaceChildren(icon(ARROWS[this.way]));
    }
    text(p["direction-word"], data.power.word);
    figure(p.current, data.power.current);
    text(p["current-note"], data.power.note);
    figure(p.pack, data.voltage.pack);
    figure(p.bus, data.voltage.bus);
    text(p["bus-word"], `bus, ${data.voltage.bus_word}`);
    text(p.cells, data.voltage.cells);
    figure(p.hot, data.temperature.max);
    figure(p.cold, data.temperature.min);
    const t = data.temperature;
    text(p["temperature-note"], t.note || [t.max_who, t.min_who].filter(Boolean).join(" · "));
    this.showBus(data.voltage.bus_word);
    this.diagram.show(data.pack, data.diagram);
    this.showFacts(data.facts);
    this.showLimits(data.limits);
    this.showFaults(data.faults);
    this.showCommands(data.commands);
  }

  showCommands(commands) {
    keyed(
      this.parts.commands,
      commands,
      (command) => command.key,
      (command) => h("button", { class: "btn", type: "button", "data-command": command.key, onclick: () => ask(command.key) }, command.name),
      (element, command) => element.classList.toggle("primary", command.primary),
    );
  }

  showCharge(soc) {
    const p = this.parts;
    figure(p.soc, soc.value);
    text(p["soc-std"], soc.plus_minus);
    text(p["soc-note"], soc.note);
    text(p["soc-energy"], soc.energy);
    const [fill, band] = p["soc-bar"].children;
    fill.style.width = `${100 * (soc.share ?? 0)}%`;
    band.style.display = soc.band ? "" : "none";
    if (soc.band) {
      band.style.left = `${100 * soc.band[0]}%`;
      band.style.width = `${100 * (soc.band[1] - soc.band[0])}%`;
    }
    attr(p["soc-bar"], "aria-label", `State of charge ${soc.value.v} ${soc.value.u}, ${soc.plus_minus}`);
  }

  showBus(word) {
    if (this.busWord === word) return;
    this.busWord = word;
    const pill = this.parts["bus-pill"];
    pill.textContent = `Bus ${word}`;
    pill.className = "pill";
    attr(pill, "data-tone", word === "live" ? "info" : null);
  }

  showFacts(facts) {
    keyed(
      this.parts.facts,
      facts,
      (fact) => fact.name,
      (fact) => h("span", {}, `${fact.name} `, h("b")),
      (element, fact) => text(element.lastChild, fact.value),
    );
  }

  showLimits(limits) {
    keyed(
      this.parts.limits,
      limits,
      (limit) => limit.key,
      (limit) => {
        const element = h("div", { class: "limit" });
        element.innerHTML = `<h3></h3><div class="value"></div>
          <div class="track" role="img"><div class="pulse"></div><div class="allowed"></div><div class="used"></div></div>
          <div class="scale"><span></span><span></span></div><div class="why"></div>`;
        text(element.firstChild, limit.name);
        return element;
      },
      (element, limit) => {
        const [, value, track, scale, why] = element.children;
        figure(value, limit.value);
        const [pulse, allowed, used] = track.children;
        pulse.style.width = `${100 * limit.pulse}%`;
        allowed.style.width = `${100 * limit.allowed}%`;
        used.style.width = `${100 * limit.used}%`;
        attr(used, "data-over", limit.over ? 1 : 0);
        attr(track, "aria-label", `${limit.name} limit ${limit.value.v} ${limit.value.u} of ${limit.scale}; ${limit.now}`);
        text(scale.firstChild, [limit.now, limit.power && `up to ${limit.power}`].filter(Boolean).join(" · "));
        text(scale.lastChild, limit.pulse_text || limit.scale);
        const words = limit.set_by ? `Set by ${limit.why}` : limit.why;
        text(why, words);
      },
    );
  }

  showFaults(faults) {
    const parent = this.parts.faults;
    this.classList.toggle("has-faults", faults.length > 0);
    if (!faults.length) {
      if (parent.dataset.none !== "1") {
        parent.dataset.none = "1";
        parent.replaceChildren(h("div", { class: "allgood" }, shape("ok"), "No faults"));
      }
      return;
    }
    if (parent.dataset.none !== "0") {
      parent.dataset.none = "0";
      parent.replaceChildren();
    }
    keyed(
      parent,
      faults,
      (fault) => fault.id,
      (fault) => {
        const element = h("article", { class: "fault" });
        element.innerHTML = `<span></span><h3></h3><span class="since num"></span><p></p><p class="todo"><b>What to do: </b><span></span></p>`;
        element.append(h("button", { class: "btn small release", type: "button", hidden: true, onclick: () => ask("release", { fault: fault.id }) }, "Release …"));
        return element;
      },
      (element, fault) => {
        const [mark, title, since, meaning, todo, release] = element.children;
        release.hidden = !fault.locked;
        if (element.dataset.level !== fault.level) {
          element.dataset.level = fault.level;
          mark.replaceChildren(shape(fault.level));
        }
        const words = `${fault.level_name}: ${fault.name}`;
        if (title.dataset.words !== words + fault.detail) {
          title.dataset.words = words + fault.detail;
          title.replaceChildren(words, h("small", { class: "num" }, fault.detail));
        }
        text(since, fault.since);
        text(meaning, fault.meaning);
        text(todo.lastChild, fault.action);
      },
    );
  }
}

customElements.define("ion-overview", Overview);
