// The forms: what may be done to the market, asked of the session; and the list of what was done.

import { element, time } from "./words.js";

const BUSY = "asked; it takes effect at the next tick";

export class Changes {
  constructor(market, ask, chosen) {
    this.market = market;
    this.ask = ask;
    this.traffic = 1;
    this.campaign = document.getElementById("campaign");
    this.seat = document.getElementById("seat");
    this.campaign.append(...market.campaigns.map(({ name }) => element("option", { value: name }, name)));
    this.campaign.addEventListener("change", () => chosen(this.campaign.selectedIndex));
    this.seat.append(...market.seats.map((seat) => element("option", { value: seat }, seat)));
    this.seat.addEventListener("change", () => this.#policies());
    this.#policies();
    this.form("servers").hidden = market.servers === null;
    this.#on("campaign", { submit: (form) => ["set_budget", { campaign: this.campaign.value, amount: form.amount.valueAsNumber }],
      unlimited: () => ["set_budget", { campaign: this.campaign.value, amount: null }],
      pause: () => ["pause", { campaign: this.campaign.value }], launch: () => ["launch", { campaign: this.campaign.value }] });
    this.#on("traffic", { submit: (form) => ["surge", { factor: form.level.valueAsNumber / this.traffic }],
      calm: () => ["surge", { factor: 1 / this.traffic }] });
    this.#on("servers", { submit: (form) => ["fail_servers", { servers: form.servers.valueAsNumber }],
      repair: (form) => ["repair_servers", { servers: form.servers.valueAsNumber }] });
    this.#on("seat", { submit: (form) => ["hand", { seat: form.seat.value, policy: form.policy.value.trim() }] });
  }

  form(name) {
    return document.querySelector(`form[data-form="${name}"]`);
  }

  #on(name, doings) {
    const form = this.form(name);
    const act = (doing) => {
      const [what, of] = doing(form.elements);
      this.ask({ do: what, what: of }, BUSY);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(doings.submit);
    });
    for (const button of form.querySelectorAll("button[data-do]")) button.addEventListener("click", () => act(doings[button.dataset.do]));
  }

  #policies() {
    const known = this.market.policies[this.seat.value] ?? [];
    document.getElementById("policies").replaceChildren(...known.map((name) => element("option", { value: name })));
    this.form("seat").elements.policy.placeholder = known.slice(0, 2).join(", ");
  }

  choose(k) {
    this.campaign.selectedIndex = k;
    this.form("campaign").elements.amount.value = "";
  }

  // What is in force now.
  state(state) {
    this.traffic = state.traffic;
    document.getElementById("traffic").textContent = Math.abs(state.traffic - 1) < 1e-9 ? "as planned" : `x ${Number(state.traffic.toPrecision(3))}`;
    for (const button of document.querySelectorAll("form[data-form] button")) button.disabled = state.over || Boolean(state.failed);
    for (const option of this.seat.options) option.textContent = `${option.value}: ${state.holders[option.value] ?? "nobody"}`;
  }

  servers(working) {
    document.getElementById("servers").textContent = `${Number(working.toPrecision(3))} worked in the last tick`;
  }

  done(done) {
    document.getElementById("nothing").hidden = true;
    const list = document.getElementById("done");
    const at = time(done.tick * this.market.tick_h, this.market);
    list.prepend(element("li", {}, element("b", {}, String(done.number)), element("span", {}, done.words), element("time", {}, at)));
    while (list.children.length > 200) list.lastChild.remove();
  }
}
