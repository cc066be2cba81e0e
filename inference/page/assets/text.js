// The text pane: legend that filters, and the report; arrow keys go from value to value.
import { placeInReport, renderReport, rove } from "./report.js";
import { partsOf } from "./rows.js";
import { settings } from "./settings.js";
import { select, store } from "./store.js";

const { computed, h, nextTick, onMounted, reactive, ref, watch } = window.Vue;
const { VBtn } = window.Vuetify.components;

export const TextPane = {
  emits: ["found"],
  setup(_, { emit }) {
    const root = ref(null);
    const hidden = reactive(new Set());
    const counts = computed(() => {
      const found = Object.fromEntries(settings.labels.map((label) => [label, 0]));
      for (const span of store.current?.report.spans ?? []) found[span.label] += 1;
      return found;
    });

    function render() {
      const { current } = store;
      if (!root.value || !current) return;
      renderReport(root.value, current.report, new Set(current.rows.map((row) => row.record.value.start)));
    }
    function place() {
      if (root.value && store.row) placeInReport(root.value, store.row.record.value.start, partsOf(store.row));
    }
    onMounted(() => { render(); place(); });
    watch(() => store.current, render, { flush: "post" });
    // A report on a hidden tab cannot scroll: the pane is shown first.
    watch(() => [store.row, store.row?.edited], () => nextTick(place), { flush: "post" });

    function find(mark) {
      const start = Number(mark.dataset.start);
      const row = store.current.rows.find((one) => one.record.value.start === start && !one.deleted);
      if (!row) {
        store.notice = "这个数的记录已经删除；可以撤销";
        return;
      }
      emit("found");
      select(row, ".value");
    }
    function onKeydown(event) {
      const mark = event.target.closest("mark.linked");
      if (!mark) return;
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        find(mark);
        return;
      }
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const all = [...root.value.querySelectorAll("mark.linked")];
      const next = all[all.indexOf(mark) + step];
      if (!next) return;
      rove(root.value, next);
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    }
    function toggle(label) {
      if (!hidden.delete(label)) hidden.add(label);
    }

    return () => [
      h("h2", { class: "pane-title" }, store.current?.name ?? ""),
      h("div", { class: "legend", role: "group", "aria-label": "按标签筛选" }, settings.labels.map((label, place) =>
        h(VBtn, {
          key: label, size: "small", variant: "outlined", class: { off: hidden.has(label) },
          "aria-pressed": String(!hidden.has(label)), onClick: () => toggle(label),
          prependIcon: hidden.has(label) ? "mdi-checkbox-blank-outline" : "mdi-checkbox-marked",
        }, () => [h("span", { class: `key l${place}` }, label), ` ${counts.value[label]}`]))),
      h("div", {
        ref: root, id: "report", tabindex: 0, role: "region", "aria-label": "报告原文",
        class: ["report", ...settings.labels.map((label, place) => (hidden.has(label) ? `hide-${place}` : ""))],
        onClick: (event) => {
          const mark = event.target.closest("mark.linked");
          if (mark) find(mark);
        },
        onKeydown,
      }),
    ];
  },
};
