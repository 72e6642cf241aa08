// What the stream has told, as columns for the charts: bounded, so that a long run takes no more memory than a short one.

const MOST = 1000; // ticks that are kept
const SPARE = 200; // and this many more before the oldest go, all at once

export class History {
  constructor(market) {
    this.market = market;
    this.hours = [];
    this.numbers = market.worlds.map(() => ({}));
    this.left = market.worlds.map(() => market.campaigns.map(() => [])); // shares of budgets
    this.marks = [];
    this.last = null;
  }

  add(told) {
    if (this.last && told.tick <= this.last.tick) return; // told again after the stream was joined anew
    this.last = told;
    this.hours.push(told.tick * this.market.tick_h);
    told.worlds.forEach((world, w) => {
      for (const [key, value] of Object.entries(world.numbers)) (this.numbers[w][key] ??= []).push(value);
      world.left.forEach((left, k) => {
        const budget = world.budget[k];
        this.left[w][k].push(left === null || !budget ? null : left / budget);
      });
    });
    if (this.hours.length > MOST + SPARE) this.#forget();
  }

  mark(done) {
    this.marks.push({ ...done, hours: done.tick * this.market.tick_h });
    if (this.marks.length > MOST) this.marks.shift();
  }

  #forget() {
    const columns = [this.hours, ...this.numbers.flatMap(Object.values), ...this.left.flat()];
    for (const column of columns) column.splice(0, SPARE);
    this.marks = this.marks.filter((mark) => mark.hours >= this.hours[0]);
  }
}
