// The frame: which page is open, how fresh the data are, the clock, dark or light.

import { attr, h, text } from "./dom.js";
import { Following, link } from "./link.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const WORDS = { auto: "as the system", light: "light", dark: "dark" };
const ICONS = {
  light: "M12 4V2M12 22v-2M4 12H2M22 12h-2M6.3 6.3 4.9 4.9M19.1 19.1l-1.4-1.4M6.3 17.7l-1.4 1.4M19.1 4.9l-1.4 1.4M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  auto: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 4v16M14.5 5v14M17 7v10",
};

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
      attr(this.button, "aria-label", `Colours: ${WORDS[now]}. Change`);
      attr(this.button, "title", `Colours: ${WORDS[now]}`);
      attr(this.button.querySelector("path"), "d", ICONS[now]);
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
