// What must be known on every page before anything else: stale data, trips, missing enables.

import { ask, h, keyed, shape, text } from "./dom.js";
import { Following } from "./link.js";

const LOST = {
  key: "lost",
  level: "critical",
  title: "No connection to the BMS",
  text: "What is shown here is the last that was heard. Treat the pack as live. Trying again …",
  acknowledge: false,
};

// Connection lost: the masks that were heard of last go on being told.
export function lostBanners(last) {
  return [LOST, ...(last ?? []).filter((banner) => banner.level === "mask")];
}

export function showBanners(parent, banners) {
  keyed(
    parent,
    banners,
    (banner) => banner.key,
    () => h("div", { class: "banner", role: "alert" }, h("span", { class: "mark" }), h("div", {}, h("strong"), h("span"))),
    (element, banner) => {
      if (element.dataset.level !== banner.level) {
        element.dataset.level = banner.level;
        element.firstChild.replaceChildren(shape(banner.level));
      }
      const [title, words] = element.children[1].children;
      text(title, banner.title);
      text(words, banner.text);
      const button = element.children[2];
      const wanted = banner.acknowledge || banner.release;
      if (wanted && !button) {
        element.append(
          banner.release
            ? h("button", { class: "btn", type: "button", onclick: () => ask("release", { fault: banner.release }) }, "Release …")
            : h("button", { class: "btn", type: "button", onclick: () => ask("acknowledge") }, "Acknowledge …"),
        );
      } else if (!wanted && button) button.remove();
    },
  );
}

class Banners extends Following {
  build() {
    this.className = "banners";
    this.setAttribute("aria-live", "assertive");
  }

  topic() {
    return "banners";
  }

  silent(is) {
    if (is) showBanners(this, lostBanners(this.last));
    else if (this.last) this.show(this.last);
  }

  show(banners) {
    this.last = banners;
    showBanners(this, banners);
  }
}

customElements.define("ion-banners", Banners);
