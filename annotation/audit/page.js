"use strict";
// Shows the findings that have one of the chosen kinds and one of the chosen labels.
const articles = Array.from(document.querySelectorAll("article"));
const boxes = Array.from(document.querySelectorAll("input[type=checkbox]"));
const count = document.getElementById("count");
function chosen(name) {
  return new Set(boxes.filter((box) => box.name === name && box.checked).map((box) => box.value));
}
function meets(wanted, found) {
  // A finding about a whole report has no label, and no label filter speaks about it.
  return found === "" || found.split(" ").some((word) => wanted.has(word));
}
function show() {
  const kinds = chosen("kind");
  const labels = chosen("label");
  let visible = 0;
  for (const article of articles) {
    const fits = meets(kinds, article.dataset.kinds) && meets(labels, article.dataset.labels);
    article.hidden = !fits;
    visible += fits ? 1 : 0;
  }
  count.textContent = String(visible);
}
for (const box of boxes) box.addEventListener("change", show);
show();
