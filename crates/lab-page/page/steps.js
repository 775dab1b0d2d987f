"use strict";
// Plays a schedule on the real stores, and then steps through what happened; or asks
// for the next turn each time. The same order gives the same steps, so that going back
// is playing a shorter one.

// A transcript for each pane, how many steps of it, the turns that were played, why the
// judge's order is a bad one, and what was wanted meanwhile.
const view = { transcripts: [], at: 0, turns: "", busy: false, why: "", next: null };

const HINTS = {
  play: "Step with → or PageDown; Home and End jump, R plays it again.",
  choose: "You decide who goes: press 1 or 2. Can you sell the one unit twice?",
  broken: "You sold one unit twice. Now try the same with the other strategies.",
  luck: "Sold once, this time. Go back, and let both read before one of them commits.",
  exact: "Sold once, and no order of steps changes that. Go back and try another.",
};

function hint({ strategy, ending }) {
  if (!choosing()) {
    return view.why || HINTS.play;
  }
  if (ending === null) {
    return HINTS.choose;
  }
  if (ending.oversold_units > 0) {
    return HINTS.broken;
  }
  return ["pessimistic", "hybrid", "engine"].includes(strategy) ? HINTS.exact : HINTS.luck;
}

// One thing at a time; who wants to begin anew meanwhile gets the last that was wanted.
async function busily(work) {
  view.busy = true;
  show();
  await work();
  view.busy = false;
  show();
  if (view.next !== null) {
    begin(view.next);
  }
}

function begin(place = { turns: "", at: 0 }) {
  view.next = place;
  if (view.busy) {
    return;
  }
  Object.assign(view, { transcripts: [], turns: "", at: 0, why: "", next: null });
  say("Two servers and their stores get ready…");
  busily(async () => {
    const turns = await wantedTurns(place.turns);
    if (turns !== null) {
      await play(turns, place.at);
    }
  });
}

// The turns to play, or null where there are none.
async function wantedTurns(chosen) {
  const order = part("order").value;
  if (order !== "worst") {
    return choosing() ? chosen : order;
  }
  say("The judge tries the orders of the steps, from the simplest on…");
  const asked = new URLSearchParams({ strategy: part("strategy").value });
  const found = await ask(`/judgements?${asked}`);
  if (found === null) {
    return null;
  }
  say(found.sentence);
  view.why = found.sentence;
  return found.schedule;
}

function shownStrategies() {
  const both = new Set([part("strategy").value, part("beside").value]);
  return [...both].filter((name) => name !== "");
}

// Plays it in each pane; where one fails, what was shown stays.
async function play(turns, at) {
  const finish = !choosing();
  const plays = shownStrategies().map((strategy) =>
    ask("/plays", { strategy, schedule: turns, finish }));
  const transcripts = await Promise.all(plays);
  if (!transcripts.includes(null)) {
    Object.assign(view, { transcripts: transcripts.map(explain), turns });
    view.at = finish ? Math.min(at, steps()) : steps();
    say(hint(transcripts[0]));
  }
}

const steps = () => Math.max(0, ...view.transcripts.map((it) => it.steps.length));

// A turn of the learner's; it may pass to the other one, who then takes it.
function choose(turn) {
  if (canGo(turn)) {
    busily(() => play(view.turns + turn));
  }
}

function canGo(turn) {
  const place = view.transcripts[0]?.buyers[Number(turn) - 1].place;
  return choosing() && !view.busy && (place === "ready" || place === "held");
}

// Who chooses sees each step that was chosen.
function isShown(step) {
  return choosing() || !part("matters").checked || matters(step);
}

// The steps at which to stop: those that a pane shows, and both ends.
function stops() {
  const all = Array.from({ length: steps() }, (_, index) => index + 1);
  return [0, ...all.filter((at) => view.transcripts.some(({ steps: taken }) =>
    at <= taken.length && isShown(taken[at - 1])))];
}

// To a step; who chooses can only take turns back.
function go(to, turns) {
  if (view.busy || view.transcripts.length === 0) {
    return;
  }
  if (!choosing() && to !== undefined) {
    view.at = to;
    show();
  } else if (choosing() && turns !== undefined && view.at > 0) {
    busily(() => play(turns));
  }
}

const forward = () => go(stops().find((stop) => stop > view.at));
const back = () => go(stops().findLast((stop) => stop < view.at), view.turns.slice(0, -1));
const first = () => go(0, "");
const last = () => go(stops().at(-1));

function show() {
  const { transcripts, at, busy } = view;
  Object.assign(document.body.dataset, { busy, at, steps: steps() });
  document.body.classList.toggle("choosing", choosing());
  part("back").disabled = busy || at === 0;
  part("forward").disabled = choosing() || at >= steps();
  part("one").disabled = !canGo("1");
  part("two").disabled = !canGo("2");
  part("matters").disabled = choosing();
  part("place").textContent = choosing() ? `step ${at}` : `step ${at} of ${steps()}`;
  const panes = transcripts.map(() => copyOf("pane"));
  part("panes").replaceChildren(...panes);
  part("panes").classList.toggle("both", panes.length > 1);
  transcripts.forEach((transcript, place) => {
    const taken = Math.min(at, transcript.steps.length);
    drawPane(panes[place], transcript, taken, place === 0 ? view.why : "");
  });
  if (transcripts.length > 0 && !busy) {
    writeAddress(view);
  }
}
