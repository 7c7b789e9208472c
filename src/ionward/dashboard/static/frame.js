// The frame: which page is open, how fresh the data are, the clock, dark or light.

import { attr, h, text } from "./dom.js";
import { Following, link } from "./link.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };

class Rail extends Following {
  topic() {
    return "frame";
  }

  build() {
    this.mark = () => {
      const path = location.pathname.slice((window.path_prefix ?? "").length) || "/";
      for (const anchor of this.querySelectorAll("a[href]")) {
        const href = anchor.getAttribute("href");
        const here = href === "/" ? path === "/" : path === href || path.startsWith(`${href}/`);
        attr(anchor, "aria-current", here ? "page" : null);
      }
    };
    this.addEventListener("click", () => setTimeout(this.mark, 60));
    addEventListener("popstate", () => setTimeout(this.mark, 60));
    this.badge = this.querySelector(".ion-badge");
    this.mark();
  }

  show(data) {
    this.mark();
    attr(this.badge, "data-level", data.level || null);
    text(this.badge, data.count ? String(data.count) : "");
    attr(this.badge, "aria-label", data.count ? `${data.count}, ${data.level}` : null);
  }
}

class Freshness extends Following {
  topic() {
    return "frame";
  }

  build() {
    this.append(h("i"), h("span"));
    this.className = "ion-fresh";
    attr(this, "role", "status");
  }

  silent(is) {
    if (is) this.tell("stale", link.open ? "no answer" : "connection lost");
    else if (this.data) this.show(this.data);
  }

  show(data) {
    this.data = data;
    this.tell(data.fresh, data.age);
  }

  tell(fresh, words) {
    attr(this, "data-fresh", fresh);
    text(this.lastChild, words);
  }
}

class Clock extends HTMLElement {
  connectedCallback() {
    this.className = "ion-clock num";
    const tick = () => text(this, new Date().toLocaleTimeString("en-GB"));
    tick();
    this.timer = setInterval(tick, 1000);
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }
}

class Theme extends HTMLElement {
  connectedCallback() {
    this.button = this.querySelector("button");
    this.button.onclick = () => window.ionTheme(NEXT[window.ionTheme()]);
    this.tell = () => {
      const now = window.ionTheme();
      attr(this.button, "aria-label", `Colours: ${now === "auto" ? "as the system" : now}. Change`);
      attr(this.button, "title", `Colours: ${now === "auto" ? "as the system" : now}`);
      attr(this.button, "data-theme", now);
    };
    addEventListener("ion-theme", this.tell);
    this.tell();
  }

  disconnectedCallback() {
    removeEventListener("ion-theme", this.tell);
  }
}

customElements.define("ion-rail", Rail);
customElements.define("ion-fresh", Freshness);
customElements.define("ion-clock", Clock);
customElements.define("ion-theme", Theme);
