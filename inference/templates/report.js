"use strict";
// A row of the records leads to its place in the text, and a value in the text to its row.
// Without this script the links in the rows still jump to the values.
const rows = Array.from(document.getElementById("records").tBodies[0].rows);
const panel = document.querySelector("aside details");
const linkOf = (row) => row.querySelector("a");
const idOf = (row) => linkOf(row).hash.slice(1);

function show(row) {
  for (const mark of document.querySelectorAll("mark.here, mark.part")) {
    mark.classList.remove("here", "part");
  }
  for (const other of rows) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  for (const id of row.dataset.parts.split(" ")) {
    document.getElementById(id)?.classList.add("part");
  }
  const value = document.getElementById(idOf(row));
  value.classList.add("here");
  value.scrollIntoView({ block: "center" });
  row.scrollIntoView({ block: "nearest" });
  history.replaceState(null, "", `#${idOf(row)}`);
}

for (const row of rows) {
  row.addEventListener("click", (event) => {
    event.preventDefault();
    linkOf(row).focus({ preventScroll: true });
    show(row);
  });
  row.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step && rows[rows.indexOf(row) + step];
    if (!next) return;
    event.preventDefault();
    linkOf(next).focus({ preventScroll: true });
    show(next);
  });
  const value = document.getElementById(idOf(row));
  value.classList.add("linked");
  value.addEventListener("click", () => {
    panel.open = true;
    show(row);
  });
}

const wanted = rows.find((row) => idOf(row) === location.hash.slice(1));
if (wanted) show(wanted);
