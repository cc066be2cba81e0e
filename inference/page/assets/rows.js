// Rows of the table: the record as it came, and what a person typed over it.
import { settings } from "./settings.js";

const { markRaw, reactive } = window.Vue;

export const CHOICES = { measure: settings.measure, status: settings.status, bound: settings.bound };

export function makeRow(record, number) {
  return reactive({ number, record: markRaw(record), edited: {}, deleted: false });
}

/** The words of a field as the record came. */
export function originalOf({ record }, field) {
  if (field === "subject") return record.subject.map((mention) => mention.text).join("、");
  if (field === "year") return record.year_value;
  if (field === "qualifier") return record.qualifier ?? "";
  if (field in CHOICES) return record[field];
  return record[field]?.text ?? "";
}

/** The words of a field as they are now. */
export function wordsOf(row, field) {
  return row.edited[field] ?? originalOf(row, field);
}

/** The same for a person: choices in Chinese. */
export function shownOf(row, field, words = wordsOf(row, field)) {
  return field in CHOICES ? CHOICES[field][words] : words;
}

export const isEdited = (row) => Object.keys(row.edited).length > 0;

/** The confidence of the weakest field that nobody has corrected; null where there is none. */
export function confidenceOf(row) {
  const found = Object.entries(row.record.confidence)
    .filter(([field]) => !(field in row.edited))
    .map(([, confidence]) => confidence);
  return found.length ? Math.min(...found) : null;
}

/** What a row says in a few words, for the names of its buttons. */
export function summaryOf(row) {
  const words = ["year", "indicator", "value", "unit"].map((field) => wordsOf(row, field));
  return words.filter(Boolean).join(" ");
}

/** Where the row's words stand in the text; a typed word stands nowhere. */
export function partsOf({ record, edited }) {
  const own = { unit: [record.unit], indicator: [record.indicator], year: [record.year],
    subject: record.subject, ...record.evidence };
  return Object.entries(own)
    .filter(([field]) => !(field in edited))
    .flatMap(([, mentions]) => mentions)
    .filter(Boolean)
    .map((mention) => mention.start);
}

/** Edits that differ from what the record says. */
export function cleanEdits(row, typed) {
  const tidy = Object.entries(typed).map(([field, words]) => [field, words.trim().replace(/\s+/g, " ")]);
  return Object.fromEntries(tidy.filter(([field, words]) => words !== originalOf(row, field)));
}
