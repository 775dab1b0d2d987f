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

// Whether a step writes, or makes visible, what rests on a number that is not true now.
function isGuilty(transcript, number) {
  const { purpose, buyer } = transcript.steps[number - 1];
  const isStale = belief(transcript, buyer, number - 1)?.stale;
  return (purpose === WRITE && isStale) || losesUpdate(transcript, number - 1);
}

// The lines that do the step that was taken last; none of BEGIN, Redis and the like.
function codeOf(transcript, at) {
  if (transcript.source === null || at === 0) {
    return [];
  }
  const [reads, decides, writes, records] = transcript.source.parts;
  const step = transcript.steps[at - 1];
  if (step.purpose === WRITE || losesUpdate(transcript, at - 1)) {
    return writes;
  }
  if (step.purpose?.startsWith("reads")) {
    return reads;
  }
  if (step.purpose === LOOK_UP) {
    return blockWith(decides, "find_by_key");
  }
  if (step.purpose === RECORD) {
    return records;
  }
  return decision(transcript, at - 1) === null ? [] : blockWith(decides, "> available_units");
}

function drawSource(place, transcript, at) {
  place.hidden = transcript.source === null;
  const code = codeOf(transcript, at);
  const rows = code.map(({ number, text }) => {
    const row = element("span", "row", element("i", "", number), text);
    row.classList.toggle("key", KEY_WORDS.some((words) => text.includes(words)));
    if (text.includes(ABSOLUTE_WRITE) && isGuilty(transcript, at)) {
      row.classList.add("guilty");
      row.append(element("b", "", GUILTY));
    }
    return row;
  });
  const file = element("span", "file", code.length > 0 ? transcript.source.file : "");
  place.replaceChildren(file, ...rows);
}
