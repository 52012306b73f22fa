// A dialog with a few fields: made from a list, checked by the browser, and sent once.

import { Refused, newKey } from "./api.js";
import { el } from "./dom.js";

function control(field, id) {
  const common = { id, name: field.name, required: field.needed, "aria-describedby": field.hint ? `${id}-hint` : null };
  if (field.options) {
    const options = field.options.map((one) => el("option", { value: one.value ?? one }, one.label ?? one));
    return el("select", common, field.needed ? null : el("option", { value: "" }, "—"), options);
  }
  if (field.long) return el("textarea", { ...common, rows: 4, maxlength: field.most ?? 2000 }, field.value ?? "");
  const kind = field.number ? { type: "number", min: field.least ?? 0, max: field.most } : { type: field.kind ?? "text" };
  if (field.money) Object.assign(kind, { inputmode: "decimal", pattern: "-?\\d{1,9}(\\.\\d{1,2})?", title: "Like 1450.00" });
  return el("input", { ...common, ...kind, value: field.value, maxlength: field.number ? null : (field.most ?? 300) });
}

function read(form, fields) {
  const given = new FormData(form);
  const body = {};
  for (const field of fields) {
    const text = String(given.get(field.name) ?? "").trim();
    if (text === "" && !field.needed) continue;
    body[field.name] = field.number ? Number(text) : text;
  }
  return body;
}

/**
 * Ask for a few things and do something with them.
 *
 * `send(body, key)` is called when the form is sent; what it throws as `Refused` is shown, and the dialog stays open.
 * The key stays the same while it does, so that trying again after a lost answer does nothing twice.
 */
export function ask({ title, about, fields = [], send, button = "Save", danger = false }) {
  const key = newKey();
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const sender = el("button", { class: danger ? "danger" : "primary" }, button);
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" });
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "dialog-title" }, title),
    about ? el("p", { class: "quiet" }, about) : null,
    fields.map((field, place) => {
      const id = `field-${place}`;
      return el(
        "div",
        { class: "field" },
        el("label", { for: id }, field.label, field.needed ? null : el("small", {}, " if you like")),
        control(field, id),
        field.hint ? el("small", { id: `${id}-hint` }, field.hint) : null,
      );
    }),
    trouble,
    el("div", { class: "row end" }, el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), sender),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    sender.disabled = true;
    trouble.hidden = true;
    try {
      await send(read(form, fields), key);
      dialog.close();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      trouble.textContent = error.message;
      trouble.hidden = false;
    } finally {
      sender.disabled = false;
    }
  });
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
