// The table of campaigns: sorted by any column, written into rows that stay where they are, so that it can be read as it changes.

import { element, money, number } from "./words.js";

const MOST = 60; // rows
const REST_MS = 2000; // between two sortings, and none while somebody points at a row

const per = (spend, conversions) => (conversions ? spend / conversions : null);

function reached(campaign, world, k) {
  if (campaign.aim === "target_roas") return world.spend[k] ? (campaign.value * world.conversions[k]) / world.spend[k] : null;
  return per(world.spend[k], world.conversions[k]);
}

export class Table {
  constructor(table, find, more, market, choose) {
    Object.assign(this, { table, find, more, market, choose });
    this.by = { key: "spend", down: true };
    this.chosen = null;
    this.order = [];
    this.sorted = 0;
    const targets = market.campaigns.some((campaign) => campaign.target !== null);
    this.columns = [
      { key: "name", label: "Campaign", value: (k) => market.campaigns[k].name },
      { key: "budget", label: "Budget", value: (k, [world]) => world.budget[k] ?? Infinity, text: (v) => (v === Infinity ? "unlimited" : money(v)) },
      { key: "spend", label: "Spent", value: (k, [world]) => world.spend[k], text: money },
      { key: "clicks", label: "Clicks", wide: true, value: (k, [world]) => world.clicks[k], text: (v) => number(v) },
      { key: "conversions", label: "Conv.", value: (k, [world]) => world.conversions[k], text: (v) => number(v) },
      { key: "reached", label: market.campaigns.some((c) => c.aim === "target_roas") ? "CPA or ROAS" : "CPA",
        value: (k, [world]) => reached(market.campaigns[k], world, k) },
      ...(targets ? [{ key: "target", label: "Target", value: (k) => market.campaigns[k].target }] : []),
      ...(market.worlds.length > 1 ? [{ key: "apart", label: "Spent − unchanged", wide: true,
        value: (k, [changed, unchanged]) => changed.spend[k] - unchanged.spend[k],
        text: (v) => (Math.abs(v) < 0.005 ? "0.00" : `${v > 0 ? "+" : "−"}${money(Math.abs(v))}`) }] : []),
    ];
    this.#head();
    find.addEventListener("input", () => this.draw(this.worlds, true));
  }

  #head() {
    this.table.tHead.rows[0].replaceChildren(...this.columns.map((column) => {
      const button = element("button", { type: "button" }, column.label);
      button.addEventListener("click", () => {
        this.by = { key: column.key, down: this.by.key === column.key ? !this.by.down : column.key !== "name" };
        this.draw(this.worlds, true);
      });
      return element("th", { scope: "col", className: column.wide ? "wide" : "", "data-key": column.key }, button);
    }));
  }

  pick(k) {
    this.chosen = k;
    this.draw(this.worlds);
  }

  draw(worlds, anew = false) {
    if (!worlds) return;
    this.worlds = worlds;
    const body = this.table.tBodies[0];
    const busy = body.matches(":hover") || body.contains(document.activeElement);
    if (anew || !this.order.length || (!busy && performance.now() - this.sorted > REST_MS)) this.#sort();
    this.order.slice(0, MOST).forEach((k, place) => this.#row(body.rows[place] ?? this.#made(body), k));
    while (body.rows.length > Math.min(MOST, this.order.length)) body.deleteRow(-1);
    const hidden = this.order.length - body.rows.length;
    this.more.textContent = hidden > 0 ? `and ${hidden} more: sort, or find one by its name` : "";
  }

  #sort() {
    this.sorted = performance.now();
    const column = this.columns.find(({ key }) => key === this.by.key);
    const wanted = this.find.value.trim().toLowerCase();
    const found = this.market.campaigns.keys().toArray().filter((k) => this.market.campaigns[k].name.toLowerCase().includes(wanted));
    const values = new Map(found.map((k) => [k, column.value(k, this.worlds)]));
    const sign = this.by.down ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (x === y) return a - b;
      if (x === null || y === null) return x === null ? 1 : -1; // what is not known comes last either way
      return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
    };
    this.order = found.sort(compare);
    for (const head of this.table.tHead.rows[0].cells) {
      const its = head.dataset.key === this.by.key;
      head.setAttribute("aria-sort", its ? (this.by.down ? "descending" : "ascending") : "none");
      const { label } = this.columns.find(({ key }) => key === head.dataset.key);
      head.firstChild.textContent = its ? `${label} ${this.by.down ? "↓" : "↑"}` : label;
    }
  }

  #made(body) {
    const button = element("button", { type: "button" });
    const cells = this.columns.slice(1).map((column) => element("td", { className: column.wide ? "wide" : "" }));
    const row = element("tr", {}, element("th", { scope: "row" }, button), ...cells);
    button.addEventListener("click", () => this.choose(row.campaign));
    body.append(row);
    return row;
  }

  #row(row, k) {
    row.campaign = k;
    row.classList.toggle("chosen", k === this.chosen);
    this.columns.forEach((column, place) => {
      const value = column.value(k, this.worlds);
      const text = place === 0 ? value : value === null ? "–" : (column.text ?? ((v) => number(v)))(value);
      const cell = place === 0 ? row.cells[0].firstChild : row.cells[place];
      if (cell.textContent !== text) cell.textContent = text;
      if (column.key === "reached") {
        const { aim, target } = this.market.campaigns[k];
        cell.classList.toggle("above", value !== null && target !== null && aim === "target_cpa" && value > target);
      }
    });
    row.cells[0].firstChild.setAttribute("aria-pressed", String(k === this.chosen));
  }
}
