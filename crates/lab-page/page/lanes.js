"use strict";
// Draws what happened: T1 on the left, T2 on the right, the stock between. The step that
// was taken last is open, older ones are a line each.

function drawPane(pane, transcript, at, why) {
  const taken = transcript.steps.slice(0, at).map((step, index) => [step, index + 1]);
  // Where nothing can be left out, nothing is.
  const shown = taken.filter(([step]) => isShown(step));
  const rows = shown.map(([step, number]) => row(transcript, step, number, at));
  const [look, word, sentence] = judge(transcript, at, why);
  fill(pane, {
    strategy: transcript.strategy,
    next1: nextOf(transcript, 1, at),
    next2: nextOf(transcript, 2, at),
    stock: unitsBefore(transcript, at),
    verdict: word,
    sentence,
  });
  const is = (name) => pane.querySelector(`[data-is="${name}"]`);
  is("steps").replaceChildren(...rows);
  for (const buyer of [1, 2]) {
    const held = belief(transcript, buyer, at);
    is(`belief${buyer}`).textContent = held === null
      ? "" : held.words + (held.stale ? ": no longer true" : "");
    is(`belief${buyer}`).classList.toggle("stale", held?.stale === true);
  }
  drawSource(is("source"), transcript, at);
  pane.querySelector(".verdict").className = `verdict ${look}`;
  // Once everything around it has its height.
  rows.at(-1)?.scrollIntoView({ block: "nearest" });
}

function row(transcript, step, number, at) {
  const before = unitsBefore(transcript, number - 1);
  const after = step.available_units_after;
  const held = belief(transcript, step.buyer, at);
  const looks = {
    one: step.buyer === 1,
    two: step.buyer === 2,
    changed: before !== after,
    lost: losesUpdate(transcript, number - 1),
    now: number === at,
    stale: held?.number === number && held.stale,
  };
  const item = copyOf("step");
  item.classList.add(...Object.keys(looks).filter((look) => looks[look]));
  const decided = decision(transcript, number - 1);
  const name = looks.now ? title(step) : shortTitle(step);
  fill(item, {
    decision: decided === null ? "" : `decides: ${decided}`,
    line: [element("b", "", `${number}. ${name}`), ...outcome(step, number, at)],
    units: before === after && !looks.lost ? after : `${before} → ${after}`,
  });
  const details = item.querySelector("details");
  details.hidden = true;
  if (looks.now) {
    open(item, details, transcript, step, number);
  }
  return item;
}

// What only the step that was taken last shows.
function open(item, details, transcript, step, number) {
  const held = belief(transcript, step.buyer, number - 1);
  const says = unitsBefore(transcript, number - 1);
  const believes = `${NAMES[step.buyer]} still believes ${held?.units}; the row says ${says}`;
  const isLong = isRedis(step) || step.readable.includes("unnest(");
  const code = step.purpose === null ? "" : step.readable;
  details.hidden = !isLong || code === "";
  fill(item, {
    believes: step.purpose === WRITE && held?.stale ? believes : "",
    overwrites: losesUpdate(transcript, number - 1)
      ? "what the other sold is overwritten: lost update" : "",
    [isLong ? "command" : "code"]: code,
  });
}

const WAITS = {
  lock: "‖ waits for the row lock",
  gate: "‖ waits: the other has the permit",
};

// A statement that waited has returned nothing until the step that ended its wait.
function outcome(step, number, at) {
  if (doneAt(step, number) > at) {
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
  const waits = (step, index) => step.buyer === buyer && doneAt(step, index + 1) > at;
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
  const { accepted_units, available_units, oversold_units, lost_updates } = ending;
  const lost = plural(lost_updates, "lost update");
  const says = lost_updates === 0
    ? `says ${available_units}`
    : `should say ${minus(1 - accepted_units)} and says ${available_units}: ${lost}`;
  const cause = why || lossOf(transcript);
  const orders = plural(accepted_units, "order");
  const sentence = `${orders} for 1 unit; the stock row ${says}. ${cause}`;
  if (oversold_units > 0) {
    return ["oversold", `✗ oversold by ${oversold_units}`, sentence];
  }
  return ending.verdict === "exact"
    ? ["exact", "✓ exact", sentence]
    : ["oversold", `✗ ${ending.verdict}`, sentence];
}
