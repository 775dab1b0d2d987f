"use strict";
// What both views and the report share.

const LOST = "The connection is lost. Is the page still running in its terminal?";

const part = (id) => document.getElementById(id);
const minus = (number) => String(number).replace("-", "−");
const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function say(text, refused = false) {
  part("message").textContent = text;
  part("message").classList.toggle("refused", refused);
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function copyOf(template) {
  return part(template).content.firstElementChild.cloneNode(true);
}

// Fills the named places of a copy, each with a text, an element or several. Writes only
// what has changed: a screen reader is told of every write.
function fill(copy, values) {
  for (const [name, value] of Object.entries(values)) {
    const place = copy.querySelector(`[data-is="${name}"]`);
    const made = element("p", "", ...[value].flat());
    if (place.innerHTML !== made.innerHTML) {
      place.replaceChildren(...made.childNodes);
    }
  }
  return copy;
}

// How what an audit has found is painted, a symbol and a word.
function found({ verdict, oversold_units }) {
  if (oversold_units > 0) {
    return ["oversold", `✗ oversold by ${oversold_units}`];
  }
  return verdict === "exact" ? ["exact", "✓ exact"] : ["failed", `✗ ${verdict}`];
}

// The answer, or null where there is none and the page has said why.
async function ask(path, body) {
  const headers = { "content-type": "application/json" };
  const post = { method: "POST", headers, body: JSON.stringify(body) };
  try {
    const answer = await fetch(path, body === undefined ? {} : post);
    const told = await answer.json();
    if (answer.ok) {
      return told;
    }
    say(told.message, true);
  } catch {
    say(LOST, true);
  }
  return null;
}
