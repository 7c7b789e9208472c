// What every page loads: the frame at once, a screen's own code when it is opened.

import "./banners.js";
import "./frame.js";
import "./overview.js";

const LATER = {
  "ion-cells": () => import("./cells.js"),
  "ion-cell": () => import("./cell.js"),
  "ion-trends": () => import("./trends.js"),
  "ion-events": () => import("./events.js"),
  "ion-system": () => import("./system.js"),
};

const seen = new Set();

function look(root) {
  for (const [name, load] of Object.entries(LATER)) {
    if (!seen.has(name) && (root.matches?.(name) || root.querySelector?.(name))) {
      seen.add(name);
      load();
    }
  }
}

new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) look(node);
}).observe(document.documentElement, { childList: true, subtree: true });
look(document.documentElement);
