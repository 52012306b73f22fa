// What slides up inside a phone: a list's rows, the attach menu, places, a picture before it is sent.

import { el, icon } from "./dom.js";

const PLACES = [
  { name: "Thamel", address: "Kathmandu 44600, Nepal", latitude: 27.71536, longitude: 85.31078 },
  { name: "Lukla Airport", address: "Tenzing-Hillary Airport, Lukla", latitude: 27.68696, longitude: 86.72969 },
  { name: "Namche Bazaar", address: "Khumbu, 3,440 m", latitude: 27.80466, longitude: 86.71389 },
  { name: "Everest Base Camp", address: "Khumbu Glacier, 5,364 m", latitude: 28.00436, longitude: 86.85713 },
];
const PICTURE_MOST = 5 * 1024 * 1024;

/** Slide a sheet up over a phone's screen; returns what closes it. Focus goes in, and back where it was. */
function raise(screen, title, content, foot = null) {
  const before = document.activeElement;
  const body = screen.querySelector(".body");
  const close = () => {
    veil.remove();
    body.inert = false;
    if (before?.isConnected) before.focus();
  };
  const sheet = el(
    "div",
    { class: "sheet", role: "dialog", "aria-label": title },
    el(
      "div",
      { class: "head" },
      el("button", { class: "round", type: "button", "aria-label": "Close", onclick: () => close() }, icon("close")),
      el("h2", {}, title),
    ),
    el("div", { class: "scroll" }, content),
    foot ? el("div", { class: "foot" }, foot) : null,
  );
  const veil = el("div", { class: "veil" }, sheet);
  veil.addEventListener("click", (event) => event.target === veil && close());
  veil.addEventListener("keydown", (event) => event.key === "Escape" && close());
  body.inert = true;
  screen.append(veil);
  (sheet.querySelector(".scroll button, .scroll input") ?? sheet.querySelector("button")).focus();
  return close;
}

/** A list's sections as radio rows; `choose(row)` is called on Send. */
export function listSheet(screen, bubble, choose) {
  const send = el("button", { class: "primary", type: "button", disabled: true }, "Send");
  let chosen = null;
  const rowOf = (row) =>
    el(
      "label",
      { class: "row" },
      el("span", { class: "words" }, row.title, row.description ? el("small", {}, row.description) : null),
      el("input", {
        type: "radio",
        name: `list ${bubble.id}`,
        value: row.id,
        onchange: () => {
          chosen = row;
          send.disabled = false;
        },
      }),
    );
  const sections = bubble.menu.sections.map((section) =>
    el(
      "div",
      { role: "radiogroup", "aria-label": section.title || bubble.menu.label },
      section.title ? el("h3", {}, section.title) : null,
      section.rows.map(rowOf),
    ),
  );
  const close = raise(screen, bubble.menu.label, sections, send);
  send.addEventListener("click", () => {
    close();
    choose(chosen);
  });
}

/** The attach menu. */
export function attachSheet(screen, { photo, location }) {
  const entry = (kind, drawing, title, note, act) =>
    el(
      "button",
      { class: "row", type: "button", onclick: () => (close(), act()) },
      el("span", { class: `blob ${kind}` }, icon(drawing)),
      el("span", { class: "words" }, title, el("small", {}, note)),
    );
  const close = raise(screen, "Attach", [
    entry("photo", "photo", "Photo", "JPEG, PNG or WebP, up to 5 MB", photo),
    entry("place", "pin", "Location", "Pick a place", location),
  ]);
}

/** A few places to be at; `choose(place)` is called at once. */
export function placesSheet(screen, choose) {
  const rows = PLACES.map((place) =>
    el(
      "button",
      { class: "row", type: "button", onclick: () => (close(), choose(place)) },
      el("span", { class: "blob place" }, icon("pin")),
      el("span", { class: "words" }, place.name, el("small", {}, place.address)),
    ),
  );
  const close = raise(screen, "Send location", rows);
}

/** Let the visitor pick a picture, look at it, write a caption; `choose({mime_type, data, caption})` on Send. */
export function pictureSheet(screen, choose, complain) {
  const input = el("input", { type: "file", accept: "image/jpeg,image/png,image/webp" });
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > PICTURE_MOST) return complain("Pictures have 5 MB at most.");
    const address = URL.createObjectURL(file);
    const caption = el("input", { class: "caption", placeholder: "Add a caption…", "aria-label": "Caption" });
    const send = el("button", { class: "primary", type: "button" }, "Send");
    const close = raise(screen, "Photo", [el("img", { class: "preview", src: address, alt: file.name }), caption], send);
    send.addEventListener("click", async () => {
      close();
      const bytes = new Uint8Array(await file.arrayBuffer());
      let binary = "";
      for (let from = 0; from < bytes.length; from += 32768) {
        binary += String.fromCharCode(...bytes.subarray(from, from + 32768));
      }
      URL.revokeObjectURL(address);
      choose({ mime_type: file.type, data: btoa(binary), caption: caption.value });
    });
  });
  input.click();
}
