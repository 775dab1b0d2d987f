"use strict";
// Plays a schedule on the real stores, and then steps through what happened; or asks
// for the next turn each time. The same order gives the same steps, so that going back
// is playing a shorter one.

// A transcript for each pane, how many steps of it, and the turns that were chosen.
const view = { transcripts: [], at: 0, turns: "", busy: false, why: "", next: null };

function say(text, refused = false) {
  part("message").textContent = text;
  part("message").classList.toggle("refused", refused);
}

const HINTS = {
  play: "Step with → or PageDown; Home and End jump, R plays it again.",
  choose: "You decide who goes: press 1 or 2. Can you sell the one unit twice?",
  broken: "You sold one unit twice. Now try the same with the other strategies.",
  luck: "Sold once, this time. Go back, and let both read before one of them commits.",
  exact: "Sold once, and no order of steps changes that. Go back and try another.",
};

const LOST = "The connection is lost. Is the page still running in its terminal?";

// The answer, or null where there is none and the page has said why.
async function ask(path, options) {
  try {
    const answer = await fetch(path, options);
    const body = await answer.json();
    if (answer.ok) {
      return body;
    }
    say(body.message, true);
  } catch {
    say(LOST, true);
  }
  return null;
}

function shownStrategies() {
  const both = [part("strategy").value, part("beside").value];
  return both.filter((name, place) => name !== "" && both.indexOf(name) === place);
}

async function play(schedule, finish) {
  view.busy = true;
  show();
  const plays = shownStrategies().map((strategy) => ask("/plays", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ strategy, schedule, finish }),
  }));
  const transcripts = await Promise.all(plays);
  view.busy = false;
  if (transcripts.includes(null)) {
    return false;
  }
  view.transcripts = transcripts;
  say(hint(transcripts[0]));
  return true;
}

function hint({ strategy, ending }) {
  if (!choosing()) {
    return view.why === "" ? HINTS.play : view.why;
  }
  if (ending === null) {
    return HINTS.choose;
  }
  if (ending.oversold_units > 0) {
    return HINTS.broken;
  }
  return ["pessimistic", "hybrid", "engine"].includes(strategy) ? HINTS.exact : HINTS.luck;
}

// The turns to play, or null where there are none.
async function wantedTurns(turns) {
  const order = part("order").value;
  if (order !== "worst") {
    return choosing() ? turns : order;
  }
  say("The judge tries the orders of the steps, from the simplest on…");
  view.busy = true;
  show();
  const found = await ask(`/judgements?strategy=${encodeURIComponent(part("strategy").value)}`);
  view.busy = false;
  if (found === null || found.schedule === null) {
    say(found?.sentence ?? part("message").textContent, found === null);
    return null;
  }
  view.why = found.sentence;
  return found.schedule;
}

// Who wants something else while this is busy gets the last that was wanted.
async function begin(place = { turns: "", at: 0 }) {
  view.next = place;
  while (!view.busy && view.next !== null) {
    const { turns, at } = view.next;
    Object.assign(view, { transcripts: [], turns: "", at: 0, why: "", next: null });
    say("Two servers and their stores get ready…");
    const schedule = await wantedTurns(turns);
    if (schedule !== null && await play(schedule, !choosing())) {
      view.turns = choosing() ? turns : "";
      view.at = choosing() ? steps() : Math.min(at, steps());
    }
  }
  show();
}

const steps = () => Math.max(0, ...view.transcripts.map((it) => it.steps.length));

// A turn of the learner's; it may pass to the other one, who then takes it.
async function choose(turn) {
  if (!view.busy && canGo(turn)) {
    await replay(view.turns + turn);
  }
}

async function replay(turns) {
  if (await play(turns, false)) {
    view.turns = turns;
    view.at = steps();
  }
  show();
  if (view.next !== null) {
    await begin(view.next);
  }
}

function canGo(turn) {
  const buyer = view.transcripts[0]?.buyers[Number(turn) - 1];
  return choosing() && (buyer?.place === "ready" || buyer?.place === "held");
}

// Who chooses sees each step that was chosen.
function isShown(step) {
  return choosing() || !part("matters").checked || matters(step);
}

// The steps at which to stop: those that a pane shows, and both ends.
function stops() {
  const stop = (at) => view.transcripts.some(({ steps: taken }) =>
    at <= taken.length && isShown(taken[at - 1]));
  const all = Array.from({ length: steps() }, (_, index) => index + 1);
  return [0, ...all.filter(stop)];
}

function go(to) {
  if (!view.busy && view.transcripts.length > 0 && to !== undefined) {
    view.at = to;
    show();
  }
}

const forward = () => choosing() || go(stops().find((stop) => stop > view.at));
const back = () => {
  if (!choosing()) {
    go(stops().findLast((stop) => stop < view.at));
  } else if (!view.busy && view.at > 0) {
    replay(view.turns.slice(0, -1));
  }
};
const first = () => (choosing() ? replay("") : go(0));
const last = () => choosing() || go(stops().at(-1));

function show() {
  const { transcripts, at, busy } = view;
  Object.assign(document.body.dataset, { busy, at, steps: steps() });
  part("back").disabled = busy || at === 0;
  part("forward").disabled = choosing() || at >= steps();
  part("one").disabled = busy || !canGo("1");
  part("two").disabled = busy || !canGo("2");
  part("matters").disabled = choosing();
  document.body.classList.toggle("choosing", choosing());
  const panes = part("panes");
  panes.replaceChildren(...transcripts.map(newPane));
  panes.classList.toggle("both", transcripts.length > 1);
  transcripts.forEach((transcript, place) => {
    const taken = Math.min(at, transcript.steps.length);
    drawPane(panes.children[place], transcript, taken, place === 0 ? view.why : "");
  });
  part("place").textContent = choosing() ? `step ${at}` : `step ${at} of ${steps()}`;
  if (transcripts.length > 0 && !busy) {
    writeAddress(view);
  }
}
