"use strict";
// The address keeps what is shown, so that a reload and a link show it again.

const LISTS = ["strategy", "beside", "order"];

const choosing = () => part("order").value === "choose";

const option = (name) => new Option(name, name);
const offers = (id, name) => [...part(id).options].some(({ value }) => value === name);

// Fills the form, and says which turns and which step the address names. An order may be
// one that is not offered, such as the judge's or one that was linked to.
function readAddress() {
  const named = new URLSearchParams(location.hash.slice(1));
  for (const id of LISTS.filter((it) => named.has(it))) {
    if (!offers(id, named.get(id))) {
      part(id).append(option(named.get(id)));
    }
    part(id).value = named.get(id);
  }
  part("matters").checked = named.get("all") !== "1";
  return { turns: named.get("turns") ?? "", at: Number(named.get("step") ?? 0) || 0 };
}

function writeAddress({ turns, at }) {
  const values = LISTS.map((id) => [id, part(id).value]);
  const named = new URLSearchParams(values.filter(([, value]) => value !== ""));
  if (choosing()) {
    named.set("turns", turns);
  }
  if (!part("matters").checked) {
    named.set("all", "1");
  }
  named.set("step", at);
  history.replaceState(null, "", `#${named}`);
}

// What the terminal has started, such as a program of one's own, can be played too.
function offerStrategies(columns) {
  const names = columns.map((column) => column.strategy);
  const own = names.filter((name) => !offers("strategy", name));
  part("strategy").prepend(...own.map(option));
  const all = [...part("strategy").options];
  part("beside").append(...all.map(({ value }) => option(value)));
}
