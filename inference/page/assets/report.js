// The text of a report with its highlighted spans. Offsets count code points, strings UTF-16 units.
import { settings } from "./settings.js";

const BLOCK = 4000; // characters that the browser lays out, or leaves out, together

/** Fill an element with the report; `linked` holds the offsets of values that have a row. */
export function renderReport(root, { text, spans }, linked) {
  const blocks = [];
  let block;
  let size;
  const begin = () => {
    block = document.createElement("div");
    block.className = "block";
    blocks.push(block);
    size = 0;
  };
  const write = (piece) => {
    // A block ends at a line end, so that the blocks under each other look like one text.
    let rest = piece;
    while (rest) {
      const end = size + rest.length < BLOCK ? -1 : rest.indexOf("\n", Math.max(0, BLOCK - size));
      const part = end < 0 ? rest : rest.slice(0, end + 1);
      block.append(part);
      size += part.length;
      rest = rest.slice(part.length);
      if (end >= 0) begin();
    }
  };
  begin();
  let point = 0;
  let unit = 0;
  const unitAt = (wanted) => {
    for (; point < wanted; point += 1) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
    return unit;
  };
  let position = 0;
  for (const span of spans) {
    const start = unitAt(span.start);
    const end = unitAt(span.end);
    write(text.slice(position, start));
    const mark = markOf(span, text.slice(start, end), linked.has(span.start));
    block.append(mark);
    size += end - start;
    position = end;
  }
  write(text.slice(position));
  root.replaceChildren(...blocks);
  root.scrollTop = 0;
  const first = root.querySelector("mark.linked");
  if (first) first.tabIndex = 0;
}

function markOf(span, words, linked) {
  const mark = document.createElement("mark");
  mark.className = `l${settings.labels.indexOf(span.label)}`;
  mark.dataset.start = span.start;
  mark.title = `${span.label} · 置信度 ${span.score.toFixed(2)}`;
  mark.textContent = words;
  if (linked) {
    mark.classList.add("linked");
    mark.tabIndex = -1;
    mark.setAttribute("role", "button");
    mark.setAttribute("aria-label", `${words}，找到它的记录`);
  }
  return mark;
}

/** Frame a value and the other words of its row, and bring the value into sight. */
export function placeInReport(root, value, parts) {
  for (const mark of root.querySelectorAll("mark.here, mark.part")) mark.classList.remove("here", "part");
  const at = (start) => root.querySelector(`mark[data-start="${start}"]`);
  for (const start of parts) at(start)?.classList.add("part");
  const mark = at(value);
  if (!mark) return;
  mark.classList.add("here");
  rove(root, mark);
  mark.scrollIntoView({ block: "center" });
}

/** Make one value the only stop of the Tab key in the text. */
export function rove(root, mark) {
  for (const other of root.querySelectorAll("mark.linked[tabindex='0']")) other.tabIndex = -1;
  if (mark.classList.contains("linked")) mark.tabIndex = 0;
}
