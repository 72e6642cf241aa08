// The charts: both worlds in each, marks where something was done, numbers beside them at the pointer or of the last tick.

import { colour, element, number, time } from "./words.js";

const BUDGETS = 48; // campaigns with a line of their own in the chart of budgets
const DAYS = 7; // that are seen at once, of a longer run the latest
const PARTS = [1 / 12, 1 / 6, 1 / 3, 2 / 3, 1]; // of a first day, the least that holds what was played
const HEIGHT = 190;
const STYLES = [["changed", "unchanged"], ["second", "second-unchanged"]];

export class Charts {
  constructor(place, history) {
    this.place = place;
    this.history = history;
    this.chosen = null;
    this.plots = [];
    this.dirty = true;
    this.sync = uPlot.sync("day");
    new ResizeObserver(() => this.#resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
  }

  // Makes all anew: at first, and when colours or the campaign looked at change.
  build() {
    for (const plot of this.plots) plot.chart.destroy();
    this.place.replaceChildren();
    const { market } = this.history;
    this.plots = market.charts.map((about) => this.#plot(about, this.#lines(about)));
    if (this.#limited().length) this.plots.splice(1, 0, this.#budgets());
    this.place.replaceChildren(...this.plots.map((plot) => plot.figure));
    this.#resize();
    this.draw();
  }

  choose(campaign) {
    this.chosen = campaign;
    if (this.history.last) this.build();
  }

  draw() {
    for (const plot of this.plots) {
      plot.chart.setData([this.history.hours, ...plot.columns()], false);
      plot.chart.setScale("x", this.#range());
      this.#legend(plot);
    }
  }

  #range() {
    const { hours, market } = this.history;
    const end = hours.length ? hours[hours.length - 1] : 0;
    const days = Math.max(1, Math.ceil(end / market.day_h - 1e-9));
    const first = hours.length ? hours[0] - market.tick_h : 0;
    const part = days > 1 ? days : PARTS.find((share) => end <= share * market.day_h + 1e-9);
    return { min: Math.max(first, (days - DAYS) * market.day_h), max: part * market.day_h };
  }

  #lines(about) {
    const worlds = this.history.market.worlds;
    const found = [];
    about.lines.forEach((line, place) => {
      if (line.fixed) {
        found.push({ label: line.label, stroke: "fixed", dash: [5, 4], width: 1.5, place: 9, column: () => this.history.numbers[0][line.key] });
        return;
      }
      worlds.toReversed().forEach((world) => { // the changed one on top
        const w = worlds.indexOf(world);
        found.push({ label: line.label, world, stroke: STYLES[place][w], dash: w ? [3, 3] : undefined, width: w ? 1.6 : 2, place: 2 * place + w,
          column: () => this.history.numbers[w][line.key] });
      });
    });
    return found;
  }

  #limited() {
    const { last } = this.history;
    const budgets = last ? last.worlds[0].budget : [];
    return [...budgets.keys()].filter((k) => budgets[k] !== null).sort((a, b) => budgets[b] - budgets[a]);
  }

  #budgets() {
    const { market } = this.history;
    const limited = this.#limited();
    const lines = [];
    const line = (k, w, stroke, width, alpha, label = "") => lines.push({ label, world: market.worlds[w], stroke, width, alpha, place: w, dash: w && width > 1 ? [3, 3] : undefined,
      column: () => this.history.left[w][k] });
    market.worlds.toReversed().forEach((_, back) => {
      const w = market.worlds.length - 1 - back;
      for (const k of limited.slice(0, BUDGETS)) line(k, w, STYLES[0][w], 1, this.chosen === null ? 0.5 : 0.22);
    });
    if (this.chosen !== null) {
      market.worlds.forEach((_, w) => line(this.chosen, w, STYLES[0][w], 2.4, 1,
        market.campaigns[this.chosen].name));
    }
    const some = limited.length > BUDGETS ? `the ${BUDGETS} largest of ${limited.length}` : `${limited.length} campaign${limited.length === 1 ? "" : "s"}`;
    const about = { key: "left", title: "Budgets left by campaign", unit: `share, ${some}`, form: "share" };
    const plot = this.#plot(about, lines);
    if (this.chosen === null) plot.legend.append("choose one in the table to see it by itself");
    return plot;
  }

  #plot(about, lines) {
    const legend = element("span", { className: "legend" });
    const box = element("div", { className: "plot", role: "img" });
    const caption = element("figcaption", {}, element("span", {}, about.title, " ", element("span", { className: "soft" }, about.unit)), legend);
    const figure = element("figure", { id: `chart-${about.key}` }, caption, box);
    const plot = { about, lines, figure, box, legend, columns: () => lines.map((line) => line.column() ?? this.history.hours.map(() => null)) };
    const soft = colour("soft");
    const grid = { stroke: colour("line"), width: 1 };
    const font = "11px system-ui, sans-serif";
    const { market } = this.history;
    plot.chart = new uPlot({
      width: 300, height: HEIGHT, padding: [18, 22, 0, 0], legend: { show: false },
      cursor: { sync: { key: this.sync.key }, drag: { x: false, y: false }, points: { show: lines.length <= 6 }, y: false },
      scales: { x: { time: false }, y: { range: (_, min, max) => (about.form === "share" && max <= 1 && about.key !== "load" ? [0, 1] : [0, (max || 1) * 1.08]) } },
      axes: [
        { stroke: soft, grid, ticks: grid, font, size: 30, space: market.ticks > market.ticks_per_day ? 90 : 52,
          incrs: [1 / 60, 1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 3, 4, 6, 12, 24, 48, 96, 240], values: (_, at) => at.map((hours) => time(hours, market)) },
        { stroke: soft, grid, ticks: grid, font, size: 50, values: (_, at) => at.map((value) => number(value, about.form)) },
      ],
      series: [{}, ...lines.map((line) => ({ label: line.label, stroke: colour(line.stroke), width: line.width, dash: line.dash,
        alpha: line.alpha ?? 1, points: { show: false }, spanGaps: false }))],
      hooks: { draw: [(chart) => this.#marks(chart)], setCursor: [() => this.#legend(plot)] },
    }, [[], ...lines.map(() => [])], box);
    plot.named = lines.map((line, n) => ({ line, n })).filter(({ line }) => line.label).sort((a, b) => a.line.place - b.line.place);
    let entry = null;
    plot.values = plot.named.map(({ line }) => {
      const value = element("b", {}, "–");
      if (entry?.label !== line.label) {
        entry = { label: line.label, box: element("span", {}, line.label) };
        legend.append(entry.box);
      }
      const swatch = element("i", { className: line.dash ? "dashed" : "", title: line.world ?? line.label });
      swatch.style.borderColor = colour(line.stroke);
      entry.box.append(swatch, value);
      if (line.world) value.before(element("span", { className: "unseen" }, ` ${line.world} `));
      return value;
    });
    return plot;
  }

  #legend(plot) {
    const at = plot.chart.cursor.idx ?? this.history.hours.length - 1;
    plot.named.forEach(({ n }, place) => {
      const text = number(plot.chart.data[n + 1]?.[at] ?? null, plot.about.form);
      if (plot.values[place].textContent !== text) plot.values[place].textContent = text;
    });
    plot.box.setAttribute("aria-label", `Curves over time: ${plot.about.title}, ${plot.about.unit}`);
  }

  // Vertical lines, numbered as in the list; with words where there is room, after the line or before it.
  #marks(chart) {
    const { ctx, bbox } = chart;
    const ratio = devicePixelRatio;
    const [first, last, top] = [bbox.left, bbox.left + bbox.width, bbox.top - 3 * ratio];
    const places = Map.groupBy(this.history.marks, (mark) => mark.hours);
    const groups = [...places].map(([hours, marks]) => ({ marks, x: chart.valToPos(hours, "x", true) })).filter(({ x }) => x >= first && x <= last);
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("mark");
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "left";
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 2 * ratio]);
    let free = first; // what lies left of this has words on it
    groups.forEach(({ marks, x }, n) => {
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const gap = 3 * ratio;
      const end = groups[n + 1]?.x ?? last + 20 * ratio;
      const numbers = marks.length > 1 ? `${marks[0].number}–${marks.at(-1).number}` : `${marks[0].number}`;
      for (const text of [marks.map((mark) => `${mark.number} ${mark.words}`).join(", "), numbers]) {
        const wide = ctx.measureText(text).width;
        const after = x + gap + wide <= end;
        if (!after && x - gap - wide < free) continue;
        ctx.fillText(text, after ? x + gap : x - gap - wide, top);
        free = after ? x + gap + wide : x + gap;
        break;
      }
    });
    ctx.restore();
  }

  #resize() {
    for (const { chart, box } of this.plots) if (box.clientWidth) chart.setSize({ width: box.clientWidth, height: HEIGHT });
  }
}
