"use strict";
// Choosing, sorting and paging of cards; without this script the page simply shows everything.
// A select or a set of boxes with data-by="x" chooses by the words of a card's data-x.
const filters = document.getElementById("filters");
if (filters) {
  const SIZE = 50;
  const list = document.querySelector("main");
  const items = Array.from(document.querySelectorAll(".error"), (node, place) => ({
    node, place, kind: node.dataset.kind, sure: Number(node.dataset.sure),
  }));
  const get = (id) => document.getElementById(id);
  const choosers = Array.from(filters.querySelectorAll("[data-by]"));
  const boxes = (fieldset) => Array.from(fieldset.querySelectorAll("input"));
  // The words one of which a card must have; null when every card will do.
  const wanted = (chooser) => {
    if (chooser.tagName === "SELECT") return chooser.value ? new Set([chooser.value]) : null;
    return new Set(boxes(chooser).filter((box) => box.checked).map((box) => box.value));
  };
  const kinds = boxes(filters.querySelector("fieldset[data-by=kind]")).map((box) => box.value);
  const orders = {
    place: (a, b) => a.place - b.place,
    sure: (a, b) => b.sure - a.sure || a.place - b.place,
    unsure: (a, b) => a.sure - b.sure || a.place - b.place,
    kind: (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || b.sure - a.sure
      || a.place - b.place,
  };
  let page = 0;
  const show = () => {
    const chosen = choosers.map((chooser) => [chooser.dataset.by, wanted(chooser)])
      .filter(([, words]) => words);
    const least = Number(get("least").value || 0);
    const most = get("most").value === "" ? 1 : Number(get("most").value);
    const left = items.filter((item) => item.sure >= least && item.sure <= most
      && chosen.every(([by, words]) => item.node.dataset[by].split(" ")
        .some((word) => words.has(word))));
    left.sort(orders[get("order").value]);
    const last = Math.max(0, Math.ceil(left.length / SIZE) - 1);
    page = Math.min(Math.max(page, 0), last);
    const now = left.slice(page * SIZE, (page + 1) * SIZE);
    for (const item of items) item.node.hidden = true;
    for (const item of now) {
      item.node.hidden = false;
      list.append(item.node);
    }
    get("count").textContent = `${left.length} / ${items.length} 处，第 ${page + 1} / ${last + 1} 页`;
    get("back").disabled = page === 0;
    get("next").disabled = page === last;
  };
  const turn = (by) => { page += by; show(); get("pages").scrollIntoView(); };
  get("back").addEventListener("click", () => turn(-1));
  get("next").addEventListener("click", () => turn(1));
  filters.hidden = false;
  get("pages").hidden = false;
  filters.addEventListener("input", () => { page = 0; show(); });
  filters.addEventListener("submit", (event) => event.preventDefault());
  show();
}
