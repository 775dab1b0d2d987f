"use strict";
// Shows the state that the server sends, whole each time: a tab that is opened or
// reloaded in the middle of a sale sees what all others see.

const columns = new Map();
const part = (id) => document.getElementById(id);
// Where the page is a file, the state is in it, and nothing follows.
const embedded = part("state");
let sale = null;
let state = null;

function say(text, refused = false) {
  part("message").textContent = text;
  part("message").classList.toggle("refused", refused);
}

// The step player at the shortest bad order; a file has it below.
function whyAddress(strategy) {
  const named = new URLSearchParams({ strategy, order: "worst" });
  return embedded === null ? `/steps#${named}` : "#why";
}

function show(news) {
  stopReplay();
  state = news;
  for (const column of state.columns) {
    if (!columns.has(column.strategy)) {
      const article = newColumn(column.strategy);
      columns.set(column.strategy, article);
      part("columns").append(article);
      if (embedded === null) {
        offer(column.strategy, state.columns.length);
      }
    }
    showColumn(columns.get(column.strategy), column, state.terms, whyAddress);
  }
  arrange();
  document.body.dataset.stage = state.stage;
  document.body.dataset.sale = state.sale;
  part("replay").disabled = state.stage !== "ended";
  // A refusal stays until something else has happened.
  const change = `${state.sale} ${state.stage}`;
  if (sale !== change) {
    if (embedded === null) {
      showTerms(state, sale === null);
    }
    sale = change;
    say(announcement(state));
  }
}

// The columns that were chosen, on one scale.
function arrange() {
  const shown = shownColumns();
  const scale = chartScale({ ...state, columns: shown });
  for (const [strategy, article] of columns) {
    const column = shown.find((it) => it.strategy === strategy);
    article.hidden = column === undefined;
    if (column !== undefined) {
      drawChart(article.querySelector(".chart"), column, scale);
    }
  }
  document.body.dataset.columns = shown.length;
  if (embedded === null) {
    nameStart();
  }
}

function shownColumns() {
  return state.columns.filter((column) => embedded !== null || isChosen(column.strategy));
}

function announcement({ terms, stage }) {
  const { units, buyers } = terms;
  const what = `${plural(units, "unit")}, ${plural(buyers, "buyer")}`;
  switch (stage) {
    case "idle":
      return "The same crowd for each: who sells what is not there?";
    case "running":
      return `${what}, all let go at the same moment.`;
    default:
      return `${what} each. This is what the audit counted.`;
  }
}

part("replay").addEventListener("click", () => {
  const shown = shownColumns();
  const scale = chartScale({ ...state, columns: shown });
  const chart = (column) => columns.get(column.strategy).querySelector(".chart");
  replay(shown.map((column) => [chart(column), column]), scale, part("replay"));
});

if (embedded !== null) {
  show(JSON.parse(embedded.textContent));
}
