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
  fill(article, { strategy, how: HOW[strategy] });
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

function showColumn(article, column, terms) {
  const { audit, outcomes } = column;
  const judged = verdict(column, terms);
  article.className = `column ${judged.look}`;
  article.dataset.stage = column.stage;
  fill(article, {
    verdict: judged.word,
    sentence: judged.sentence,
    stock: audit === null ? "–" : audit.available_units,
    orders: audit === null ? "–" : audit.accepted_units,
    refused: outcomes.sold_out + outcomes.limit_reached,
    waiting: column.waiting,
    failed: outcomes.busy + outcomes.failed + outcomes.unknown,
    p50: milliseconds(column.latency_ms.p50),
    p99: milliseconds(column.latency_ms.p99),
    max: milliseconds(column.latency_ms.max),
    ...turnedAway(column),
  });
}

function milliseconds(number) {
  return number === 0 ? "–" : `${Math.round(number)} ms`;
}

// Before PostgreSQL stands Redis in hybrid, which counts nobody, and what the engine counts.
function turnedAway(column) {
  if (column.turned_away !== null) {
    return column.turned_away;
  }
  const alone = column.strategy === "naive" || column.strategy === "pessimistic";
  return { latch: "–", redis: "–", postgresql: alone ? column.outcomes.sold_out : "–" };
}

function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// What the stock row should say, what it says, and what became of the difference.
function stockRow(audit) {
  const says = audit.available_units;
  const gone = audit.unaccounted_units;
  if (gone === 0) {
    return `the stock row says ${says}`;
  }
  const lost = gone > 0 ? plural(gone, "unit") + " lost" : plural(audit.lost_updates, "lost update");
  return `the stock row should say ${says + gone} and says ${says}: ${lost}`;
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
  const over = audit.oversold_units;
  const books = `${plural(audit.accepted_units, "order")} for ${plural(terms.units, "unit")}`;
  const row = `${books}; ${stockRow(audit)}`;
  if (over > 0) {
    return { look: "oversold", word: `✗ oversold by ${over}`, sentence: row };
  }
  if (stage !== "ended") {
    const asked = terms.buyers - column.waiting;
    const sentence = `${asked} of ${plural(terms.buyers, "buyer")} answered`;
    return { look: "selling", word: "▸ selling", sentence };
  }
  if (audit.verdict === "exact" && outcomes.sold_out > 0 && audit.available_units > 0) {
    return { look: "failed", word: `✗ undersold by ${audit.available_units}`, sentence: row };
  }
  if (audit.verdict === "exact") {
    return { look: "exact", word: "✓ exact", sentence: row };
  }
  return { look: "failed", word: `✗ ${audit.verdict}`, sentence: row };
}

function waiting(column, terms) {
  switch (column.stage) {
    case "ready":
      return { look: "ready", word: "○ ready", sentence: "start the sale" };
    case "queued":
      return { look: "queued", word: "○ next", sentence: "another strategy sells first" };
    default: {
      const sentence = `${column.arrived} of ${plural(terms.buyers, "buyer")} at the door`;
      return { look: "gathering", word: "○ buyers come", sentence };
    }
  }
}
