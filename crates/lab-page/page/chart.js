"use strict";
// Draws accepted units over time against the line of what was in stock. All columns
// share one scale, so that they can be compared at a glance.

const FRAME = { left: 62, top: 34, bottom: 226 };

// The scale that shows all these columns; its top is a number that can be read.
function chartScale({ units }, columns) {
  const ms = Math.max(500, ...columns.map((column) => column.elapsed_ms));
  const most = Math.max(...columns.map((column) => lastCount(column.curve)));
  const count = roundedUp(Math.max(units * 1.5, most));
  // Four columns are narrow ones.
  const right = columns.length > 3 ? 292 : 392;
  return {
    ms,
    count,
    units,
    right,
    x: (at) => FRAME.left + (at / ms) * (right - FRAME.left),
    y: (number) => FRAME.bottom - (number / count) * (FRAME.bottom - FRAME.top),
  };
}

function roundedUp(number) {
  const size = 10 ** Math.floor(Math.log10(number));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((it) => it * size >= number) * size;
}

function lastCount(curve) {
  return curve.at(-1)?.[1] ?? 0;
}

// The shapes stand in the template; each has its class.
function drawChart(svg, column, scale) {
  const { left, top, bottom } = FRAME;
  const { x, y, right } = scale;
  const { strategy, curve, elapsed_ms } = column;
  const [end, stock, sold] = [x(elapsed_ms), y(scale.units), lastCount(curve)];
  const points = curve.map(([ms, count]) => `L${x(ms)} ${y(count)}`).join("");
  const line = points === "" ? "" : `M${left} ${bottom}${points}H${end}`;
  const area = points === "" ? "" : `${line}V${bottom}Z`;
  const shapes = {
    axis: { d: `M${left} ${top}V${bottom}H${right}` },
    "stock-label": { y: stock + 6, text: scale.units },
    top: { text: scale.count },
    zero: { text: bottom - stock > 17 ? 0 : "" },
    time: {
      x: end,
      "text-anchor": end > (left + right) / 2 ? "end" : "start",
      text: elapsed_ms > 0 ? `${Math.round(elapsed_ms)} ms` : "",
    },
    under: { d: area },
    above: { height: Math.max(stock, 0) },
    hatched: { d: area },
    sold: { d: line },
    end: { cx: end, cy: y(sold), r: points === "" ? 0 : 5 },
    level: { d: `M${left} ${stock}H${right}` },
    "over-label": overLabel(column, scale),
  };
  for (const [name, { text = "", ...attributes }] of Object.entries(shapes)) {
    const shape = svg.querySelector(`.${name}`);
    Object.entries(attributes).forEach(([key, value]) => shape.setAttribute(key, value));
    if (shape.localName === "text") {
      shape.textContent = text;
    }
  }
  const seconds = (elapsed_ms / 1000).toFixed(1);
  const words = `${strategy}: ${sold} accepted in ${seconds} s, ${scale.units} in stock`;
  svg.setAttribute("aria-label", words);
  svg.setAttribute("viewBox", `0 0 ${right + 8} 254`);
}

// Where it does not lie on the curve; where there is no such place, the verdict says it.
function overLabel({ curve, elapsed_ms }, { x, y, units }) {
  const text = `${lastCount(curve) - units} too many`;
  const width = text.length * 12;
  const height = (at) => y(lastCount(curve.filter(([ms]) => x(ms) <= at)));
  const [begin, end, low] = [FRAME.left + 10, x(elapsed_ms) - 10, y(units) - 10];
  if (lastCount(curve) <= units) {
    return {};
  }
  if (end - width > FRAME.left && height(end - width) < low - 24) {
    return { x: end, y: low, "text-anchor": "end", text };
  }
  const isFree = height(begin + width) > FRAME.top + 34;
  return isFree ? { x: begin, y: FRAME.top + 22, "text-anchor": "start", text } : {};
}
