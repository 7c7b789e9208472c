// Dark or light before anything is drawn: as the system says, or as chosen. A plain script, loaded first.
(() => {
  const key = "ionward-theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(key) ?? "auto";
    } catch {
      return "auto";
    }
  };
  const use = () => {
    const isDark = chosen() === "dark" || (chosen() === "auto" && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    window.Quasar?.Dark?.set(isDark);
    dispatchEvent(new Event("ion-theme"));
  };
  window.ionTheme = (name) => {
    if (name) {
      try {
        localStorage.setItem(key, name);
      } catch {
        // A browser that keeps nothing uses the system's.
      }
      use();
    }
    return chosen();
  };
  dark.addEventListener("change", use);
  addEventListener("DOMContentLoaded", () => setTimeout(use, 0));
  use();
})();
