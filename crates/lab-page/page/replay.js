"use strict";
// Shows the sales again, all at once and slowly. Only the charts move: what is counted
// stands.

const REPLAY_MS = 8000;
let replaying = null;

// A column as it was this many milliseconds after the release.
function asOf(column, ms) {
  const at = Math.min(ms, column.elapsed_ms);
  return { ...column, elapsed_ms: at, curve: column.curve.filter(([when]) => when <= at) };
}

// `draw` is called with each column and its chart.
function replay(shown, scale, button) {
  stopReplay();
  const slower = Math.max(1, Math.round(REPLAY_MS / scale.ms));
  const begin = performance.now();
  const name = button.textContent;
  const frame = (now) => {
    const ms = Math.min((now - begin) / slower, scale.ms);
    for (const [svg, column] of shown) {
      drawChart(svg, asOf(column, ms), scale);
    }
    button.textContent = `${slower} times slower: ${Math.round(ms)} ms`;
    if (ms < scale.ms) {
      replaying.frame = requestAnimationFrame(frame);
    } else {
      stopReplay();
    }
  };
  replaying = {
    end: () => {
      button.textContent = name;
      shown.forEach(([svg, column]) => drawChart(svg, column, scale));
    },
    frame: requestAnimationFrame(frame),
  };
}

function stopReplay() {
  if (replaying !== null) {
    cancelAnimationFrame(replaying.frame);
    const { end } = replaying;
    replaying = null;
    end();
  }
}
