"use strict";
// Draws what happened: T1 on the left, T2 on the right, the stock between. The step that
// was taken last is open, older ones are a line each.

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className !== "") {
    made.className = className;
  }
  made.append(...children);
  return made;
}

function newPane() {
  const copy = document.getElementById("pane").content.cloneNode(true);
  return copy.querySelector(".pane");
}

function drawPane(pane, transcript, at, why) {
  const is = (name) => pane.querySelector(`[data-is="${name}"]`);
  is("strategy").textContent = transcript.strategy;
  const taken = transcript.steps.slice(0, at);
  const numbers = taken.map((_, index) => index + 1);
  // Where nothing can be left out, nothing is.
  const rows = numbers.filter((number) => isShown(taken[number - 1]));
  const list = is("steps");
  list.replaceChildren(...rows.map((number) => row(transcript, number, at)));
  for (const buyer of [1, 2]) {
    drawBelief(is(`belief${buyer}`), belief(transcript, buyer, at));
    is(`next${buyer}`).replaceChildren(...nextOf(transcript, buyer, at));
  }
  drawSource(is("source"), transcript, at);
  is("stock").textContent = unitsBefore(transcript, at);
  const judged = judge(transcript, at, why);
  pane.querySelector(".verdict").className = `verdict ${judged.look}`;
  is("verdict").textContent = judged.word;
  is("sentence").textContent = judged.sentence;
  // Once everything around it has its height.
  list.lastElementChild?.scrollIntoView({ block: "nearest" });
}

function drawBelief(place, held) {
  place.textContent = held === null ? "" : held.words + (held.stale ? ": no longer true" : "");
  place.classList.toggle("stale", held?.stale === true);
}

function row(transcript, number, at) {
  const step = transcript.steps[number - 1];
  const before = unitsBefore(transcript, number - 1);
  const after = step.available_units_after;
  const isLost = losesUpdate(transcript, number - 1);
  const item = element("li", `lane-row ${step.buyer === 1 ? "one" : "two"}`);
  item.classList.toggle("changed", before !== after);
  item.classList.toggle("lost", isLost);
  item.classList.toggle("now", number === at);
  item.classList.toggle("stale", belief(transcript, step.buyer, at)?.number === number
    && belief(transcript, step.buyer, at).stale);
  const units = before === after && !isLost ? `${after}` : `${before} → ${after}`;
  const middle = element("div", "middle", element("span", "units", units));
  item.append(card(transcript, number, at), middle);
  return item;
}

function card(transcript, number, at) {
  const step = transcript.steps[number - 1];
  const made = element("div", "card");
  const decided = decision(transcript, number - 1);
  if (decided !== null) {
    made.append(element("span", "decision", `decides: ${decided}`));
  }
  const name = number === at ? title(step) : shortTitle(step);
  const line = element("div", "line", element("b", "", `${number}. ${name}`));
  line.append(...outcome(step, number, at));
  made.append(line);
  if (number === at) {
    made.append(...opened(transcript, number));
  }
  return made;
}

// What only the step that was taken last shows.
function opened(transcript, number) {
  const step = transcript.steps[number - 1];
  const shown = [];
  const held = belief(transcript, step.buyer, number - 1);
  if (step.purpose === WRITE && held?.stale) {
    const says = unitsBefore(transcript, number - 1);
    const words = `${NAMES[step.buyer]} still believes ${held.units}; the row says ${says}`;
    shown.push(element("span", "wrong", words));
  }
  if (losesUpdate(transcript, number - 1)) {
    shown.push(element("span", "wrong", "what the other sold is overwritten: lost update"));
  }
  if (step.purpose === null) {
    return shown;
  }
  const code = element("code", "", step.readable);
  if (isRedis(step) || step.readable.includes("unnest(")) {
    const command = element("details", "", element("summary", "", "the command"), code);
    shown.push(command);
  } else {
    shown.push(code);
  }
  return shown;
}

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

const WAITS = {
  lock: "‖ waits for the row lock",
  gate: "‖ waits: the other has the permit",
};

// Where a buyer is once `at` steps were taken, in words.
function nextOf(transcript, buyer, at) {
  const { steps } = transcript;
  const waits = (step, index) => step.buyer === buyer && doneAt(step, index + 1) > at;
  if (steps.slice(0, at).some(waits)) {
    return ["waits for the other"];
  }
  const own = steps.slice(at).filter((step) => step.buyer === buyer);
  const upcoming = own.find(isShown) ?? own[0];
  if (upcoming !== undefined) {
    return ["next: ", title(upcoming)];
  }
  const state = transcript.buyers[buyer - 1];
  if (state.answer !== null) {
    return ["was told: ", element("b", "", state.answer)];
  }
  if (state.place === "waiting") {
    return ["waits for the other"];
  }
  return ["next: ", state.next === null ? "sends the purchase request" : title(state.next)];
}

function says({ accepted_units, available_units, lost_updates }) {
  if (lost_updates === 0) {
    return `says ${available_units}`;
  }
  const lost = `${lost_updates} lost update${lost_updates === 1 ? "" : "s"}`;
  return `should say ${String(1 - accepted_units).replace("-", "−")} and says ${available_units}: ${lost}`;
}

// What the stores say at the end, or how far it is.
function judge(transcript, at, why) {
  const { ending, steps } = transcript;
  if (ending === null || at < steps.length) {
    return { look: "", word: "One unit, two buyers", sentence: "not over yet" };
  }
  const orders = `${ending.accepted_units} order${ending.accepted_units === 1 ? "" : "s"}`;
  const cause = why === "" ? lossOf(transcript) : why;
  const sentence = `${orders} for 1 unit; the stock row ${says(ending)}. ${cause}`;
  if (ending.oversold_units > 0) {
    return { look: "oversold", word: `✗ oversold by ${ending.oversold_units}`, sentence };
  }
  const isExact = ending.verdict === "exact";
  const word = `${isExact ? "✓" : "✗"} ${ending.verdict}`;
  return { look: isExact ? "exact" : "oversold", word, sentence };
}
