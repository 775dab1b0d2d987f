"use strict";
// Draws what happened: T1 on the left, T2 on the right, the stock between. The step that
// was taken last is open, older ones are a line each.

function drawPane(pane, transcript, at, why) {
  const { strategy, steps, source } = transcript;
  const beliefs = [1, 2].map((buyer) => belief(transcript, buyer, at));
  // Where nothing can be left out, nothing is.
  const shown = steps.slice(0, at).filter(isShown);
  const rows = shown.map((step) => row(step, at, beliefs[step.buyer - 1]));
  const [look, word, sentence] = judge(transcript, at, why);
  fill(pane, {
    strategy,
    belief1: told(beliefs[0]),
    belief2: told(beliefs[1]),
    stock: steps[at - 1]?.available_units_after ?? 1,
    steps: rows,
    source: at === 0 || source === null ? "" : codeOf(steps[at - 1], source),
    next1: nextOf(transcript, 1, at),
    next2: nextOf(transcript, 2, at),
    verdict: word,
    sentence,
  });
  pane.querySelector(".source").hidden = source === null;
  pane.querySelector(".verdict").className = `verdict ${look}`;
  // Once everything around it has its height.
  rows.at(-1)?.scrollIntoView({ block: "nearest" });
}

function told(held) {
  const look = held?.stale ? "belief stale" : "belief";
  return element("span", look, held?.words ?? "");
}

// A step, and what its buyer believes now.
function row(step, at, held) {
  const { number, buyer, before, available_units_after: after } = step;
  const looks = {
    one: buyer === 1,
    two: buyer === 2,
    changed: before !== after,
    lost: step.loses,
    now: number === at,
    stale: held?.number === number && held.stale,
  };
  const item = copyOf("step");
  item.classList.add(...Object.keys(looks).filter((look) => looks[look]));
  const name = looks.now ? title(step) : shortTitle(step);
  return fill(item, {
    decision: step.decision && `decides: ${step.decision}`,
    line: [element("b", "", `${number}. ${name}`), ...outcome(step, at)],
    units: before === after && !step.loses ? after : `${before} → ${after}`,
    ...(looks.now ? opened(step) : {}),
  });
}

// What only the step that was taken last shows.
function opened({ store, buyer, purpose, readable, before, held, loses }) {
  const believes = `${NAMES[buyer]} still believes ${held?.units}; the row says ${before}`;
  const isLong = store === "Redis" || readable.includes("unnest(");
  return {
    believes: purpose === WRITE && held?.stale ? believes : "",
    overwrites: loses ? "what the other sold is overwritten: lost update" : "",
    [isLong ? "command" : "code"]: purpose === null ? "" : readable,
  };
}

const WAITS = {
  lock: "‖ waits for the row lock",
  gate: "‖ waits: the other has the permit",
};

// A statement that waited has returned nothing until the step that ended its wait.
function outcome(step, at) {
  if (step.done > at) {
    return [element("span", "waits", WAITS[step.waited_for])];
  }
  const parts = [];
  const returned = brief(step);
  if (returned !== null) {
    const late = step.waited_until === null ? "" : ` (after step ${step.waited_until})`;
    parts.push(element("span", "", `⇒ ${returned}${late}`));
  }
  if (step.answer !== null) {
    parts.push(element("span", "answer", "is told: ", element("b", "", step.answer)));
  }
  return parts;
}

// Where a buyer is once `at` steps were taken, in words.
function nextOf(transcript, buyer, at) {
  const { steps, buyers } = transcript;
  const { answer, place, next } = buyers[buyer - 1];
  const waits = (step) => step.buyer === buyer && step.done > at;
  const own = steps.slice(at).filter((step) => step.buyer === buyer);
  const upcoming = own.find(isShown) ?? own[0] ?? next;
  if (steps.slice(0, at).some(waits) || (own.length === 0 && place === "waiting")) {
    return "waits for the other";
  }
  if (own.length === 0 && answer !== null) {
    return ["was told: ", element("b", "", answer)];
  }
  return `next: ${upcoming === null ? "sends the purchase request" : title(upcoming)}`;
}

// What the stores say at the end, or how far it is: its look, a word and a sentence.
function judge(transcript, at, why) {
  const { ending, steps } = transcript;
  if (ending === null || at < steps.length) {
    return ["", "One unit, two buyers", "not over yet"];
  }
  const { accepted_units, available_units, lost_updates } = ending;
  const lost = plural(lost_updates, "lost update");
  const says = lost_updates === 0
    ? `says ${available_units}`
    : `should say ${minus(1 - accepted_units)} and says ${available_units}: ${lost}`;
  const cause = why || lossOf(transcript);
  const orders = plural(accepted_units, "order");
  return [...found(ending), `${orders} for 1 unit; the stock row ${says}. ${cause}`];
}
