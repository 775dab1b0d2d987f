"use strict";
// Starts sales: of all that were chosen, or of one at a time, so that a class can guess.

const LOST = "The connection is lost. Is the page still running in its terminal?";

// The engine is a fourth column, for which not every screen has room.
function offer(strategy, count) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = strategy;
  box.checked = strategy !== "engine" || count <= 3 || innerWidth >= 1600;
  box.addEventListener("change", arrange);
  const label = document.createElement("label");
  label.append(box, ` ${strategy}`);
  part("who").append(label);
}

function isChosen(strategy) {
  return part("who").querySelector(`[value="${CSS.escape(strategy)}"]`)?.checked === true;
}

function terms() {
  return { units: part("units").valueAsNumber, buyers: part("buyers").valueAsNumber };
}

// What the next start sells, and whether what was sold before stays.
function nextSale() {
  const shown = shownColumns();
  const names = shown.map((column) => column.strategy);
  if (!part("slowly").checked) {
    return { strategies: names, keep: false };
  }
  const { units, buyers } = terms();
  const isSame = units === state.terms.units && buyers === state.terms.buyers;
  const sold = shown.filter((column) => column.stage !== "ready");
  const left = shown.filter((column) => column.stage === "ready");
  const keep = isSame && sold.length > 0 && left.length > 0;
  return { strategies: keep ? [left[0].strategy] : names.slice(0, 1), keep };
}

function nameStart() {
  const { strategies, keep } = nextSale();
  const button = part("start").querySelector("button");
  const name = part("slowly").checked && strategies.length > 0
    ? `${keep ? "Next" : "Start"}: ${strategies[0]}`
    : "Start the sale";
  if (button.textContent !== name) {
    button.textContent = name;
  }
  button.disabled = strategies.length === 0;
}

async function start(event) {
  event.preventDefault();
  try {
    const answer = await fetch("/sales", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...terms(), ...nextSale() }),
    });
    if (!answer.ok) {
      say((await answer.json()).message, true);
    }
  } catch {
    say(LOST, true);
  }
}

// Who is typing while a sale ends is left alone.
function showTerms(news, isFirst) {
  if (isFirst || news.stage === "running") {
    part("units").value = news.terms.units;
    part("buyers").value = news.terms.buyers;
    part("buyers").max = news.buyers_max;
    nameStart();
  }
  const commands = news.columns.map((column) => column.audit_command);
  const lines = commands.filter((command) => command !== null).map(commandLine);
  if (lines.length > 0) {
    part("commands").replaceChildren(...lines);
  }
}

function commandLine(command) {
  const line = document.createElement("div");
  const code = document.createElement("code");
  code.textContent = command;
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = "copy";
  copy.addEventListener("click", () => copyText(code, copy));
  line.append(copy, code);
  return line;
}

// A browser keeps its clipboard from pages of other machines: there it is selected.
async function copyText(code, button) {
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    button.textContent = "selected";
  }
}

// A presenter's remote has two keys. Where there is much to scroll, they scroll.
function pressed(event) {
  const scrolls = document.documentElement.scrollHeight > innerHeight * 1.1;
  if (event.key === "PageDown" && !scrolls) {
    event.preventDefault();
    part("start").requestSubmit();
  }
}

function listen() {
  const events = new EventSource("/events");
  events.onopen = () => {
    sale = null;
  };
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => say(LOST, true);
  part("start").addEventListener("submit", start);
  for (const id of ["slowly", "units", "buyers"]) {
    part(id).addEventListener("input", nameStart);
  }
  document.addEventListener("keydown", pressed);
  document.querySelector("footer details").addEventListener("toggle", (event) =>
    event.target.scrollIntoView({ block: "end" }));
}

listen();
