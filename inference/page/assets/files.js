// Files: where they are dropped, how far each one is, and which report is open.
import { addFiles, failed, finished, open, progress, removeFile, retry, store } from "./store.js";
import { settings } from "./settings.js";

const { computed, h } = window.Vue;
const { VBtn, VFileUpload, VIcon, VProgressCircular, VProgressLinear, VVirtualScroll } =
  window.Vuetify.components;

const STATES = { queued: "等待", reading: "正在读取", done: "完成", failed: "失败" };
const ICONS = { queued: "mdi-clock-outline", done: "mdi-check-circle-outline", failed: "mdi-alert-circle-outline" };

/** The drop zone is the one stop of the Tab key; the library leaves it without a role and a name. */
function nameDropZone({ el }) {
  const zone = el.querySelector(".v-file-upload-dropzone");
  zone.setAttribute("role", "button");
  zone.setAttribute("aria-label", "选择报告文件，可以一次选很多个");
  const input = el.querySelector("input[type=file]");
  input.tabIndex = -1;
  input.ariaHidden = "true";
}

export const FilePane = {
  emits: ["paste"],
  setup(_, { emit }) {
    const share = computed(() => {
      const all = store.files.length;
      return all ? (100 * (finished.value.length + failed.value.length)) / all : 0;
    });

    const upload = () => h(VFileUpload, {
      multiple: true, modelValue: [], density: store.files.length ? "compact" : "default",
      class: "drop", icon: "mdi-file-upload-outline",
      title: store.files.length ? "添加文件" : "把报告拖到这里，或点一下选择文件", hideBrowse: true, hideDetails: true,
      onVnodeMounted: nameDropZone,
      "onUpdate:modelValue": (files) => addFiles([files].flat()),
    });

    const hints = () => [
      h("p", { class: "hint" },
        `可读 ${settings.suffixes.join(" ")}，一次可以放很多个。文件只交给这个服务，不会传到别处。`),
    ];

    const state = (file) => file.status === "reading"
      ? h(VProgressCircular, { indeterminate: true, size: 18, width: 2, "aria-label": "正在读取" })
      : h(VIcon, { icon: ICONS[file.status], color: file.status === "failed" ? "error" : undefined, size: "small" });

    const about = (file) => {
      if (file.status !== "done") return file.message ? `失败：${file.message}` : STATES[file.status];
      const rows = file.rows.filter((row) => !row.deleted).length;
      return `${file.report.text.length.toLocaleString()} 字，${rows} 条记录`;
    };

    const entry = (file) => h("div", { class: ["file", file.status, { current: file === store.current }] }, [
      state(file),
      h("div", { class: "file-words" }, [
        file.status === "done"
          ? h("button", {
            type: "button", class: "file-name", onClick: () => open(file),
            "aria-current": file === store.current ? "true" : undefined,
          }, file.name)
          : h("span", { class: "file-name" }, file.name),
        h("small", about(file)),
        ...file.warnings.map((warning) => h("small", { class: "warning" }, warning)),
        file.status === "failed"
          ? h(VBtn, { size: "small", variant: "tonal", "aria-label": `重试：${file.name}`, onClick: () => retry([file]) }, () => "重试")
          : null,
      ]),
      h(VBtn, {
        icon: "mdi-close", size: "x-small", variant: "text", "aria-label": `移除：${file.name}`,
        disabled: file.status === "reading", onClick: () => removeFile(file),
      }),
    ]);

    return () => [
      upload(),
      h(VBtn, { block: true, variant: "tonal", prependIcon: "mdi-content-paste", onClick: () => emit("paste") },
        () => "粘贴文字"),
      ...(store.files.length ? [] : hints()),
      ...(store.files.length ? [
        h(VProgressLinear, { modelValue: share.value, color: "primary", rounded: true, "aria-label": "读取进度" }),
        h("p", { class: "progress" }, [
          progress.value,
          failed.value.length > 1
            ? h(VBtn, { size: "small", variant: "text", onClick: () => retry(failed.value) }, () => "重试全部失败的")
            : null,
        ]),
        h(VVirtualScroll, { items: store.files, itemKey: "key", itemHeight: 60, class: "file-list" }, {
          default: ({ item }) => entry(item),
        }),
      ] : []),
    ];
  },
};
