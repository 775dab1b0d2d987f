"use strict";
// Plays a schedule on the real stores, and then steps through what happened; or asks
// for the next turn each time. The same order gives the same steps, so that going back
// is playing a shorter one.

const part = (id) => document.getElementById(id);

// The transcript that is shown, how many of its steps, and the turns that were chosen.
const view = { transcript: null, at: 0, turns: "", busy: false };

const choosing = () => part("order").value === "";

function say(text, refused = false) {
  part("message").textContent = text;
  part("message").classList.toggle("refused", refused);
}

const HINTS = {
  play: "Step through it with the arrow keys. The stock in the middle is what is committed.",
  choose: "You decide who goes: press 1 or 2. Can you sell the one unit twice?",
  broken: "You sold one unit twice. Now try the same with the other strategies.",
  luck: "Sold once, this time. Go back, and let both read before one of them commits.",
  exact: "Sold once, and no order of steps changes that. Go back and try another.",
};

async function play(schedule, finish) {
  const wanted = { strategy: part("strategy").value, schedule, finish };
  view.busy = true;
  show();
  try {
    const answer = await fetch("/plays", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(wanted),
    });
    const body = await answer.json();
    if (!answer.ok) {
      say(body.message, true);
      return false;
    }
    view.transcript = body;
    say(hint(body));
    return true;
  } catch {
    say("The connection is lost. Is the page still running in its terminal?", true);
    return false;
  } finally {
    view.busy = false;
  }
}

function hint({ strategy, ending }) {
  if (!choosing()) {
    return HINTS.play;
  }
  if (ending === null) {
    return HINTS.choose;
  }
  if (ending.oversold_units > 0) {
    return HINTS.broken;
  }
  return strategy === "naive" ? HINTS.luck : HINTS.exact;
}

async function begin() {
  if (view.busy) {
    return;
  }
  say("Two servers and their stores get ready…");
  view.transcript = null;
  view.turns = "";
  view.at = 0;
  await play(part("order").value, !choosing());
  show();
}

// A turn of the learner's; it may pass to the other one, who then takes it.
async function choose(turn) {
  if (!view.busy && canGo(turn)) {
    await replay(view.turns + turn);
  }
}

async function replay(turns) {
  if (await play(turns, false)) {
    view.turns = turns;
    view.at = view.transcript.steps.length;
  }
  show();
}

function canGo(turn) {
  const buyer = view.transcript?.buyers[Number(turn) - 1];
  return choosing() && (buyer?.place === "ready" || buyer?.place === "held");
}

function forward() {
  if (!choosing() && view.transcript !== null) {
    view.at = Math.min(view.at + 1, view.transcript.steps.length);
    show();
  }
}

async function back() {
  if (view.busy || view.at === 0) {
    return;
  }
  if (choosing()) {
    await replay(view.turns.slice(0, -1));
  } else {
    view.at -= 1;
    show();
  }
}

function show() {
  const { transcript, at, busy } = view;
  document.body.dataset.busy = busy;
  document.body.dataset.at = at;
  for (const id of ["strategy", "order"]) {
    part(id).disabled = busy;
  }
  part("back").disabled = busy || at === 0;
  part("forward").disabled = choosing() || at >= (transcript?.steps.length ?? 0);
  part("one").disabled = busy || !canGo("1");
  part("two").disabled = busy || !canGo("2");
  if (transcript === null) {
    part("steps").replaceChildren();
    return;
  }
  drawSteps(part("steps"), transcript, at);
  for (const buyer of [1, 2]) {
    part(`next${buyer}`).replaceChildren(...nextOf(transcript, buyer, at));
  }
  const stock = at === 0 ? 1 : transcript.steps[at - 1].available_units_after;
  part("stock").textContent = `${stock} left`;
  const judged = judge(transcript, at);
  document.querySelector(".verdict").className = `verdict ${judged.look}`;
  part("verdict").textContent = judged.word;
  part("sentence").textContent = judged.sentence;
  const steps = transcript.steps.length;
  part("place").textContent = choosing() ? `step ${at}` : `step ${at} of ${steps}`;
}

const KEYS = {
  ArrowRight: forward,
  ArrowLeft: back,
  1: () => choose("1"),
  2: () => choose("2"),
};

function pressed(event) {
  const typing = event.target instanceof HTMLSelectElement;
  const act = KEYS[event.key];
  if (act === undefined || typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  event.preventDefault();
  act();
}

part("back").addEventListener("click", back);
part("forward").addEventListener("click", forward);
part("one").addEventListener("click", KEYS[1]);
part("two").addEventListener("click", KEYS[2]);
for (const id of ["strategy", "order"]) {
  part(id).addEventListener("change", async () => {
    await begin();
    part("steps").focus();
  });
}
document.addEventListener("keydown", pressed);
window.addEventListener("resize", show);
begin();
