"use strict";
// The lines of a strategy that do a step, as they stand in the workspace. In an oversell
// one of them is marked.

const ABSOLUTE_WRITE = "available_units.eq(";
const GUILTY = "✗ writes over what the other sold";

// What stays where there is little room.
const KEY_WORDS = ["read_stock(", ".for_update()", "find_by_key", "> available_units",
  ABSOLUTE_WRITE, "orders::insert("];

// From the line with these words to the end of its block; all where there is none.
function blockWith(lines, words) {
  const begin = lines.findIndex(({ text }) => text.includes(words));
  const end = lines.findIndex(({ text }, place) => place > begin && text === "}");
  return begin < 0 || end < 0 ? lines : lines.slice(begin, end + 1);
}

// The lines that do a step; none of BEGIN, Redis and the like.
function linesOf({ purpose, loses, decision }, [reads, decides, writes, records]) {
  const lines = {
    [WRITE]: writes,
    [RECORD]: records,
    [LOOK_UP]: blockWith(decides, "find_by_key"),
  };
  if (loses || purpose?.startsWith("reads")) {
    return loses ? writes : reads;
  }
  const decided = decision === "" ? [] : blockWith(decides, "> available_units");
  return lines[purpose] ?? decided;
}

function codeOf(step, { file, parts }) {
  const lines = linesOf(step, parts);
  // It writes, or makes visible, what rests on a number that is not true now.
  const isGuilty = step.loses || (step.purpose === WRITE && step.held?.stale);
  const rows = lines.map(({ number, text }) => {
    const row = element("span", "row", element("i", "", number), text);
    row.classList.toggle("key", KEY_WORDS.some((words) => text.includes(words)));
    if (isGuilty && text.includes(ABSOLUTE_WRITE)) {
      row.classList.add("guilty");
      row.append(element("b", "", GUILTY));
    }
    return row;
  });
  return lines.length > 0 ? [element("span", "file", file), ...rows] : [];
}
