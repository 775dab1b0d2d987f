"use strict";
// Draws the steps of a transcript: T1 on the left, T2 on the right, the stock between.

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className !== "") {
    made.className = className;
  }
  made.append(...children);
  return made;
}

// All steps are laid out at once; those after `at` are there and cannot be seen yet.
function drawSteps(list, transcript, at) {
  const rows = transcript.steps.map((step, index) => row(transcript, step, index, at));
  list.replaceChildren(...rows);
  const now = list.querySelector(".now");
  if (now !== null) {
    now.scrollIntoView({ block: "nearest" });
  } else {
    list.scrollTop = 0;
  }
}

function row(transcript, step, index, at) {
  const number = index + 1;
  const before = index === 0 ? 1 : transcript.steps[index - 1].available_units_after;
  const after = step.available_units_after;
  const lane = step.buyer === 1 ? "one" : "two";
  const item = element("li", "");
  const changed = before === after ? "" : "changed";
  item.className = `lane-row ${lane} ${changed}`;
  item.classList.toggle("unseen", number > at);
  item.classList.toggle("now", number === at);
  const units = before === after ? `${after}` : `${before} → ${after}`;
  const middle = element("div", "middle", element("span", "units", units));
  item.append(card(step, number, at), middle);
  return item;
}

function card(step, number, at) {
  const made = element("div", "card");
  if (step.purpose === null) {
    made.append(element("code", "", `${number}. ${step.readable}`));
  } else {
    made.append(element("b", "", `${number}. ${step.purpose}`));
    made.append(element("code", "", step.readable));
  }
  // BEGIN returns BEGIN: nobody learns from that.
  if (step.returned !== step.readable || step.waited) {
    made.append(outcome(step, at));
  }
  if (step.answer !== null && !stillWaits(step, at)) {
    const told = element("b", "", step.answer);
    made.append(element("span", "answer", "the buyer is told: ", told));
  }
  return made;
}

// A statement that waited has returned nothing until the step that ended its wait.
function outcome(step, at) {
  if (stillWaits(step, at)) {
    return element("span", "waits", WAITS[step.waited_for]);
  }
  const returned = step.returned === null ? "" : `⇒ ${step.returned}`;
  const late = step.waited_until === null ? "" : ` (once step ${step.waited_until} was done)`;
  return element("span", "", returned + late);
}

function stillWaits(step, at) {
  return step.waited && (step.waited_until === null || at < step.waited_until);
}

const WAITS = {
  lock: "‖ waits for the row lock of the other",
  gate: "‖ waits: Redis has promised the unit to the other",
};

// Where a buyer is once `at` steps were taken, in words.
function nextOf(transcript, buyer, at) {
  const upcoming = transcript.steps.slice(at).find((step) => step.buyer === buyer);
  const waiting = transcript.steps
    .slice(0, at)
    .find((step) => step.buyer === buyer && stillWaits(step, at));
  if (waiting !== undefined) {
    return ["waits for the other"];
  }
  if (upcoming !== undefined) {
    return ["next: ", element("code", "", upcoming.readable)];
  }
  const state = transcript.buyers[buyer - 1];
  if (state.answer !== null) {
    return ["was told: ", element("b", "", state.answer)];
  }
  if (state.place === "waiting") {
    return ["waits for the other"];
  }
  const next = state.next === null ? "sends the purchase request" : state.next.readable;
  return ["next: ", element("code", "", next)];
}

function says(ending) {
  const { accepted_units, available_units, lost_updates } = ending;
  if (lost_updates === 0) {
    return `says ${available_units}`;
  }
  const lost = `${lost_updates} lost update${lost_updates === 1 ? "" : "s"}`;
  return `should say ${1 - accepted_units} and says ${available_units}: ${lost}`;
}

// What the stores say at the end, or how far it is.
function judge(transcript, at) {
  const { ending, steps } = transcript;
  if (ending === null || at < steps.length) {
    return { look: "", word: "One unit, two buyers", sentence: "not over yet" };
  }
  const orders = `${ending.accepted_units} order${ending.accepted_units === 1 ? "" : "s"}`;
  const sentence = `${orders} for 1 unit; the stock row ${says(ending)}`;
  if (ending.oversold_units > 0) {
    return { look: "oversold", word: `✗ oversold by ${ending.oversold_units}`, sentence };
  }
  const mark = ending.verdict === "exact" ? "✓" : "✗";
  const look = ending.verdict === "exact" ? "exact" : "oversold";
  return { look, word: `${mark} ${ending.verdict}`, sentence };
}
