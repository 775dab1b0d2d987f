"use strict";
// What the keys and buttons of the second view do, and how it begins.

const KEYS = {
  ArrowRight: forward,
  PageDown: forward,
  " ": forward,
  ArrowLeft: back,
  PageUp: back,
  Home: first,
  End: last,
  r: () => begin(),
  1: () => choose("1"),
  2: () => choose("2"),
};

document.addEventListener("keydown", (event) => {
  const { target, key, ctrlKey, metaKey, altKey } = event;
  const typing = target instanceof HTMLSelectElement;
  const clicks = key === " " && target.closest("button, input, summary, a") !== null;
  const act = KEYS[key] ?? KEYS[key.toLowerCase()];
  if (act !== undefined && !(typing || clicks || ctrlKey || metaKey || altKey)) {
    event.preventDefault();
    act();
  }
});

const BUTTONS = { back, forward, one: KEYS[1], two: KEYS[2] };
Object.entries(BUTTONS).forEach(([id, act]) => part(id).addEventListener("click", act));
part("matters").addEventListener("change", show);

// Whoever goes through a list with the arrows stays in it; Enter and a click leave it, so
// that the keys of a remote step.
part("choice").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    event.preventDefault();
    event.target.blur();
  }
});
part("choice").addEventListener("change", ({ target }) => {
  begin();
  if (!target.matches(":focus-visible")) {
    target.blur();
  }
});
window.addEventListener("hashchange", () => begin(readAddress()));

ask("/state").then((state) => {
  if (state !== null) {
    offerStrategies(state.columns);
    begin(readAddress());
  }
});
