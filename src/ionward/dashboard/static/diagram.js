// The single-line diagram: drawn as the contactors really are, with the current that really flows.

import { attr, calm, s, text } from "./dom.js";

const FRAME_MS = 45; // of the moving dashes: calm for the eye and for a weak tablet
const OPEN_DEGREES = -32;

// Where everything stands, once for wide and once for tall screens. `turn` is in degrees.
const WIDE = {
  box: "0 0 1000 392", turn: 0,
  battery: { x: 10, y: 70, w: 136, h: 262, title: [78, 52], voltage: [78, 372] },
  fuse: { at: [212, 118], name: [212, 86], state: [212, 158], anchor: "middle" },
  pyro: { at: [322, 118], name: [322, 86], state: [322, 158], anchor: "middle" },
  positive: { at: [490, 118], name: [490, 176], state: [490, 199], anchor: "middle" },
  negative: { at: [490, 284], name: [490, 342], state: [490, 365], anchor: "middle" },
  precharge: { at: [470, 36], name: [378, 30], state: [378, 53], anchor: "end" },
  resistor: { at: [566, 36], name: [640, 30], state: [640, 53], anchor: "start" },
  shunt: { at: [250, 284], name: [250, 322], state: [250, 356], anchor: "middle" },
  link: { at: [682, 201], name: [720, 180], state: [720, 213], word: [720, 238], anchor: "start" },
  load: { x: 856, y: 130, w: 136, h: 142, name: [924, 212], state: [924, 238] },
  arrow: [800, 118, 0],
  wires: {
    pack: "M146 118H184", packNegative: "M146 284H440", fused: "M240 118H288M356 118H440M392 118V36H420",
    fusedPlain: "M240 118H440M392 118V36H420", pre: "M520 36H536", bus: "M596 36H626V118M540 118H924V130M682 118V191",
    busNegative: "M540 284H924V272M682 284V211", through: "M240 118H440", plain: "M146 118H440",
  },
  flow: "M146 118H924V284H146", flowPre: "M146 118H392V36H626V118H924V284H146",
};

const TALL = {
  box: "0 0 372 640", turn: 90,
  battery: { x: 26, y: 6, w: 320, h: 98, title: [186, 0], voltage: [186, 0] },
  fuse: { at: [124, 148], name: [148, 143], state: [148, 164], anchor: "start" },
  pyro: { at: [124, 216], name: [148, 211], state: [148, 232], anchor: "start" },
  positive: { at: [124, 326], name: [162, 314], state: [162, 335], anchor: "start" },
  negative: { at: [300, 216], name: [278, 166], state: [278, 187], anchor: "end" },
  precharge: { at: [40, 312], name: [8, 208], state: [8, 229], anchor: "start" },
  resistor: { at: [40, 396], name: [58, 402], state: [58, 420], anchor: "start" },
  shunt: { at: [300, 330], name: [280, 276], state: [280, 394], anchor: "end" },
  link: { at: [212, 484], name: [212, 456], state: [212, 541], word: null, anchor: "middle" },
  load: { x: 64, y: 562, w: 296, h: 70, name: [212, 592], state: [212, 616] },
  arrow: [124, 464, 90],
  wires: {
    pack: "M124 104V120", packNegative: "M300 104V166", fused: "M124 176V182M124 250V276M124 262H40V262",
    fusedPlain: "M124 176V276M124 262H40V262", pre: "M40 362V366", bus: "M40 426V442H124M124 376V562M124 484H202",
    busNegative: "M300 266V562M300 484H222", through: "M124 176V276", plain: "M124 104V276",
  },
  flow: "M124 104V562M300 562V104", flowPre: "M124 104V262H40V442H124V562M300 562V104",
};

function label(x, y, kind, anchor = "middle") {
  return s("text", { x, y, class: kind, "text-anchor": anchor });
}

class Drawing {
  constructor(layout, pack) {
    this.at = layout;
    this.pack = pack;
    this.offset = 0;
    this.speed = 0;
    const tall = layout.turn !== 0;
    this.root = s("svg", { viewBox: layout.box, role: "img", "aria-labelledby": "diagram-words" });
    this.body = s("g", { class: "drawing" });
    this.wires = this.drawWires();
    this.flow = s("path", { class: "flow", d: layout.flow });
    this.flowPre = s("path", { class: "flow", d: layout.flowPre });
    this.body.append(this.flow, this.flowPre);
    this.drawBattery(layout.battery, tall);
    if (pack.fuse) this.fuse = this.drawFuse(layout.fuse, pack.fuse);
    if (pack.pyrofuse) this.pyro = this.drawPyro(layout.pyro);
    this.contactors = {};
    if (pack.contactors) {
      this.contactors.main_positive = this.drawContactor(layout.positive, pack.names.main_positive);
      this.contactors.main_negative = this.drawContactor(layout.negative, pack.names.main_negative);
      if (pack.one_way) for (const place of [layout.positive, layout.negative]) this.drawDiode(place);
      if (pack.precharge) {
        this.contactors.precharge = this.drawContactor(layout.precharge, "Precharge");
        this.drawResistor(layout.resistor, pack.precharge);
      }
    }
    this.drawShunt(layout.shunt);
    this.drawLink(layout.link);
    this.drawLoad(layout.load, pack.load);
    const [x, y, turn] = layout.arrow;
    this.arrow = s("path", { class: "arrow", d: "M-13-12 13 0-13 12z" });
    this.arrowAt = `translate(${x} ${y}) rotate(${turn})`;
    this.body.append(this.arrow);
    this.words = s("title", { id: "diagram-words" });
    this.root.append(this.words, this.body);
  }

  wire(name, d) {
    const path = s("path", { class: "wire", d, "data-live": "0" });
    this.body.append(path);
    return [name, path];
  }

  drawWires() {
    const w = this.at.wires;
    const { fuse, pyrofuse, contactors, precharge } = this.pack;
    const wires = [];
    wires.push(this.wire("pack", fuse ? w.pack : w.plain));
    wires.push(this.wire("packNegative", w.packNegative));
    if (fuse) {
      let fused = pyrofuse ? w.fused : w.fusedPlain;
      if (!precharge) fused = pyrofuse ? fused.slice(0, fused.lastIndexOf("M")) : w.through;
      wires.push(this.wire("fused", fused));
    }
    if (precharge) wires.push(this.wire("pre", w.pre));
    const bus = precharge ? w.bus : w.bus.slice(w.bus.indexOf("M", 1));
    wires.push(this.wire("bus", bus), this.wire("busNegative", w.busNegative));
    if (!contactors) wires.push(this.wire("straight", this.at.turn ? "M124 276V376M300 166V266" : "M440 118H540M440 284H540"));
    return new Map(wires);
  }

  drawBattery({ x, y, w, h, title, voltage }, tall) {
    const group = s("g", {}, s("rect", { class: "body", x, y, width: w, height: h, rx: 10 }));
    const count = Math.min(this.pack.modules > 1 ? this.pack.modules : this.pack.series, tall ? 16 : 24);
    const columns = tall ? count : count > 6 ? 2 : 1;
    const rows = Math.ceil(count / columns);
    const area = tall ? { x: x + 14, y: y + 14, w: w - 28, h: 34 } : { x: x + 16, y: y + 16, w: w - 32, h: h - 32 };
    const step = { x: area.w / columns, y: area.h / rows };
    this.cells = [];
    for (let n = 0; n < count; n++) {
      const cx = area.x + (n % columns) * step.x;
      const cy = area.y + Math.floor(n / columns) * step.y;
      const size = { width: step.x - (tall ? 4 : 8), height: step.y - (tall ? 0 : 5) };
      const part = s("rect", { class: "cell-on", x: cx, y: cy, ...size, rx: 2.5 });
      group.append(s("rect", { class: "cell-off", x: cx, y: cy, ...size, rx: 2.5 }), part);
      this.cells.push({ part, full: tall ? size.height : size.width, tall, top: cy });
    }
    this.packVoltage = label(tall ? x + 16 : voltage[0], tall ? y + 84 : voltage[1], "t-big", tall ? "start" : "middle");
    const name = label(tall ? x + w - 16 : title[0], tall ? y + 82 : title[1], "t-sub", tall ? "end" : "middle");
    name.textContent = this.pack.cells;
    group.append(this.packVoltage, name);
    if (!tall) {
      const heading = label(title[0], title[1] - 25, "t-label");
      heading.textContent = "Battery";
      group.append(heading);
    }
    this.body.append(group);
  }

  named(place, name, state = "") {
    const title = label(...place.name, "t-label", place.anchor);
    const word = label(...place.state, "t-sub t-state", place.anchor);
    title.textContent = name;
    word.textContent = state;
    return [title, word];
  }

  part(place, ...shapes) {
    return s("g", { transform: `translate(${place.at.join(" ")}) rotate(${this.at.turn})` }, ...shapes);
  }

  drawFuse(place, name) {
    const [title, word] = this.named(place, name, "intact");
    const group = s("g", {}, this.part(
      place,
      s("rect", { class: "body", x: -28, y: -12, width: 56, height: 24, rx: 3 }),
      s("path", { class: "symbol fuse-wire", d: "M-28 0H28" }),
      s("path", { class: "blown", d: "M-9-9 9 9M9-9-9 9" }),
    ), title, word);
    this.body.append(group);
    return { group, word };
  }

  drawPyro(place) {
    const [title, word] = this.named(place, "Pyrofuse", "intact");
    const group = s("g", {}, this.part(
      place,
      s("rect", { class: "body", x: -34, y: -14, width: 68, height: 28, rx: 14 }),
      s("path", { class: "symbol fuse-wire", d: "M-34 0H34" }),
      s("path", { class: "symbol", d: "M3-10-4 1H4L-3 10", "stroke-width": 2 }),
      s("path", { class: "blown", d: "M-9-9 9 9M9-9-9 9" }),
    ), title, word);
    this.body.append(group);
    return { group, word };
  }

  drawContactor(place, name) {
    const [title, word] = this.named(place, name);
    const blade = s("line", { class: "blade", x1: -26, y1: 0, x2: 27, y2: 0, style: "transform-origin:-26px 0" });
    const ghost = s("line", { class: "ghost", x1: -26, y1: 0, x2: 27, y2: 0, style: "transform-origin:-26px 0" });
    const coil = s("rect", { class: "coil", x: -13, y: 22, width: 26, height: 13, rx: 3 });
    const group = s("g", {}, this.part(
      place,
      s("path", { class: "wire pin-in", d: "M-50 0H-26", "data-live": "0" }),
      s("path", { class: "wire pin-out", d: "M26 0H50", "data-live": "0" }),
      s("line", { class: "coil-line", x1: 0, y1: 2, x2: 0, y2: 22 }),
      coil, ghost, blade,
      s("circle", { class: "pin", cx: -26, cy: 0, r: 4.5 }),
      s("circle", { class: "pin", cx: 26, cy: 0, r: 4.5 }),
    ), title, word);
    this.body.append(group);
    return { group, blade, ghost, coil, word, pins: [group.querySelector(".pin-in"), group.querySelector(".pin-out")] };
  }

  // Past an open one-way switch: charge past the positive one, discharge past the negative one, both towards the battery.
  drawDiode(place) {
    this.body.append(this.part(place, s("path", { class: "symbol diode", d: "M-38 0V-26H-8M8-26H38V0M8-35V-17L-8-26zM-8-35V-17", "stroke-width": 2 })));
  }

  drawResistor(place, ohm) {
    const [title, word] = this.at.turn ? this.named(place, ohm) : this.named(place, "Resistor", ohm);
    this.body.append(
      s("g", {}, this.part(place, s("path", { class: "symbol", d: "M-30 0H-24L-20-9-12 9-4-9 4 9 12-9 20 9 24 0H30" })), title, word),
    );
  }

  drawShunt(place) {
    const title = label(...place.name, "t-sub", place.anchor);
    title.textContent = this.at.turn ? "" : "Current";
    this.current = label(...place.state, "t-big", place.anchor);
    this.body.append(
      this.part(place, s("rect", { class: "body", x: -18, y: -11, width: 36, height: 22, rx: 3 }), s("path", { class: "symbol", d: "M-6-5v10M6-5v10M-6 0H6", "stroke-width": 2 })),
      title, this.current,
    );
  }

  drawLink(place) {
    const title = label(...place.name, "t-label", place.anchor);
    title.textContent = "DC link";
    this.busVoltage = label(...place.state, "t-big", place.anchor);
    this.busWord = label(...(place.word ?? place.state), "t-sub", place.anchor);
    this.body.append(
      this.part(place, s("path", { class: "symbol", d: "M-24-10H24M-24 10H24", "stroke-width": 5 })),
      title, this.busVoltage, this.busWord,
    );
  }

  drawLoad({ x, y, w, h, name, state }, kind) {
    this.loadName = label(...name, "t-label");
    this.loadName.textContent = kind;
    this.loadWord = label(...state, "t-sub");
    this.body.append(s("rect", { class: "body", x, y, width: w, height: h, rx: 10 }), this.loadName, this.loadWord);
    if (!this.at.turn) {
      this.body.append(s("circle", { class: "symbol", cx: x + w / 2, cy: y + 38, r: 20 }), s("path", { class: "symbol", d: `M${x + w / 2 - 11} ${y + 38}q5.5-11 11 0t11 0` }));
    }
  }

  show(data) {
    this.data = data;
    text(this.packVoltage, data.pack);
    text(this.current, data.current);
    const measured = data.bus_word !== "not measured";
    text(this.busVoltage, measured ? (this.at.turn ? `${data.bus} ${data.bus_word}` : data.bus) : "");
    text(this.busWord, measured && this.at.turn ? "" : data.bus_word);
    text(this.loadWord, data.load);
    text(this.words, data.words);
    for (const { part, full, tall, top } of this.cells) {
      const length = full * (data.soc ?? 0);
      if (tall) {
        attr(part, "height", length.toFixed(1));
        attr(part, "y", (top + full - length).toFixed(1));
      } else attr(part, "width", length.toFixed(1));
    }
    const live = { pack: true, packNegative: true, fused: data.fused, bus: data.bus_live, busNegative: data.bus_live, straight: true };
    live.pre = data.contactors.precharge?.closed ? data.fused : data.bus_live;
    for (const [name, path] of this.wires) attr(path, "data-live", live[name] ? 1 : 0);
    for (const [name, drawn] of Object.entries(this.contactors)) this.showContactor(drawn, data.contactors[name], live, name);
    if (this.fuse) this.showFuse(this.fuse, data.fuse, "blown");
    if (this.pyro) this.showFuse(this.pyro, data.pyrofuse, "fired");
    const path = data.path === "precharge" ? this.flowPre : data.path === "main" ? this.flow : null;
    for (const one of [this.flow, this.flowPre]) attr(one, "data-on", one === path ? 1 : 0);
    this.speed = path ? data.flow : 0;
    attr(this.arrow, "data-on", path ? 1 : 0);
    // Charging flows from the load into the battery.
    attr(this.arrow, "transform", data.flow > 0 ? `${this.arrowAt} rotate(180)` : this.arrowAt);
  }

  showContactor(drawn, now, live, name) {
    if (!now) return;
    const turned = (closed) => `rotate(${closed ? 0 : OPEN_DEGREES}deg)`;
    drawn.blade.style.transform = turned(now.closed);
    drawn.ghost.style.transform = turned(now.driven);
    attr(drawn.coil, "data-on", now.driven ? 1 : 0);
    attr(drawn.group, "data-disagree", now.closed !== now.driven ? 1 : 0);
    const source = name === "main_negative" ? live.packNegative : live.fused;
    const load = name === "precharge" ? live.pre : live.bus;
    attr(drawn.pins[0], "data-live", source ? 1 : 0);
    attr(drawn.pins[1], "data-live", load || (now.closed && source) ? 1 : 0);
    attr(drawn.blade, "data-live", now.closed && (source || load) ? 1 : 0);
    this.sayWord(drawn.word, now.word);
  }

  // Two lines where there is no room for one.
  sayWord(element, words) {
    if (element.dataset.words === words) return;
    element.dataset.words = words;
    const [first, second] = this.at.turn ? words.split(", ") : [words];
    element.textContent = second ? `${first},` : first;
    if (second) element.append(s("tspan", { x: element.getAttribute("x"), dy: "1.2em" }, second));
  }

  showFuse(drawn, state, gone) {
    attr(drawn.group, "data-blown", state === gone ? 1 : 0);
    text(drawn.word, state ?? "not known");
  }

  // Move the dashes on: discharging goes along the path from the positive terminal, charging against it.
  move(elapsed_s) {
    if (!this.speed) return;
    this.offset = (this.offset + this.speed * 95 * elapsed_s) % 2600;
    const path = this.data.path === "precharge" ? this.flowPre : this.flow;
    path.style.strokeDashoffset = this.offset.toFixed(1);
  }
}

export class Diagram extends HTMLElement {
  connectedCallback() {
    this.media = matchMedia("(max-width: 760px)");
    this.again = () => this.draw();
    this.media.addEventListener("change", this.again);
    this.running = true;
    this.frame(performance.now());
  }

  disconnectedCallback() {
    this.running = false;
    this.media.removeEventListener("change", this.again);
  }

  show(pack, data) {
    this.data = data;
    if (JSON.stringify(pack) !== this.packText) {
      this.packText = JSON.stringify(pack);
      this.pack = pack;
      this.draw();
    } else this.drawing.show(data);
    this.stale(!data.fresh);
  }

  // Nothing moves on a picture that is not up to date.
  stale(is) {
    this.still = is;
    attr(this, "data-stale", is ? 1 : 0);
  }

  draw() {
    if (!this.pack) return;
    this.drawing = new Drawing(this.media.matches ? TALL : WIDE, this.pack);
    this.replaceChildren(this.drawing.root);
    this.drawing.show(this.data);
  }

  frame(now) {
    if (!this.running) return;
    requestAnimationFrame((then) => this.frame(then));
    if (!this.drawing || this.still || calm() || now - (this.moved ?? 0) < FRAME_MS) return;
    this.drawing.move(Math.min(0.2, (now - (this.moved ?? now)) / 1000));
    this.moved = now;
  }
}

customElements.define("ion-diagram", Diagram);
