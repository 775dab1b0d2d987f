"use strict";
// Fills one column from its part of the state.

const HOW = {
  naive: "read, check, save",
  pessimistic: "SELECT … FOR UPDATE",
  hybrid: "Redis admits, PostgreSQL decides",
  engine: "hybrid, a batch at a time",
};

function newColumn(strategy) {
  const article = copyOf("column");
  article.dataset.strategy = strategy;
  return fill(article, { strategy, how: HOW[strategy] ?? "a program of your own" });
}

function showColumn(article, column, terms) {
  const [look, word, sentence] = verdict(column, terms);
  article.className = `column ${look}`;
  article.dataset.stage = column.stage;
  fill(article, {
    verdict: word,
    sentence,
    stock: column.audit?.available_units ?? "–",
    orders: column.audit?.accepted_units ?? "–",
    counts: counts(column),
    times: times(column.latency_ms),
  });
  article.querySelector('[data-is="why"]').hidden = look !== "oversold";
}

// What is nothing is not said, and who refused only where somebody counts it.
function counts({ strategy, outcomes, waiting, turned_away: by }) {
  const alone = strategy === "naive" || strategy === "pessimistic";
  const rooms = { "the latch": by?.latch, Redis: by?.redis, PostgreSQL: by?.postgresql };
  const some = Object.entries(rooms).filter(([, number]) => number > 0);
  const all = some.map(([room, number]) => `${number} by ${room}`).join(", ");
  const who = alone ? " by PostgreSQL" : all && `: ${all}`;
  return [
    [outcomes.sold_out + outcomes.limit_reached, `refused${who}`],
    [waiting, "waiting"],
    [outcomes.busy + outcomes.failed + outcomes.unknown, "without an answer"],
  ].filter(([number]) => number > 0).map((it) => it.join(" ")).join(" · ");
}

// Never wider than a column has room for.
function times({ p50, p99, max }) {
  const inSeconds = max >= 9999.5;
  const told = (ms) => (inSeconds ? (ms / 1000).toFixed(1) : ms.toFixed());
  const half = `${told(p50)} ${inSeconds ? "s" : "ms"}`;
  return max === 0 ? "" : `half in ${half} · 99 % in ${told(p99)} · all in ${told(max)}`;
}

// What the stock row should say, what it says, and what became of the difference.
function sums(audit) {
  const supply = audit.initial_units + audit.restocked_units;
  const live = audit.accepted_units - audit.cancelled_units;
  const left = supply - live;
  const says = audit.available_units;
  const lost = audit.unaccounted_units > 0
    ? `${plural(audit.unaccounted_units, "unit")} lost`
    : plural(audit.lost_updates, "lost update");
  const span = (text, isWrong) => element("span", isWrong ? "wrong" : "", text);
  const sum = span(`expected ${supply} − ${live} = ${minus(left)}`, left < 0);
  const row = span(`row ${minus(says)}`, says !== left);
  return says === left ? [sum, row] : [sum, row, span(lost, true)];
}

// How it is painted, a symbol and a word, and a sentence.
function verdict(column, terms) {
  const { audit, stage } = column;
  const buyers = plural(terms.buyers, "buyer");
  const early = {
    failed: ["failed", "✗ failed", column.error],
    ready: ["ready", "? what will happen", "exact, too many, or too few? Guess first."],
    queued: ["queued", "○ next", "another strategy sells first"],
    gathering: ["gathering", "○ buyers come", `${column.arrived} of ${buyers} at the door`],
  };
  if (stage in early || audit === null) {
    return early[stage] ?? early.gathering;
  }
  const [look, word] = found(audit);
  if (stage === "selling" && look !== "oversold") {
    const answered = terms.buyers - column.waiting;
    return ["selling", "▸ selling", `${answered} of ${buyers} answered`];
  }
  if (look === "exact" && column.outcomes.sold_out > 0 && audit.available_units > 0) {
    return ["failed", `✗ undersold by ${audit.available_units}`, sums(audit)];
  }
  return [look, word, sums(audit)];
}
