"use strict";
// Fills one column from its part of the state.

const HOW = {
  naive: "read, check, save",
  pessimistic: "SELECT … FOR UPDATE",
  hybrid: "Redis admits, PostgreSQL decides",
  engine: "hybrid, a batch at a time",
};

function newColumn(strategy) {
  const copy = document.getElementById("column").content.cloneNode(true);
  const article = copy.querySelector("article");
  article.dataset.strategy = strategy;
  fill(article, { strategy, how: HOW[strategy] ?? "a program of your own" });
  return article;
}

// Writes only what has changed: a screen reader is told of every write.
function fill(article, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const element = article.querySelector(`[data-is="${name}"]`);
    if (element.textContent !== String(text)) {
      element.textContent = text;
    }
  }
}

function showColumn(article, column, terms, whyAddress) {
  const { audit } = column;
  const judged = verdict(column, terms);
  article.className = `column ${judged.look}`;
  article.dataset.stage = column.stage;
  fill(article, {
    verdict: judged.word,
    stock: audit === null ? "–" : audit.available_units,
    orders: audit === null ? "–" : audit.accepted_units,
    counts: counts(column).join(" · "),
    times: times(column.latency_ms),
  });
  fillParts(article.querySelector('[data-is="sentence"]'), judged.sentence);
  const why = article.querySelector('[data-is="why"]');
  why.hidden = judged.look !== "oversold";
  why.href = whyAddress(column.strategy);
}

// A text, or parts of which each stays on its line; those that start with ! are wrong.
function fillParts(place, parts) {
  const texts = [parts].flat();
  if (place.dataset.says === texts.join()) {
    return;
  }
  place.dataset.says = texts.join();
  place.replaceChildren(...texts.map((text) => {
    const span = document.createElement("span");
    const isWrong = text.startsWith("!");
    span.className = isWrong ? "wrong" : "";
    span.textContent = isWrong ? text.slice(1) : text;
    return span;
  }));
}

// What is nothing is not said, and who refused only where somebody counts it.
function counts({ strategy, outcomes, waiting, turned_away: by }) {
  const refused = outcomes.sold_out + outcomes.limit_reached;
  const alone = strategy === "naive" || strategy === "pessimistic";
  let who = alone ? " by PostgreSQL" : "";
  if (by !== null) {
    const rooms = { "the latch": by.latch, Redis: by.redis, PostgreSQL: by.postgresql };
    const some = Object.entries(rooms).filter(([, number]) => number > 0);
    who = some.length === 0 ? "" : `: ${some.map(([room, it]) => `${it} by ${room}`).join(", ")}`;
  }
  const failed = outcomes.busy + outcomes.failed + outcomes.unknown;
  const all = [[refused, ` refused${who}`], [waiting, " waiting"], [failed, " without an answer"]];
  return all.filter(([number]) => number > 0).map(([number, words]) => `${number}${words}`);
}

function times({ p50, p99, max }) {
  const [half, most, all] = [p50, p99, max].map(Math.round);
  return max === 0 ? "" : `half in ${half} ms · 99 % in ${most} · all in ${all}`;
}

function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// What the stock row should say, what it says, and what became of the difference.
function sums(audit) {
  const minus = (number) => String(number).replace("-", "−");
  const supply = audit.initial_units + audit.restocked_units;
  const live = audit.accepted_units - audit.cancelled_units;
  const left = supply - live;
  const says = audit.available_units;
  const lost = audit.unaccounted_units > 0
    ? plural(audit.unaccounted_units, "unit") + " lost"
    : plural(audit.lost_updates, "lost update");
  const expected = `expected ${supply} − ${live} = ${minus(left)}`;
  const row = `row ${minus(says)}`;
  if (says === left) {
    return [left < 0 ? `!${expected}` : expected, row];
  }
  return [left < 0 ? `!${expected}` : expected, `!${row}`, `!${lost}`];
}

// A symbol, a word and a sentence; the look is how it is painted.
function verdict(column, terms) {
  const { audit, outcomes, stage } = column;
  if (stage === "failed") {
    return { look: "failed", word: "✗ failed", sentence: column.error };
  }
  if (audit === null || stage === "ready" || stage === "queued" || stage === "gathering") {
    return waiting(column, terms);
  }
  const sentence = sums(audit);
  if (audit.oversold_units > 0) {
    return { look: "oversold", word: `✗ oversold by ${audit.oversold_units}`, sentence };
  }
  if (stage !== "ended") {
    const asked = terms.buyers - column.waiting;
    const answered = `${asked} of ${plural(terms.buyers, "buyer")} answered`;
    return { look: "selling", word: "▸ selling", sentence: answered };
  }
  if (audit.verdict === "exact" && outcomes.sold_out > 0 && audit.available_units > 0) {
    return { look: "failed", word: `✗ undersold by ${audit.available_units}`, sentence };
  }
  if (audit.verdict === "exact") {
    return { look: "exact", word: "✓ exact", sentence };
  }
  return { look: "failed", word: `✗ ${audit.verdict}`, sentence };
}

function waiting(column, terms) {
  switch (column.stage) {
    case "ready": {
      const sentence = "exact, too many, or too few? Guess first.";
      return { look: "ready", word: "? what will happen", sentence };
    }
    case "queued":
      return { look: "queued", word: "○ next", sentence: "another strategy sells first" };
    default: {
      const sentence = `${column.arrived} of ${plural(terms.buyers, "buyer")} at the door`;
      return { look: "gathering", word: "○ buyers come", sentence };
    }
  }
}
