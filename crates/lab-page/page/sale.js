"use strict";
// Shows the state that the server sends, whole each time: a tab that is opened or
// reloaded in the middle of a sale sees what all others see.

const columns = new Map();
const message = document.getElementById("message");
// Where the page is a file, the state is in it, and nothing follows.
const embedded = document.getElementById("state");
let sale = null;

function say(text, refused = false) {
  message.textContent = text;
  message.classList.toggle("refused", refused);
}

function show(state) {
  const scale = chartScale(state);
  for (const column of state.columns) {
    if (!columns.has(column.strategy)) {
      const article = newColumn(column.strategy);
      columns.set(column.strategy, article);
      document.getElementById("columns").append(article);
    }
    const article = columns.get(column.strategy);
    showColumn(article, column, state.terms);
    drawChart(article.querySelector(".chart"), column, scale);
  }
  document.body.dataset.stage = state.stage;
  document.body.dataset.sale = state.sale;
  // A refusal stays until something else has happened.
  const news = `${state.sale} ${state.stage}`;
  if (sale !== news) {
    if (embedded === null) {
      showTerms(state, sale === null);
    }
    sale = news;
    say(announcement(state));
  }
}

function announcement(state) {
  const { units, buyers } = state.terms;
  const what = `${plural(units, "unit")}, ${plural(buyers, "buyer")}`;
  switch (state.stage) {
    case "idle":
      return "The same units and the same crowd for each: who sells what is not there?";
    case "running":
      return `${what}, all let go at the same moment; one strategy after the other.`;
    default:
      return `${what} each. What stands here is what the audit counted in the database.`;
  }
}

// Who is typing while a sale ends is left alone.
function showTerms(state, isFirst) {
  if (isFirst || state.stage === "running") {
    document.getElementById("units").value = state.terms.units;
    document.getElementById("buyers").value = state.terms.buyers;
    document.getElementById("buyers").max = state.buyers_max;
  }
  const commands = state.columns.map((column) => column.audit_command);
  const lines = commands.filter((command) => command !== null).map(commandLine);
  if (lines.length > 0) {
    document.getElementById("commands").replaceChildren(...lines);
  }
}

function commandLine(command) {
  const line = document.createElement("div");
  const code = document.createElement("code");
  code.textContent = command;
  line.append(code);
  return line;
}

async function start(event) {
  event.preventDefault();
  const wanted = {
    units: document.getElementById("units").valueAsNumber,
    buyers: document.getElementById("buyers").valueAsNumber,
  };
  try {
    const answer = await fetch("/sales", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(wanted),
    });
    if (!answer.ok) {
      say((await answer.json()).message, true);
    }
  } catch {
    say(LOST, true);
  }
}

const LOST = "The connection is lost. Is the page still running in its terminal?";

function listen() {
  const events = new EventSource("/events");
  events.onopen = () => {
    sale = null;
  };
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => say(LOST, true);
  document.getElementById("start").addEventListener("submit", start);
}

if (embedded === null) {
  listen();
} else {
  show(JSON.parse(embedded.textContent));
}
