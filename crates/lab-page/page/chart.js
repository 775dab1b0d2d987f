"use strict";
// Draws accepted units over time against the line of what was in stock. All columns
// share one scale, so that they can be compared at a glance.

const SVG = "http://www.w3.org/2000/svg";
const FRAME = { left: 52, right: 392, top: 34, bottom: 226 };

// The scale that shows every column of a state.
function chartScale(state) {
  const units = state.terms.units;
  let ms = 500;
  let count = units * 1.6;
  for (const column of state.columns) {
    ms = Math.max(ms, column.elapsed_ms);
    count = Math.max(count, lastCount(column.curve) * 1.06);
  }
  const width = FRAME.right - FRAME.left;
  const height = FRAME.bottom - FRAME.top;
  return {
    ms,
    count,
    units,
    x: (at) => FRAME.left + (at / ms) * width,
    y: (number) => FRAME.bottom - (number / count) * height,
  };
}

function lastCount(curve) {
  return curve.length > 0 ? curve[curve.length - 1][1] : 0;
}

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

function drawChart(svg, column, scale) {
  const parts = axes(column, scale);
  if (column.curve.length > 0) {
    parts.push(...curve(column, scale));
  }
  parts.push(...stockLine(scale));
  const over = lastCount(column.curve) - scale.units;
  // Where there is no room, the verdict above says it alone.
  if (scale.y(scale.units) - scale.y(scale.units + over) > 34) {
    const y = scale.y(scale.units + over * 0.3) + 7;
    const x = Math.max(scale.x(column.elapsed_ms) - 10, FRAME.left + 160);
    const at = { class: "over-label", x, y: Math.max(y, FRAME.top + 16) };
    parts.push(shape("text", { ...at, "text-anchor": "end" }, `${over} too many`));
  }
  svg.replaceChildren(...parts);
  svg.setAttribute("aria-label", description(column, scale));
}

function axes(column, scale) {
  const { left, right, top, bottom } = FRAME;
  const end = scale.x(column.elapsed_ms);
  const anchor = end > (left + right) / 2 ? "end" : "start";
  const time = { x: end, y: bottom + 21, "text-anchor": anchor };
  return [
    shape("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
    shape("text", { x: left - 7, y: bottom + 2, "text-anchor": "end" }, "0"),
    shape("text", { x: 0, y: 18 }, "accepted orders over time"),
    shape("text", time, column.elapsed_ms > 0 ? `${Math.round(column.elapsed_ms)} ms` : ""),
  ];
}

function stockLine(scale) {
  const { left, right } = FRAME;
  const y = scale.y(scale.units);
  const label = `${scale.units} in stock`;
  return [
    shape("path", { class: "stock", d: `M${left} ${y}H${right}` }),
    shape("text", { class: "stock-label", x: left + 8, y: y - 8 }, label),
  ];
}

// The curve, what lies under it, and hatched what lies above the stock.
function curve(column, scale) {
  const y = scale.y;
  const points = column.curve.map(([ms, count]) => `${scale.x(ms)} ${y(count)}`);
  const end = scale.x(column.elapsed_ms);
  const top = `M${scale.x(0)} ${y(0)}L${points.join("L")}H${end}`;
  const id = `above-${column.strategy}`;
  const clip = shape("clipPath", { id });
  const high = { x: 0, y: 0, width: 400, height: Math.max(y(scale.units), 0) };
  clip.append(shape("rect", high));
  const hatch = shape("g", { "clip-path": `url(#${id})` });
  hatch.append(hatching(column.strategy), hatchedArea(column.strategy, `${top}V${y(0)}Z`));
  return [
    clip,
    shape("path", { class: "under", d: `${top}V${y(0)}Z` }),
    hatch,
    shape("path", { class: "sold", d: top }),
    shape("circle", { class: "end", cx: end, cy: y(lastCount(column.curve)), r: 5 }),
  ];
}

function hatching(name) {
  const size = { width: 10, height: 10, patternUnits: "userSpaceOnUse" };
  const turned = { patternTransform: "rotate(45)" };
  const pattern = shape("pattern", { id: `hatch-${name}`, ...size, ...turned });
  pattern.append(shape("path", { class: "hatch", d: "M0 0V10" }));
  return pattern;
}

function hatchedArea(name, d) {
  return shape("path", { class: "hatched", d, fill: `url(#hatch-${name})` });
}

function description(column, scale) {
  const sold = lastCount(column.curve);
  const seconds = (column.elapsed_ms / 1000).toFixed(1);
  return `${column.strategy}: ${sold} accepted in ${seconds} s, ${scale.units} in stock`;
}
