// The dialogs: correct a row, paste a text, give the token.
import { CHOICES, originalOf, shownOf, wordsOf } from "./rows.js";
import { settings } from "./settings.js";
import { addText, editRow, giveToken, store } from "./store.js";

const { computed, h, reactive, ref, watch } = window.Vue;
const { VBtn, VCard, VCardActions, VCardText, VCardTitle, VDialog, VSelect, VSpacer, VTextarea, VTextField } =
  window.Vuetify.components;

const AROUND = 60;

/** A form in a dialog; Enter in a field submits, Escape closes, and the focus goes back. */
const FormDialog = {
  props: { open: Boolean, title: String, width: Number, ok: String, disabled: Boolean },
  emits: ["submit", "close"],
  setup(props, { emit, slots }) {
    let opener = null;
    watch(() => props.open, (opened) => { if (opened) opener = document.activeElement; }, { flush: "sync" });
    return () => h(VDialog, {
      modelValue: props.open, maxWidth: props.width, "aria-label": props.title,
      onAfterEnter: () => document.querySelector("[role=dialog] .first :is(input, textarea)")?.focus(),
      onAfterLeave: () => opener?.focus(),
      "onUpdate:modelValue": (still) => { if (!still) emit("close"); },
    }, () => h("form", {
      onSubmit: (event) => { event.preventDefault(); if (!props.disabled) emit("submit"); },
    }, h(VCard, () => [
      h(VCardTitle, { tag: "h2" }, () => props.title),
      h(VCardText, () => slots.default()),
      h(VCardActions, () => [
        h(VSpacer),
        h(VBtn, { type: "button", onClick: () => emit("close") }, () => "取消"),
        h(VBtn, { type: "submit", color: "primary", variant: "flat", disabled: props.disabled }, () => props.ok),
      ]),
    ])));
  },
};

export const EditDialog = {
  props: { row: Object },
  emits: ["close"],
  setup(props, { emit }) {
    const typed = reactive({});
    watch(() => props.row, (row) => {
      if (row) for (const field of settings.editable) typed[field] = wordsOf(row, field);
    });
    const context = computed(() => {
      if (!props.row) return [];
      const { start, end, text } = props.row.record.value;
      const points = Array.from(store.current.report.text.slice(0, 2 * (end + AROUND)));
      const part = (from, to) => points.slice(Math.max(0, from), to).join("").replace(/\s+/g, " ");
      return [`…${part(start - AROUND, start)}`, h("strong", text), `${part(end, end + AROUND)}…`];
    });
    const field = (name) => {
      const original = originalOf(props.row, name);
      const changed = typed[name]?.trim() !== original;
      const common = {
        key: name, label: settings.fields[name], modelValue: typed[name], density: "compact", variant: "outlined",
        "onUpdate:modelValue": (words) => { typed[name] = words ?? ""; }, name, maxlength: 200,
        persistentHint: changed, hint: changed ? `原为${shownOf(props.row, name, original) || "空"}` : undefined,
        hideDetails: !changed, class: { first: name === "indicator" },
      };
      if (!(name in CHOICES)) return h(VTextField, common);
      const items = Object.entries(CHOICES[name]).map(([value, title]) => ({ value, title }));
      return h(VSelect, { ...common, items });
    };
    function submit() {
      editRow(props.row, { ...typed });
      emit("close");
    }
    return () => h(FormDialog, {
      open: Boolean(props.row), title: "修改记录", width: 640, ok: "保存", disabled: !typed.value?.trim(),
      onSubmit: submit, onClose: () => emit("close"),
    }, () => props.row ? [
      h("p", { class: "context" }, context.value),
      h("div", { class: "fields" }, settings.editable.map(field)),
    ] : []);
  },
};

export const PasteDialog = {
  props: { open: Boolean },
  emits: ["close"],
  setup(props, { emit }) {
    const text = ref("");
    function submit() {
      addText(text.value);
      text.value = "";
      emit("close");
    }
    return () => h(FormDialog, {
      open: props.open, title: "粘贴文字", width: 760, ok: "读取", disabled: !text.value.trim(),
      onSubmit: submit, onClose: () => emit("close"),
    }, () => h(VTextarea, {
      modelValue: text.value, "onUpdate:modelValue": (words) => { text.value = words; }, label: "报告的文字",
      rows: 12, variant: "outlined", class: "first", hideDetails: true,
    }));
  },
};

export const TokenDialog = {
  setup() {
    const token = ref("");
    function submit() {
      giveToken(token.value);
      token.value = "";
    }
    return () => h(FormDialog, {
      open: store.tokenWanted, title: "需要口令", width: 480, ok: "继续", disabled: !token.value.trim(),
      onSubmit: submit, onClose: () => { store.tokenWanted = false; },
    }, () => [
      h("p", "请向服务的管理员要口令。它只留在这个网页里，关掉就没有了。"),
      h(VTextField, {
        modelValue: token.value, "onUpdate:modelValue": (words) => { token.value = words; }, label: "口令",
        type: "password", autocomplete: "off", variant: "outlined", class: "first", hideDetails: true,
      }),
    ]);
  },
};
