// Colour scales for maps of many cells, safe for the colour-blind: blue - grey - orange around a mean, or pale to strong.

const SCALES = {
  // `bars` stand on the surface itself: their middle must be seen against it.
  light: { bars: ["#005a9c", "#4b98cd", "#8a9ba4", "#dd9440", "#b54700"], around: ["#005a9c", "#6fb1dc", "#eceeee", "#f0a860", "#b54700"], rising: ["#f3f1e7", "#f5d58c", "#eb9a3a", "#c75a10", "#7d2d00"] },
  dark: { bars: ["#7cc4f5", "#4b93c4", "#6f838c", "#c9803c", "#ff9e57"], around: ["#7cc4f5", "#2f79ad", "#273238", "#a85a1d", "#ff9e57"], rising: ["#222b2f", "#5b4520", "#9a6420", "#d98a33", "#ffd08a"] },
};
export const STEPS = 40;

function channels(hex) {
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

function made(stops) {
  const colours = [];
  for (let n = 0; n <= STEPS; n++) {
    const at = (n / STEPS) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    const [low, high] = [channels(stops[k]), channels(stops[k + 1])];
    const rgb = low.map((c, i) => Math.round(c + (high[i] - c) * (at - k)));
    const light = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    colours.push({ fill: `rgb(${rgb.join(" ")})`, ink: luminance > 0.2 ? "#0b1418" : "#ffffff" });
  }
  return colours;
}

const cache = new Map();

export function scale(aroundMean, bars = false) {
  const theme = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
  const kind = bars ? "bars" : aroundMean ? "around" : "rising";
  const key = `${theme} ${kind}`;
  if (!cache.has(key)) cache.set(key, made(SCALES[theme][kind]));
  return cache.get(key);
}

export function stepOf(value, low, high) {
  if (value === null || low === null || !(high > low)) return -1;
  return Math.round(Math.min(1, Math.max(0, (value - low) / (high - low))) * STEPS);
}

export function gradient(aroundMean, bars = false) {
  const colours = scale(aroundMean, bars);
  return `linear-gradient(90deg, ${[0, 10, 20, 30, 40].map((n) => colours[n].fill).join(", ")})`;
}
