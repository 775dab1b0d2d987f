"use strict";
// Draws accepted units over time against the line of what was in stock. All columns
// share one scale, so that they can be compared at a glance.

const SVG = "http://www.w3.org/2000/svg";
const FRAME = { left: 62, top: 34, bottom: 226 };

// The scale that shows every column of a state; its top is a number that can be read.
function chartScale({ terms: { units }, columns }) {
  const ms = Math.max(500, ...columns.map((column) => column.elapsed_ms));
  const most = Math.max(...columns.map((column) => lastCount(column.curve)));
  const count = roundedUp(Math.max(units * 1.5, most));
  // Four columns are narrow ones.
  const right = columns.length > 3 ? 292 : 392;
  const width = right - FRAME.left;
  const height = FRAME.bottom - FRAME.top;
  return {
    ms,
    count,
    units,
    right,
    x: (at) => FRAME.left + (at / ms) * width,
    y: (number) => FRAME.bottom - (number / count) * height,
  };
}

function roundedUp(number) {
  const size = 10 ** Math.floor(Math.log10(number));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((it) => it * size >= number) * size;
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
  parts.push(stockLine(scale), ...overLabel(column, scale));
  svg.setAttribute("viewBox", `0 0 ${scale.right + 8} 254`);
  svg.replaceChildren(...parts);
  svg.setAttribute("aria-label", description(column, scale));
}

function axes(column, scale) {
  const { left, top, bottom } = FRAME;
  const { right } = scale;
  const end = scale.x(column.elapsed_ms);
  const anchor = end > (left + right) / 2 ? "end" : "start";
  const time = { x: end, y: bottom + 22, "text-anchor": anchor };
  const stock = scale.y(scale.units);
  const tick = (y, text, name) =>
    shape("text", { class: name, x: left - 7, y: y + 6, "text-anchor": "end" }, text);
  const ticks = [tick(stock, scale.units, "stock-label"), tick(top, scale.count, "top")];
  if (bottom - stock > 17) {
    ticks.push(tick(bottom, 0, "zero"));
  }
  return [
    shape("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
    ...ticks,
    shape("text", { x: 0, y: 16 }, "accepted orders"),
    shape("path", { class: "stock", d: `M${right - 120} 11H${right - 90}` }),
    shape("text", { x: right, y: 16, "text-anchor": "end" }, "in stock"),
    shape("text", time, column.elapsed_ms > 0 ? `${Math.round(column.elapsed_ms)} ms` : ""),
  ];
}

function stockLine(scale) {
  const y = scale.y(scale.units);
  return shape("path", { class: "stock", d: `M${FRAME.left} ${y}H${scale.right}` });
}

// Where it does not lie on the curve; where there is no such place, the verdict says it.
function overLabel(column, scale) {
  const over = lastCount(column.curve) - scale.units;
  if (over <= 0) {
    return [];
  }
  const text = `${over} too many`;
  const width = text.length * 12;
  const end = scale.x(column.elapsed_ms) - 10;
  const low = scale.y(scale.units) - 10;
  const height = (at) => scale.y(Math.max(0, ...column.curve
    .filter(([ms]) => scale.x(ms) <= at).map(([, count]) => count)));
  if (end - width > FRAME.left && height(end - width) < low - 24) {
    const at = { class: "over-label", x: end, y: low, "text-anchor": "end" };
    return [shape("text", at, text)];
  }
  const x = FRAME.left + 10;
  const isFree = height(x + width) > FRAME.top + 34;
  return isFree ? [shape("text", { class: "over-label", x, y: FRAME.top + 22 }, text)] : [];
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
