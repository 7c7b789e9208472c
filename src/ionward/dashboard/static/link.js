// The one connection to the server: topics come in as small JSON, for what the open page shows and nothing else.

const RETRY_MS = [300, 700, 1500, 3000];
const SILENT_MS = 1600;

class Link extends EventTarget {
  constructor() {
    super();
    this.wanted = new Map(); // topic -> set of listeners
    this.last = new Map(); // topic -> newest data
    this.open = false;
    this.tries = 0;
    this.heard = 0;
    document.addEventListener("visibilitychange", () => this.ask());
    setInterval(() => this.watch(), 400);
    this.connect();
  }

  connect() {
    const path = `${window.path_prefix ?? ""}/live/ws`;
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
    this.socket.onopen = () => {
      this.open = true;
      this.tries = 0;
      this.heard = performance.now();
      this.ask();
      this.tell();
    };
    this.socket.onmessage = (event) => {
      this.heard = performance.now();
      const { topic, data } = JSON.parse(event.data);
      this.last.set(topic, data);
      for (const listener of this.wanted.get(topic) ?? []) listener(data);
    };
    this.socket.onclose = () => {
      this.open = false;
      this.tell();
      setTimeout(() => this.connect(), RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]);
    };
  }

  // Hidden pages ask for nothing.
  ask() {
    if (!this.open) return;
    const topics = document.hidden ? [] : [...this.wanted.keys()];
    this.socket.send(JSON.stringify({ want: topics }));
    if (!document.hidden) this.heard = performance.now();
  }

  // Returns a function that ends the subscription.
  want(topic, listener) {
    if (!this.wanted.has(topic)) this.wanted.set(topic, new Set());
    this.wanted.get(topic).add(listener);
    this.ask();
    if (this.last.has(topic)) listener(this.last.get(topic));
    return () => {
      const listeners = this.wanted.get(topic);
      listeners?.delete(listener);
      if (listeners?.size === 0) {
        this.wanted.delete(topic);
        this.last.delete(topic);
        this.ask();
      }
    };
  }

  get silent() {
    return !this.open || (!document.hidden && performance.now() - this.heard > SILENT_MS);
  }

  watch() {
    if (this.silent !== this.toldSilent) this.tell();
  }

  tell() {
    this.toldSilent = this.silent;
    this.dispatchEvent(new Event("change"));
  }
}

export const link = new Link();

// A custom element that follows one topic while it stands in the page.
export class Following extends HTMLElement {
  topic() {
    return this.getAttribute("topic");
  }

  connectedCallback() {
    if (!this.built) {
      this.built = true;
      this.build();
    }
    this.onLink = () => this.silent?.(link.silent);
    link.addEventListener("change", this.onLink);
    this.follow();
    this.onLink();
  }

  follow() {
    this.end?.();
    const topic = this.topic();
    this.end = topic ? link.want(topic, (data) => this.show(data)) : null;
  }

  disconnectedCallback() {
    this.end?.();
    this.end = null;
    link.removeEventListener("change", this.onLink);
  }
}
