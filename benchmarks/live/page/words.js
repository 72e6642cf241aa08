// Numbers, times and elements as the page writes them.

export function number(value, form) {
  if (value === null || value === undefined) return "–";
  if (form === "share") return `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)}%`;
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toFixed(1))}k`;
  if (size >= 100 || Number.isInteger(value)) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return String(Number(value.toPrecision(3)));
}

export const money = (value) => value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function change(now, before) {
  const by = now - before;
  const sign = by > 0 ? "+" : by < 0 ? "−" : "±";
  const ratio = before ? Math.abs(by / before) : 0;
  const share = ratio >= 10 ? ` (x ${number(now / before)})` : ratio >= 0.0005 ? ` (${sign}${(100 * ratio).toFixed(1)}%)` : "";
  return `${sign}${number(Math.abs(by))}${share}`;
}

// The time of day at so many hours since the start; of a run of several days with its day.
export function time(hours, market) {
  const ended = hours > (market.ticks - 0.5) * market.tick_h; // midnight of the last day is its 24:00
  const day = Math.floor(hours / market.day_h + 1e-9) - ended;
  const minutes = Math.round((hours - day * market.day_h) * 3600);
  const pad = (n) => String(n).padStart(2, "0");
  const short = market.day_h < 5;
  const parts = short ? [minutes / 60, minutes % 60] : [minutes / 3600, (minutes / 60) % 60];
  const clock = `${pad(Math.floor(parts[0]))}:${pad(Math.floor(parts[1]))}`;
  return market.ticks > market.ticks_per_day ? `day ${day + 1}, ${clock}` : clock;
}

export function element(tag, of = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(of)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
