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

function pressed(event) {
  const target = event.target;
  const typing = target instanceof HTMLSelectElement;
  const clicks = event.key === " " && target.closest("button, input, summary, a") !== null;
  const act = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (act === undefined || typing || clicks || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  event.preventDefault();
  act();
}

part("back").addEventListener("click", back);
part("forward").addEventListener("click", forward);
part("one").addEventListener("click", KEYS[1]);
part("two").addEventListener("click", KEYS[2]);
part("matters").addEventListener("change", show);
// Whoever goes through a list with the arrows stays in it; Enter and a click leave it, so
// that the keys of a remote step.
let stays = false;

function leave() {
  stays = false;
  document.activeElement.blur();
}

for (const id of ["strategy", "beside", "order"]) {
  part(id).addEventListener("pointerdown", () => {
    stays = false;
  });
  part(id).addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      leave();
    } else {
      stays = !event.altKey && event.key !== " ";
    }
  });
  part(id).addEventListener("change", () => {
    begin();
    if (!stays) {
      leave();
    }
  });
}
document.addEventListener("keydown", pressed);
window.addEventListener("hashchange", () => {
  if (location.hash !== written) {
    begin(readAddress());
  }
});

async function enter() {
  try {
    await offerStrategies();
  } catch {
    say(LOST, true);
    return;
  }
  await begin(readAddress());
}

enter();
