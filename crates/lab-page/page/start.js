"use strict";
// Starts sales: of all that were chosen, or of one at a time, so that a class can guess.

let state = null;

// The engine is a fourth column, for which not every screen has room.
function offer({ strategy }, _, { length }) {
  const label = copyOf("offer");
  const box = label.querySelector("input");
  box.value = strategy;
  box.checked = strategy !== "engine" || length <= 3 || innerWidth >= 1600;
  label.append(` ${strategy}`);
  part("who").append(label);
}

function chosen() {
  const names = [...part("who").querySelectorAll(":checked")].map((box) => box.value);
  return state.columns.filter((column) => names.includes(column.strategy));
}

function terms() {
  return { units: part("units").valueAsNumber, buyers: part("buyers").valueAsNumber };
}

// What the next start sells, and whether what was sold before stays.
function nextSale() {
  const columns = chosen();
  const names = columns.map((column) => column.strategy);
  if (!part("slowly").checked) {
    return { strategies: names, keep: false };
  }
  const { units, buyers } = terms();
  const isSame = units === state.terms.units && buyers === state.terms.buyers;
  const next = columns.find((column) => column.stage === "ready")?.strategy;
  const hasSold = columns.some((column) => column.stage !== "ready");
  const keep = isSame && hasSold && next !== undefined;
  return { strategies: keep ? [next] : names.slice(0, 1), keep };
}

function nameStart() {
  const { strategies, keep } = nextSale();
  const button = part("start").querySelector("button");
  button.disabled = strategies.length === 0;
  const isOne = part("slowly").checked && strategies.length > 0;
  button.textContent = isOne ? `${keep ? "Next" : "Start"}: ${strategies[0]}` : "Start the sale";
}

function take(news) {
  const isFirst = state === null;
  state = news;
  if (isFirst) {
    state.columns.forEach(offer);
  }
  const isNews = show(state, chosen());
  // Who is typing while a sale ends is left alone.
  if (isFirst || (isNews && state.stage === "running")) {
    part("units").value = state.terms.units;
    part("buyers").value = state.terms.buyers;
    part("buyers").max = state.buyers_max;
  }
  const commands = state.columns.map((column) => column.audit_command).filter(Boolean);
  if (isNews && commands.length > 0) {
    const lines = commands.map((command) => fill(copyOf("command"), { command }));
    part("commands").replaceChildren(...lines);
  }
  nameStart();
}

// A browser keeps its clipboard from pages of other machines: there it is selected.
part("commands").addEventListener("click", async ({ target }) => {
  if (target.localName !== "button") {
    return;
  }
  const command = target.nextElementSibling;
  getSelection().selectAllChildren(command);
  try {
    await navigator.clipboard.writeText(command.textContent);
    target.textContent = "copied";
  } catch {
    target.textContent = "selected";
  }
});
part("start").addEventListener("submit", (event) => {
  event.preventDefault();
  ask("/sales", { ...terms(), ...nextSale() });
});
part("start").addEventListener("input", nameStart);
part("slowly").addEventListener("input", nameStart);
part("who").addEventListener("change", () => take(state));
// A presenter's remote has two keys. Where there is much to scroll, they scroll.
document.addEventListener("keydown", (event) => {
  const scrolls = document.documentElement.scrollHeight > innerHeight * 1.1;
  if (event.key === "PageDown" && !scrolls) {
    event.preventDefault();
    part("start").requestSubmit();
  }
});
document.querySelector("footer details").addEventListener("toggle", (event) =>
  event.target.scrollIntoView({ block: "end" }));

const events = new EventSource("/events");
// What was said of a connection that was lost is outdated.
events.onopen = () => {
  said = null;
};
events.onmessage = (event) => take(JSON.parse(event.data));
events.onerror = () => say(LOST, true);
