"use strict";
// Shows the state that the server sends, whole each time: a tab that is opened or
// reloaded in the middle of a sale sees what all others see.

const articles = new Map();
// Where the page is a file, the state is in it, and nothing follows.
const embedded = part("state");
let said = null;

// A column of the page; it leads to the step player at the shortest bad order, which a
// file has below it.
function articleOf(strategy) {
  if (!articles.has(strategy)) {
    const article = newColumn(strategy);
    const named = new URLSearchParams({ strategy, order: "worst" });
    const why = article.querySelector('[data-is="why"]');
    why.href = embedded === null ? `/steps#${named}` : "#why";
    articles.set(strategy, article);
    part("columns").append(article);
  }
  return articles.get(strategy);
}

// Shows the columns that were chosen, on one scale, and says whether a sale has begun or
// ended since. A refusal stays until then.
function show(state, chosen) {
  stopReplay();
  const { sale, stage, terms, columns } = state;
  const scale = chartScale(terms, chosen);
  const chartOf = (column) => articleOf(column.strategy).querySelector(".chart");
  for (const column of columns) {
    const article = articleOf(column.strategy);
    showColumn(article, column, terms);
    article.hidden = !chosen.includes(column);
    drawChart(chartOf(column), column, scale);
  }
  Object.assign(document.body.dataset, { stage, sale, columns: chosen.length });
  part("replay").disabled = stage !== "ended";
  part("replay").onclick = () =>
    replay(chosen.map((column) => [chartOf(column), column]), scale);
  const isNews = said !== `${sale} ${stage}`;
  if (isNews) {
    said = `${sale} ${stage}`;
    say(announcement(terms, stage));
  }
  return isNews;
}

function announcement({ units, buyers }, stage) {
  const what = `${plural(units, "unit")}, ${plural(buyers, "buyer")}`;
  const words = {
    idle: "The same crowd for each: who sells what is not there?",
    running: `${what}, all let go at the same moment.`,
    ended: `${what} each. This is what the audit counted.`,
  };
  return words[stage];
}

if (embedded !== null) {
  const state = JSON.parse(embedded.textContent);
  show(state, state.columns);
}
