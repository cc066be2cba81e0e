// What the page holds: files in their queue, reports with rows, and the steps that can be undone.
import { cleanEdits, makeRow, summaryOf } from "./rows.js";
import { exported, read, setToken } from "./service.js";

const { computed, markRaw, reactive } = window.Vue;

const AT_ONCE = 2;

export const store = reactive({
  files: [],
  current: null,
  row: null,
  focus: "",
  selections: 0,
  tokenWanted: false,
  unsaved: 0,
  busy: "",
  notice: "",
  error: "",
});

let counter = 0;
let pasted = 0;
const steps = reactive([]);

export const lastStep = computed(() => steps.at(-1)?.name ?? "");
export const finished = computed(() => store.files.filter((file) => file.status === "done"));
export const failed = computed(() => store.files.filter((file) => file.status === "failed"));
export const rowCount = computed(() =>
  finished.value.reduce((sum, file) => sum + file.rows.filter((row) => !row.deleted).length, 0));
export const progress = computed(() => {
  const done = finished.value.length + failed.value.length;
  const all = store.files.length;
  const bad = failed.value.length ? `，${failed.value.length} 份失败` : "";
  if (!all) return "";
  return done === all ? `全部读完：${all} 份${bad}` : `正在读取：${done} / ${all} 份${bad}`;
});

function newFile(name, source) {
  return reactive({ key: ++counter, name, ...source, status: "queued", message: "", report: null,
    rows: [], warnings: [] });
}

export function addFiles(files) {
  for (const file of files) store.files.push(newFile(file.name, { file: markRaw(file) }));
  pump();
}

export function addText(text) {
  pasted += 1;
  store.files.push(newFile(`粘贴的文字 ${pasted}`, { text }));
  pump();
}

export function retry(files) {
  for (const file of files) {
    file.status = "queued";
    file.message = "";
  }
  pump();
}

export function giveToken(token) {
  setToken(token);
  store.tokenWanted = false;
  retry(failed.value.filter((file) => file.code === 401));
}

export function removeFile(file) {
  const place = store.files.indexOf(file);
  const rows = file.rows.filter((row) => row.deleted || Object.keys(row.edited).length).length;
  store.files.splice(place, 1);
  store.unsaved -= Math.min(rows, store.unsaved);
  if (store.current === file) open(finished.value[0] ?? null);
  did(`移除“${file.name}”`, () => {
    store.files.splice(place, 0, file);
    store.unsaved += rows;
    open(file.report ? file : store.current);
    pump();
  });
}

function pump() {
  const reading = store.files.filter((file) => file.status === "reading").length;
  const queued = store.files.filter((file) => file.status === "queued");
  for (const file of queued.slice(0, Math.max(0, AT_ONCE - reading))) readOne(file);
}

async function readOne(file) {
  file.status = "reading";
  try {
    settle(file, await read(file));
  } catch (error) {
    file.status = "failed";
    file.message = error.message;
    file.code = error.status;
    if (error.status === 401) store.tokenWanted = true;
  }
  pump();
}

/** A file with several reports becomes as many entries. */
function settle(file, { results, warnings }) {
  file.warnings = warnings;
  const [first, ...others] = results;
  if (!first) throw new Error("文件里没有报告");
  fill(file, first, results.length > 1 ? `${file.name}：${first.id}` : file.name);
  const more = others.map((result) => {
    const entry = newFile("", { file: file.file });
    fill(entry, result, `${file.name}：${result.id}`);
    return entry;
  });
  const place = store.files.indexOf(file);
  if (place >= 0) store.files.splice(place + 1, 0, ...more);
  if (!store.current && file.status === "done" && place >= 0) open(file);
}

function fill(file, result, name) {
  file.name = name;
  if (result.error) {
    const { message } = result.error;
    file.status = "failed";
    file.message = message ?? String(result.error);
    return;
  }
  file.report = markRaw(result);
  file.rows = result.records.map((record, place) => makeRow(record, place + 1));
  file.status = "done";
}

export function open(file) {
  store.current = file;
  store.row = null;
}

/** Make a row the current one; `focus` selects what in it the keyboard goes to, if anything. */
export function select(row, focus = "") {
  store.row = row;
  store.focus = focus;
  store.selections += 1;
}

function did(name, undo) {
  steps.push(markRaw({ name, undo }));
  store.notice = name;
}

export function undo() {
  const step = steps.pop();
  if (!step) return;
  step.undo();
  store.notice = `已撤销：${step.name}`;
}

export function editRow(row, typed) {
  const before = row.edited;
  const after = cleanEdits(row, typed);
  if (JSON.stringify(before) === JSON.stringify(after)) return;
  change(row, `修改“${summaryOf(row)}”`, () => { row.edited = after; }, () => { row.edited = before; });
}

export function deleteRow(row) {
  change(row, `删除“${summaryOf(row)}”`, () => { row.deleted = true; }, () => { row.deleted = false; });
}

function change(row, name, act, unact) {
  const file = store.current;
  act();
  store.unsaved += 1;
  did(name, () => {
    unact();
    store.unsaved += store.unsaved ? -1 : 1;
    if (store.current !== file) open(file);
    select(row);
  });
}

/** Everything on the page, as the service wants it for a download. */
function payload() {
  const taken = new Map();
  const named = (name) => {
    const count = (taken.get(name) ?? 0) + 1;
    taken.set(name, count);
    return count === 1 ? name : named(`${name} (${count})`);
  };
  const reports = finished.value.map(({ name, report, rows }) => ({
    ...report,
    id: named(name.slice(0, 200)),
    source: report.source.slice(0, 300),
    records: rows.filter((row) => !row.deleted).map(({ record, edited }) => ({ ...record, edited })),
  }));
  return { reports, failures: failed.value.map(({ name, message }) => `${name}：${message}`) };
}

export async function download(format) {
  store.busy = format;
  store.error = "";
  try {
    const unsaved = store.unsaved;
    const { blob, name } = await exported(format, payload());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    store.unsaved = Math.max(0, store.unsaved - unsaved);
    store.notice = `已下载 ${name}`;
  } catch (error) {
    store.error = `没有下载成：${error.message}`;
    if (error.status === 401) store.tokenWanted = true;
  } finally {
    store.busy = "";
  }
}
