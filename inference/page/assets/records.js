// The table of the open report: one page of rows at a time; a row leads to its place in the text.
import { CHOICES, confidenceOf, isEdited, originalOf, shownOf, summaryOf, wordsOf } from "./rows.js";
import { settings } from "./settings.js";
import { deleteRow, select, store } from "./store.js";

const { computed, h, nextTick, ref, watch } = window.Vue;
const { VBtn, VDataTableServer, VIcon, VSelect, VTextField } = window.Vuetify.components;

const PAGE = 100;
const SHOWN = [
  { title: "全部", value: "all" },
  { title: `低于 ${settings.fair}`, value: "doubtful" },
  { title: "改过的", value: "edited" },
];
const HEADERS = [
  ...["year", "indicator", "value", "subject", "measure"].map((key) => ({ key, title: settings.fields[key] })),
  { key: "confidence", title: "置信度" },
];
const order = new Intl.Collator("zh-CN", { numeric: true });

export const RecordPane = {
  emits: ["placed", "edit"],
  setup(_, { emit }) {
    const page = ref(1);
    const sorted = ref({ key: "", down: false });
    const search = ref("");
    const shown = ref("all");

    const found = computed(() => {
      const wanted = (search.value ?? "").trim();
      const rows = (store.current?.rows ?? []).filter((row) => !row.deleted && isShown(row, shown.value)
        && (!wanted || settings.editable.some((field) => shownOf(row, field).includes(wanted))));
      const { key, down } = sorted.value;
      if (!key) return rows;
      const sign = down ? -1 : 1;
      return rows.sort((a, b) => sign * order.compare(sortKey(a, key), sortKey(b, key)));
    });
    const items = computed(() => found.value.slice((page.value - 1) * PAGE, page.value * PAGE));

    watch(() => store.current, () => { page.value = 1; search.value = ""; shown.value = "all"; });
    watch([search, shown], () => { page.value = 1; });
    // The row may be filtered out, or on another page of the table.
    watch(() => store.selections, async () => {
      const { row, focus } = store;
      if (!row || row.deleted) return;
      if (!found.value.includes(row)) { search.value = ""; shown.value = "all"; }
      await nextTick();
      page.value = Math.floor(found.value.indexOf(row) / PAGE) + 1;
      await nextTick();
      const shownRow = document.querySelector("#records tr[aria-current]");
      shownRow?.scrollIntoView({ block: "nearest" });
      if (focus) shownRow?.querySelector(focus)?.focus();
    }, { flush: "post" });

    function place(row) {
      select(row);
      emit("placed");
    }
    function step(event, row) {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = found.value[found.value.indexOf(row) + by];
      if (next) select(next, ".value");
    }
    function remove(row) {
      const place = found.value.indexOf(row);
      deleteRow(row);
      select(found.value[place] ?? found.value[place - 1] ?? null, ".delete");
    }

    // Up, down, and back to the order of the text.
    function sort(key) {
      const { key: before, down } = sorted.value;
      if (before !== key) sorted.value = { key, down: false };
      else sorted.value = down ? { key: "", down: false } : { key, down: true };
      page.value = 1;
    }
    const headRow = () => h("tr", [
      ...HEADERS.map(({ key, title }) => {
        const { key: by, down } = sorted.value;
        const direction = down ? "descending" : "ascending";
        return h("th", { key, scope: "col", class: `head-${key}`, "aria-sort": by === key ? direction : undefined },
          h("button", { type: "button", class: "sort", title: `按${title}排序`, onClick: () => sort(key) },
            [title, by === key ? h(VIcon, { size: "x-small", icon: down ? "mdi-arrow-down" : "mdi-arrow-up" }) : null]));
      }),
      h("th", { scope: "col", class: "actions" }, "操作"),
    ]);

    const cell = (row, fields, content, more = {}) => {
      const typed = fields.filter((field) => field in row.edited);
      const was = typed.map((field) => `${settings.fields[field]}原为${shownOf(row, field, originalOf(row, field)) || "空"}`);
      return h("td", { ...more, class: [more.class, { edited: typed.length }], title: was.join("；") || undefined }, [
        ...[content].flat(), typed.length ? h("span", { class: "edit-sign", role: "img", "aria-label": was.join("；") }, "改") : null,
      ]);
    };

    const rowOf = (row, number) => {
      const confidence = confidenceOf(row);
      const current = row === store.row;
      const stop = current || (number === 0 && !items.value.includes(store.row)) ? 0 : -1;
      const bound = wordsOf(row, "bound");
      const { notes } = row.record;
      return h("tr", {
        key: row.number, "aria-current": current ? "true" : undefined, onClick: () => place(row),
        onKeydown: (event) => step(event, row),
      }, [
        cell(row, ["year"], wordsOf(row, "year") || "—"),
        cell(row, ["indicator", "qualifier"], [wordsOf(row, "indicator") || "—",
          wordsOf(row, "qualifier") ? h("small", wordsOf(row, "qualifier")) : null,
          ...notes.map((note) => h("small", { class: "note" }, note))]),
        cell(row, ["value", "unit", "bound"], h("button", {
          type: "button", class: "value", tabindex: stop, "aria-label": `在原文中定位：${summaryOf(row)}`,
          onClick: (event) => { event.stopPropagation(); place(row); },
        }, `${bound === "eq" ? "" : `${CHOICES.bound[bound]} `}${wordsOf(row, "value")}${wordsOf(row, "unit")}`)),
        cell(row, ["subject"], wordsOf(row, "subject") || "—"),
        cell(row, ["measure", "status"], shownOf(row, "measure")
          + (wordsOf(row, "status") === "target" ? `·${CHOICES.status.target}` : "")),
        h("td", { class: ["number", levelOf(confidence)] }, confidence === null ? "" : confidence.toFixed(2)),
        h("td", { class: "actions" }, [
          h(VBtn, {
            icon: "mdi-pencil-outline", size: "x-small", variant: "text", tabindex: stop, class: "edit",
            "aria-label": `修改：${summaryOf(row)}`,
            onClick: (event) => { event.stopPropagation(); select(row); emit("edit", row); },
          }),
          h(VBtn, {
            icon: "mdi-delete-outline", size: "x-small", variant: "text", tabindex: stop, class: "delete",
            "aria-label": `删除：${summaryOf(row)}`,
            onClick: (event) => { event.stopPropagation(); remove(row); },
          }),
        ]),
      ]);
    };

    return () => [
      h("div", { class: "tools" }, [
        h(VTextField, {
          modelValue: search.value, "onUpdate:modelValue": (words) => { search.value = words; },
          label: "筛选记录", density: "compact", variant: "outlined", hideDetails: true, clearable: true,
          prependInnerIcon: "mdi-magnify",
        }),
        h(VSelect, {
          modelValue: shown.value, "onUpdate:modelValue": (one) => { shown.value = one; }, items: SHOWN,
          label: "显示", density: "compact", variant: "outlined", hideDetails: true, class: "shown",
        }),
      ]),
      h(VDataTableServer, {
        id: "records", headers: HEADERS, items: items.value, itemsLength: found.value.length,
        page: page.value, itemsPerPage: PAGE, itemsPerPageOptions: [PAGE],
        density: "compact", fixedHeader: true, hover: true, noDataText: "没有记录",
        "onUpdate:page": (number) => { page.value = number; },
        hideDefaultFooter: found.value.length <= PAGE,
      }, { headers: headRow, item: ({ item, index }) => rowOf(item, index) }),
    ];
  },
};

function isShown(row, shown) {
  if (shown === "edited") return isEdited(row);
  // A corrected row stays in sight of whoever works through the doubtful ones.
  return shown === "all" || Object.values(row.record.confidence).some((one) => one < settings.fair);
}

function sortKey(row, key) {
  if (key === "confidence") return String(confidenceOf(row) ?? "");
  return key === "value" ? wordsOf(row, "value") : shownOf(row, key);
}

function levelOf(confidence) {
  if (confidence === null || confidence >= settings.fair) return "";
  return confidence < settings.low ? "low" : "fair";
}
