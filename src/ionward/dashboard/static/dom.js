// Small helpers for drawing by hand: make elements once, then change only what differs.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

export function attr(element, name, value) {
  if (value === null || value === undefined) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// A number with its unit, as {v, u} from the server: two text nodes, so that the unit stays small.
export function figure(element, value) {
  let unit = element.querySelector(".unit");
  if (!unit) {
    element.textContent = "";
    unit = h("span", { class: "unit" });
    element.append(document.createTextNode(""), unit);
  }
  if (element.firstChild.nodeValue !== value.v) element.firstChild.nodeValue = value.v;
  text(unit, value.u);
}

// The list of children follows a list of items; items keep their element by key.
export function keyed(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

const MARKS = {
  ok: ["circle", { cx: 12, cy: 12, r: 11 }, "M7 12.5l3.4 3.4L17 8.8"],
  info: ["circle", { cx: 12, cy: 12, r: 11 }, "M12 11v6.2M12 7.1v.2"],
  warning: ["path", { d: "M12 1.6 23.4 21.6H.6z" }, "M12 9v5.6M12 18v.2"],
  fault: ["path", { d: "M12 .6 23.4 12 12 23.4.6 12z" }, "M12 6.6v6.4M12 17v.2"],
  critical: ["path", { d: "M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z" }, "M8 8l8 8M16 8l-8 8"],
  mask: ["circle", { cx: 12, cy: 12, r: 11 }, "M5 12c3-5 11-5 14 0-3 5-11 5-14 0zM6 19 18 5"],
};

// Shape of a level: circle, triangle, diamond, octagon; of a mask: an eye that is struck out.
export function shape(level) {
  const [tag, attributes, mark] = MARKS[level] ?? MARKS.info;
  return s(
    "svg",
    { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true", "data-level": level },
    s(tag, { ...attributes, class: `shape-${level}` }),
    s("path", { d: mark, class: "shape-mark" }),
  );
}

export function levelMark(level, word) {
  return h("span", { class: "level", "data-level": level }, shape(level), word);
}

const ICONS = {
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  rest: "M5 12h14",
  back: "M19 12H5M11 6l-6 6 6 6",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.5v15l12-7.5z",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  close: "M6 6l12 12M18 6 6 18",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 21 21",
};

export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Ask the server to open the dialog of a command (it never acts by itself).
export function ask(command, detail = {}) {
  window.emitEvent("ion_command", { command, ...detail });
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
