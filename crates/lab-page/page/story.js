"use strict";
// What the steps of a transcript mean: what a buyer believes, decides and loses. Steps
// are counted from 1; `at` is how many of them were taken.

const NAMES = { 1: "ann", 2: "bob" };
const LOOK_UP = "was this order placed before?";
const ADMISSION = "asks whether a unit may be free";
const WRITE = "writes what remains";
const RECORD = "records the order";

// BEGIN and the look-up of the key change nothing for anybody.
function matters(step) {
  return step.readable !== "BEGIN" && step.purpose !== LOOK_UP;
}

function isRedis(step) {
  return step.store === "Redis";
}

// The step after which the result is there: a statement that waits has none.
function doneAt(step, number) {
  return step.waited ? step.waited_until ?? Infinity : number;
}

function unitsRead(step) {
  const found = /available_units = (-?\d+)/.exec(step.returned ?? "");
  return found !== null && step.purpose?.startsWith("reads") ? Number(found[1]) : null;
}

// Our gate answers 1 or 0, alone or behind the number of its load.
function admission(step) {
  const ours = /^(?:1|0|\[\d+, [01]\])$/.test(step.returned ?? "");
  const asks = step.purpose === ADMISSION && step.readable.startsWith("EVALSHA");
  const word = /1\]?$/.test(step.returned) ? "admitted" : "not admitted";
  return asks && ours ? word : null;
}

function unitsBefore(transcript, index) {
  return transcript.steps[index - 1]?.available_units_after ?? 1;
}

// What a buyer was told last by a store, and whether somebody has changed it since.
function belief(transcript, buyer, at) {
  let held = null;
  transcript.steps.slice(0, at).forEach((step, index) => {
    const since = doneAt(step, index + 1);
    if (step.buyer !== buyer || since > at) {
      return;
    }
    const units = unitsRead(step);
    if (units !== null) {
      held = { units, since, number: index + 1, words: `read ${units}` };
    } else if (held === null && admission(step) !== null) {
      held = { units: null, since, number: index + 1, words: `${admission(step)} by Redis` };
    }
  });
  return held === null ? null : { ...held, stale: isStale(transcript, buyer, held, at) };
}

function isStale(transcript, buyer, { units, since }, at) {
  const { steps } = transcript;
  const told = steps.findIndex((step) => step.buyer === buyer && step.answer !== null);
  const end = told < 0 ? at : Math.min(at, told + 1);
  return units !== null && steps.slice(since, end).some((step, place) => {
    const before = unitsBefore(transcript, since + place);
    return step.buyer !== buyer && before !== step.available_units_after;
  });
}

// What the server has decided for a buyer just before this step, as arithmetic.
function decision(transcript, index) {
  const step = transcript.steps[index];
  const held = belief(transcript, step.buyer, index);
  if (held === null || held.units === null) {
    return null;
  }
  if (step.purpose === WRITE && held.units >= 1) {
    return `${held.units} ≥ 1 → sell`;
  }
  return step.answer === "sold out" && held.units < 1 ? `${held.units} < 1 → sold out` : null;
}

// Whether with this step a write became visible, and what the other has sold vanished.
function losesUpdate(transcript, index) {
  const { steps } = transcript;
  const { buyer, available_units_after } = steps[index];
  if (unitsBefore(transcript, index) !== available_units_after) {
    return false;
  }
  const own = steps.slice(0, index + 1).filter((step) => step.buyer === buyer);
  const isOpen = own.some((step) => step.readable === "BEGIN");
  const ends = own.at(-1).readable.toUpperCase().startsWith("COMMIT");
  const wrote = isOpen ? ends && own.some(writes) : writes(own.at(-1));
  return wrote && Boolean(belief(transcript, buyer, index)?.stale);
}

function writes(step) {
  return step.purpose === WRITE && step.returned !== "UPDATE 0";
}

function title(step) {
  return step.purpose ?? step.readable;
}

// The same in a line that leaves room for what came of it.
function shortTitle(step) {
  const written = /SET available_units = (-?\d+)/.exec(step.readable);
  if (step.purpose === WRITE && written !== null) {
    return `writes ${written[1]}`;
  }
  if (admission(step) !== null) {
    return "asks Redis";
  }
  return title(step).replace(" what is available", "");
}

function brief(step) {
  const { returned, readable, purpose } = step;
  const units = unitsRead(step);
  if (units !== null) {
    return String(units);
  }
  // BEGIN returns BEGIN, and that one row was written says nothing either.
  if (returned === readable || ["UPDATE 1", "INSERT 0 1"].includes(returned)) {
    return null;
  }
  return purpose === LOOK_UP && returned === "no row" ? "no" : admission(step) ?? returned;
}

// Why it was oversold, where a write has lost another.
function lossOf(transcript) {
  const place = transcript.steps.findIndex((_, index) => losesUpdate(transcript, index));
  if (place < 0) {
    return "";
  }
  const { buyer } = transcript.steps[place];
  const { units, number } = belief(transcript, buyer, place);
  return `${NAMES[buyer]} still believed the ${units} of step ${number}.`;
}
