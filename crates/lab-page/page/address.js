"use strict";
// The address keeps what is shown, so that a reload and a link show it again.

const part = (id) => document.getElementById(id);

// An order that is not offered, such as the judge's or one that was linked to.
function select(id, value) {
  const list = part(id);
  if (![...list.options].some((option) => option.value === value)) {
    list.append(new Option(value, value));
  }
  list.value = value;
}

// Fills the form, and says which turns and which step the address names.
function readAddress() {
  const named = new URLSearchParams(location.hash.slice(1));
  for (const id of ["strategy", "beside", "order"]) {
    if (named.has(id)) {
      select(id, named.get(id));
    }
  }
  part("matters").checked = named.get("all") !== "1";
  return { turns: named.get("turns") ?? "", at: Number(named.get("step") ?? 0) || 0 };
}

let written = "";

function writeAddress({ turns, at }) {
  const named = new URLSearchParams();
  for (const id of ["strategy", "beside", "order"]) {
    if (part(id).value !== "") {
      named.set(id, part(id).value);
    }
  }
  if (choosing()) {
    named.set("turns", turns);
  }
  if (!part("matters").checked) {
    named.set("all", "1");
  }
  named.set("step", at);
  written = `#${named}`;
  history.replaceState(null, "", written);
}

const choosing = () => part("order").value === "choose";

// What the terminal has started, such as a program of one's own, can be played too.
async function offerStrategies() {
  const { columns } = await (await fetch("/state")).json();
  const own = columns.map((column) => column.strategy);
  for (const name of own) {
    if (![...part("strategy").options].some((option) => option.value === name)) {
      part("strategy").prepend(new Option(name, name));
    }
  }
  for (const option of part("strategy").options) {
    part("beside").append(new Option(option.value, option.value));
  }
}
