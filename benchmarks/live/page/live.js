// The page: joins the stream, keeps what it tells, and draws once a frame, however fast ticks come.

import { Changes } from "./changes.js";
import { Charts } from "./charts.js";
import { History } from "./history.js";
import { Table } from "./table.js";
import { change, element, number, time } from "./words.js";

const TOTALS = { requests: "Requests", spend: "Spend", value: "Value", impressions: "Impressions", clicks: "Clicks",
  conversions: "Conversions reported", lost: "Requests lost" };
const SPEEDS = [0.5, 1, 2, 5, 10, 20, 50, 1000];
const TABLE_MS = 250;
const LAGS = 1000; // kept, of the last ticks

const byId = (id) => document.getElementById(id);
const market = await (await fetch("market")).json();
const history = new History(market);
const charts = new Charts(byId("charts"), history);
const changes = new Changes(market, ask, choose);
const table = new Table(byId("table"), byId("find"), byId("more"), market, choose);
const page = { history, lags: [], ticks: 0, drawn: 0, state: null };
window.adarena = page; // for whoever measures
const joined = Date.now() / 1000; // what had closed before is no measure of how quickly one is told
let waiting = false;
let told = 0; // when the table was written last

function say(text, bad = false) {
  byId("said").textContent = text;
  byId("said").classList.toggle("bad", bad);
}

async function ask(what, meanwhile = "") {
  say(meanwhile);
  try {
    const answer = await fetch("ask", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(what) });
    const said = await answer.json();
    if (!answer.ok) say(said.error, true);
    else if (said.done?.words) say(`Done: ${said.done.words}`);
    else say("");
  } catch (error) {
    say(`The session does not answer: ${error.message}`, true);
  }
}

function choose(k) {
  changes.choose(k);
  table.pick(k);
  charts.choose(k);
}

function state(now) {
  page.state = now;
  byId("play").textContent = now.playing ? "Pause" : "Play";
  byId("play").disabled = byId("step").disabled = now.over || Boolean(now.failed);
  byId("step").disabled ||= now.playing;
  byId("again").hidden = !(now.over || now.failed);
  const word = now.failed ? "failed" : now.over ? "over" : now.playing ? "playing" : "paused";
  byId("status").textContent = word;
  byId("status").className = `pill ${word}`;
  if (now.failed) say(`The worlds cannot go on: ${now.failed}`, true);
  if (![...byId("speed").options].some((option) => Number(option.value) === now.speed)) {
    byId("speed").append(element("option", { value: now.speed }, String(now.speed)));
  }
  byId("speed").value = String(now.speed);
  changes.state(now);
}

function totals(worlds) {
  const place = byId("totals");
  for (const [key, label] of Object.entries(TOTALS)) {
    if (key === "lost" && market.servers === null) continue;
    const [now, before] = worlds.map((world) => world.totals[key]);
    let box = place.querySelector(`[data-key="${key}"]`);
    if (!box) {
      box = element("div", { "data-key": key }, element("dt", {}, label), element("dd", { className: "big" }), element("dd", { className: "small" }));
      place.append(box);
    }
    box.children[1].textContent = number(now);
    if (before === undefined) continue;
    box.children[2].textContent = now === before ? "as unchanged" : change(now, before);
    box.children[2].classList.toggle("apart", now !== before);
  }
}

function draw() {
  waiting = false;
  const { last } = history;
  if (!last) return;
  if (!charts.plots.length) charts.build();
  else charts.draw();
  byId("clock").textContent = time(last.tick * market.tick_h, market);
  byId("progress").value = last.tick / market.ticks;
  if (performance.now() - told > TABLE_MS || page.state?.playing === false) {
    told = performance.now();
    totals(last.worlds);
    table.draw(last.worlds);
    const { servers } = last.worlds[0].numbers;
    if (servers !== undefined) changes.servers(servers);
    byId("lag").textContent = page.lags.length ? String(page.lags.at(-1)) : "–";
  }
  queueMicrotask(() => measured(last)); // behind those in which the charts draw
}

// How long after the end of a tick it stands on the page.
function measured(tick) {
  page.drawn += 1;
  if (page.fresh && tick.closed > joined) page.lags.push(Math.round(Date.now() - 1000 * tick.closed));
  page.fresh = false;
  if (page.lags.length > LAGS) page.lags.splice(0, page.lags.length - LAGS);
}

function soon() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

byId("name").textContent = document.title = market.name;
document.title = `${market.name} – AdArena live`;
byId("about").textContent = `seed ${market.seed}, ${number(market.campaigns.length)} campaigns, ${number(market.ticks)} ticks`
  + (market.worlds.length > 1 ? "; beside it the same day, left as it was" : "");
byId("speed").append(...SPEEDS.map((speed) => element("option", { value: speed }, speed === 1000 ? "as fast as it goes" : String(speed))));
if (market.worlds.length > 1) {
  for (const [world, dashed] of [["changed", ""], ["unchanged", "dashed"]]) {
    const swatch = element("i", { className: dashed });
    swatch.style.borderColor = `var(--${world})`;
    byId("key").append(element("span", {}, swatch, world === "changed" ? "the day with your changes" : "the same day without"));
  }
}
if (matchMedia("(max-width: 1000px)").matches) byId("changes").open = false;

byId("play").addEventListener("click", () => ask({ play: !page.state.playing }));
byId("step").addEventListener("click", () => ask({ step: true }));
byId("again").addEventListener("click", () => ask({ again: true }));
byId("speed").addEventListener("change", () => ask({ speed: Number(byId("speed").value) }));

const stream = new EventSource("stream");
stream.addEventListener("tick", (event) => {
  const tick = JSON.parse(event.data);
  history.add(tick);
  page.ticks = tick.tick;
  page.fresh = true;
  if (tick.waits.length && page.waits !== tick.waits.join()) say(`The new holder of ${tick.waits.join(", ")} has not decided yet: what was decided before stands.`);
  page.waits = tick.waits.join();
  soon();
});
stream.addEventListener("done", (event) => {
  const done = JSON.parse(event.data);
  if (history.marks.some((mark) => mark.number === done.number)) return;
  history.mark(done);
  changes.done(done);
  soon();
});
stream.addEventListener("state", (event) => {
  state(JSON.parse(event.data));
  soon();
});
stream.addEventListener("again", () => {
  if (page.ticks) location.reload();
});
stream.addEventListener("error", () => {
  byId("status").textContent = "not connected";
  byId("status").className = "pill failed";
});
