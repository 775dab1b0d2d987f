"use strict";
// Shows the sales again, all at once and slowly. Only the charts move: what is counted
// stands.

const REPLAY_MS = 8000;
let frame = 0;

// A column as it was this many milliseconds after the release.
function asOf(column, ms) {
  const at = Math.min(ms, column.elapsed_ms);
  return { ...column, elapsed_ms: at, curve: column.curve.filter(([when]) => when <= at) };
}

// Takes each chart with its column.
function replay(charts, scale) {
  stopReplay();
  const slower = Math.max(1, Math.round(REPLAY_MS / scale.ms));
  const begin = performance.now();
  const draw = (now) => {
    const ms = Math.min((now - begin) / slower, scale.ms);
    charts.forEach(([svg, column]) => drawChart(svg, asOf(column, ms), scale));
    part("replay").textContent = `${slower} times slower: ${Math.round(ms)} ms`;
    if (ms < scale.ms) {
      frame = requestAnimationFrame(draw);
    } else {
      stopReplay();
    }
  };
  frame = requestAnimationFrame(draw);
}

function stopReplay() {
  cancelAnimationFrame(frame);
  part("replay").textContent = "slow replay";
}
