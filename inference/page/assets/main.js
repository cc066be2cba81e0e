// The page: a bar with the downloads, files, the text, the table beside it; tabs on a narrow screen.
import { EditDialog, PasteDialog, TokenDialog } from "./dialogs.js";
import { FilePane } from "./files.js";
import { RecordPane } from "./records.js";
import { nonce } from "./settings.js";
import { addFiles, download, finished, lastStep, progress, rowCount, store, undo } from "./store.js";
import { TextPane } from "./text.js";
import { themes, words } from "./theme.js";

const { createApp, h, onMounted, ref, watch } = window.Vue;
const { createVuetify, useDisplay } = window.Vuetify;
const { VAlert, VApp, VAppBar, VAppBarTitle, VBtn, VMain, VSnackbar, VTab, VTabs } =
  window.Vuetify.components;

const FORMATS = { xlsx: "Excel", csv: "CSV", html: "网页" };
const PANES = { files: "文件", text: "原文", records: "记录" };

const Page = {
  setup() {
    const { mdAndUp } = useDisplay();
    const tab = ref("files");
    const editing = ref(null);
    const pasting = ref(false);
    const told = ref(false);

    watch(() => store.current, (file) => { if (file) tab.value = "text"; });
    watch(() => store.notice, (notice) => { told.value = Boolean(notice); });
    onMounted(() => listen());

    const bar = () => h(VAppBar, { density: "compact", flat: true, border: "b", tag: "header" }, () => [
      h(VAppBarTitle, { tag: "h1", text: mdAndUp.value ? "指标：报告变表格" : "指标" }),
      h(VBtn, {
        icon: "mdi-undo", disabled: !lastStep.value, onClick: undo,
        "aria-label": lastStep.value ? `撤销：${lastStep.value}` : "撤销", title: "撤销（Ctrl+Z）",
      }),
      ...Object.entries(FORMATS).map(([format, name]) => h(VBtn, {
        key: format, class: "download", variant: format === "xlsx" ? "flat" : "text", color: "primary",
        disabled: !finished.value.length || Boolean(store.busy), loading: store.busy === format,
        prependIcon: mdAndUp.value ? "mdi-download" : undefined,
        "aria-label": `下载 ${name}`, onClick: () => download(format),
      }, () => name)),
    ]);

    const tabs = () => h(VTabs, {
      modelValue: tab.value, "onUpdate:modelValue": (one) => { tab.value = one; }, grow: true,
      class: "panes-tabs", color: "primary",
    }, () => Object.entries(PANES).map(([value, name]) => h(VTab, {
      key: value, value, id: `tab-${value}`, "aria-controls": `pane-${value}`,
    }, () => value === "records" ? `${name} ${store.current ? rowsOf(store.current) : ""}` : name)));

    const pane = (name, content) => h("section", {
      id: `pane-${name}`, class: ["pane", `pane-${name}`], hidden: !mdAndUp.value && tab.value !== name,
      ...(mdAndUp.value
        ? { "aria-label": PANES[name] }
        : { role: "tabpanel", "aria-labelledby": `tab-${name}` }),
    }, content);

    return () => h(VApp, () => [
      bar(),
      h(VMain, { class: "main" }, () => [
        h("p", { role: "status", "aria-live": "polite", class: "unseen" },
          progress.value && `${progress.value}，共 ${rowCount.value} 条记录`),
        store.error && h(VAlert, {
          type: "error", density: "compact", closable: true, text: store.error, role: "alert",
          closeLabel: "关闭", "onClick:close": () => { store.error = ""; },
        }),
        !mdAndUp.value && finished.value.length ? tabs() : null,
        h("div", { class: ["panes", { fresh: !finished.value.length }] }, [
          pane("files", h(FilePane, { onPaste: () => { pasting.value = true; } })),
          finished.value.length ? pane("text", h(TextPane, {
            onFound: () => { tab.value = "records"; },
          })) : null,
          finished.value.length ? pane("records", h(RecordPane, {
            onPlaced: () => { tab.value = "text"; },
            onEdit: (row) => { editing.value = row; },
          })) : null,
        ]),
      ]),
      h(EditDialog, { row: editing.value, onClose: () => { editing.value = null; } }),
      h(PasteDialog, { open: pasting.value, onClose: () => { pasting.value = false; } }),
      h(TokenDialog),
      h(VSnackbar, {
        modelValue: told.value, timeout: 6000, location: "bottom start", text: store.notice,
        "onUpdate:modelValue": (open) => {
          told.value = open;
          if (!open) store.notice = "";
        },
      }),
    ]);
  },
};

const rowsOf = (file) => file.rows.filter((row) => !row.deleted).length;

function listen() {
  window.addEventListener("beforeunload", (event) => {
    if (store.unsaved) event.preventDefault();
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    // The drop area takes its own; elsewhere the browser would leave the page for the file.
    if (!event.defaultPrevented) addFiles(event.dataTransfer.files);
    event.preventDefault();
  });
  window.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, [role=dialog]");
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing) {
      event.preventDefault();
      undo();
    }
  });
}

const vuetify = createVuetify({
  locale: { locale: "zhHans", fallback: "zhHans", messages: { zhHans: words } },
  theme: { defaultTheme: "system", cspNonce: nonce, themes },
});
createApp(Page).use(vuetify).mount("#app");
