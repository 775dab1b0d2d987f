"use strict";
// What the steps of a transcript mean: what a buyer believes, decides and loses. `at` is
// how many of them were taken.

const NAMES = { 1: "ann", 2: "bob" };
const LOOK_UP = "was this order placed before?";
const ADMISSION = "asks whether a unit may be free";
const WRITE = "writes what remains";
const RECORD = "records the order";

// Writes down with each step what it means. Steps are counted from 1.
function explain(transcript) {
  const { steps } = transcript;
  steps.forEach((step, index) => {
    step.number = index + 1;
    step.before = steps[index - 1]?.available_units_after ?? 1;
    // The step after which the result is there: a statement that waits has none.
    step.done = step.waited ? step.waited_until ?? Infinity : step.number;
    step.units = unitsRead(step);
    step.admission = admission(step);
  });
  for (const step of steps) {
    step.held = belief(transcript, step.buyer, step.number - 1);
    step.decision = decision(step);
    step.loses = losesUpdate(steps, step);
  }
  return transcript;
}

// BEGIN and the look-up of the key change nothing for anybody.
function matters(step) {
  return step.readable !== "BEGIN" && step.purpose !== LOOK_UP;
}

function unitsRead({ returned, purpose }) {
  const found = /available_units = (-?\d+)/.exec(returned ?? "");
  return found !== null && purpose?.startsWith("reads") ? Number(found[1]) : null;
}

// Our gate answers 1 or 0, alone or behind the number of its load.
function admission({ returned, purpose, readable }) {
  const ours = /^(?:[01]|\[\d+, [01]\])$/.test(returned ?? "");
  const asks = purpose === ADMISSION && readable.startsWith("EVALSHA");
  const word = /1\]?$/.test(returned) ? "admitted" : "not admitted";
  return ours && asks ? word : null;
}

// What a buyer was told last by a store, and whether somebody has changed it since.
function belief({ steps }, buyer, at) {
  const own = steps.filter((step) => step.buyer === buyer);
  const told = own.filter((step) => step.number <= at && step.done <= at);
  const held = told.findLast((step) => step.units !== null)
    ?? told.find((step) => step.admission !== null);
  if (held === undefined) {
    return null;
  }
  const { units, number, done } = held;
  const answered = own.find((step) => step.answer !== null)?.number ?? at;
  const changed = steps.slice(done, Math.min(at, answered)).some((step) =>
    step.buyer !== buyer && step.before !== step.available_units_after);
  const stale = units !== null && changed;
  const words = units === null ? `${held.admission} by Redis` : `read ${units}`;
  return { units, number, stale, words: stale ? `${words}: no longer true` : words };
}

// What the server has decided for a buyer just before this step, as arithmetic.
function decision({ purpose, answer, held }) {
  // Who has read nothing decides nothing.
  const units = held?.units ?? NaN;
  if (purpose === WRITE && units >= 1) {
    return `${units} ≥ 1 → sell`;
  }
  return answer === "sold out" && units < 1 ? `${units} < 1 → sold out` : "";
}

// Whether with this step a write became visible, and what the other has sold vanished.
function losesUpdate(steps, step) {
  const own = steps.slice(0, step.number).filter((it) => it.buyer === step.buyer);
  const isOpen = own.some((it) => it.readable === "BEGIN");
  const ends = step.readable.toUpperCase().startsWith("COMMIT");
  const wrote = isOpen ? ends && own.some(writes) : writes(step);
  return wrote && step.before === step.available_units_after && step.held?.stale === true;
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
  return step.admission === null ? title(step).replace(" what is available", "") : "asks Redis";
}

function brief({ returned, readable, purpose, units, admission: word }) {
  // BEGIN returns BEGIN, and that one row was written says nothing either.
  if (returned === readable || ["UPDATE 1", "INSERT 0 1"].includes(returned)) {
    return null;
  }
  return purpose === LOOK_UP && returned === "no row" ? "no" : units ?? word ?? returned;
}

// Why it was oversold, where a write has lost another.
function lossOf({ steps }) {
  const lost = steps.find((step) => step.loses);
  return lost === undefined ? ""
    : `${NAMES[lost.buyer]} still believed the ${lost.held.units} of step ${lost.held.number}.`;
}
