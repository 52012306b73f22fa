// What slides up inside a phone: a list's rows, the attach menu, places, a picture before it is sent.

import { base64, el, icon } from "./dom.js";

const PLACES = [
  { name: "Thamel", address: "Kathmandu 44600, Nepal", latitude: 27.71536, longitude: 85.31078 },
  { name: "Lukla Airport", address: "Tenzing-Hillary Airport, Lukla", latitude: 27.68696, longitude: 86.72969 },
  { name: "Namche Bazaar", address: "Khumbu, 3,440 m", latitude: 27.80466, longitude: 86.71389 },
  { name: "Everest Base Camp", address: "Khumbu Glacier, 5,364 m", latitude: 28.00436, longitude: 86.85713 },
];
const MEGABYTE = 1024 * 1024;
const MOST = { photo: 5 * MEGABYTE, video: 8 * MEGABYTE, document: 8 * MEGABYTE, audio: 8 * MEGABYTE };
const ACCEPTED = {
  photo: "image/jpeg,image/png,image/webp",
  video: "video/mp4,video/3gpp",
  audio: "audio/aac,audio/amr,audio/mpeg,audio/mp4,audio/ogg,.m4a,.ogg",
  document: "",
};

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
      el("span", { class: "words", dir: "auto" }, row.title, row.description ? el("small", {}, row.description) : null),
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

/** The attach menu: `choose` has a function for each entry. */
export function attachSheet(screen, choose) {
  const entry = (kind, drawing, title, note) =>
    el(
      "button",
      { class: "row", type: "button", onclick: () => (close(), choose[kind]()) },
      el("span", { class: `blob ${kind}` }, icon(drawing)),
      el("span", { class: "words" }, title, el("small", {}, note)),
    );
  const close = raise(screen, "Attach", [
    entry("photo", "photo", "Photo", "JPEG, PNG or WebP, up to 5 MB"),
    entry("video", "film", "Video", "MP4 or 3GP, up to 8 MB"),
    entry("document", "file", "Document", "Any file, up to 8 MB"),
    entry("audio", "note", "Audio", "An audio file; the microphone makes voice notes"),
    entry("place", "pin", "Location", "Pick a place"),
    entry("contact", "person", "Contact", "Somebody else on this page"),
  ]);
}

/** People whose contact can be sent; `choose(person)` is called at once. */
export function contactSheet(screen, people, choose) {
  const rows = people.map((person) =>
    el(
      "button",
      { class: "row", type: "button", onclick: () => (close(), choose(person)) },
      el("span", { class: "blob contact" }, icon("person")),
      el("span", { class: "words" }, person.name, el("small", {}, person.number)),
    ),
  );
  const close = raise(screen, "Send contact", rows);
}

/** A form that a flow's button opens. What it asks for is known to WhatsApp alone, so names are given here, too. */
export function flowSheet(screen, bubble, choose) {
  const rows = el("div", { class: "fields" });
  const add = () => {
    const name = el("input", { placeholder: "Field", "aria-label": "Field" });
    const value = el("input", { placeholder: "Answer", "aria-label": "Answer" });
    rows.append(el("div", { class: "field" }, name, value));
    return name;
  };
  const first = add();
  const more = el("button", { class: "more", type: "button", onclick: () => add().focus() }, icon("plus"), "Another field");
  const send = el("button", { class: "primary", type: "button" }, "Send");
  const close = raise(screen, bubble.buttons[0].title, [rows, more], send);
  first.focus();
  send.addEventListener("click", () => {
    const pairs = [...rows.children].map(({ children: [name, value] }) => [name.value.trim(), value.value]);
    close();
    choose(Object.fromEntries(pairs.filter(([name]) => name)));
  });
}

/** A few places to be at, or any other; `choose(place)` is called at once. */
export function placesSheet(screen, choose) {
  const rows = PLACES.map((place) =>
    el(
      "button",
      { class: "row", type: "button", onclick: () => (close(), choose(place)) },
      el("span", { class: "blob place" }, icon("pin")),
      el("span", { class: "words" }, place.name, el("small", {}, place.address)),
    ),
  );
  const degrees = el("input", { class: "caption", placeholder: "27.98, 86.92", "aria-label": "Latitude, longitude", inputmode: "text" });
  const send = el("button", { class: "primary", type: "button", disabled: true }, "Send this pin");
  const pinned = () => /^\s*(-?\d+(?:\.\d+)?)[\s,;]+(-?\d+(?:\.\d+)?)\s*$/u.exec(degrees.value);
  degrees.addEventListener("input", () => {
    send.disabled = !pinned();
  });
  const close = raise(screen, "Send location", rows, [degrees, send]);
  send.addEventListener("click", () => {
    const [, latitude, longitude] = pinned();
    close();
    choose({ latitude: Number(latitude), longitude: Number(longitude) });
  });
}

/**
 * Let the visitor pick a file, look at it, write a caption; `choose({mime_type, data, caption, filename})` on Send.
 * @param {"photo"|"video"|"audio"|"document"} kind
 */
export function fileSheet(screen, kind, choose, complain) {
  const input = el("input", { type: "file", accept: ACCEPTED[kind] || null });
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > MOST[kind]) return complain(`That is too large: at most ${MOST[kind] / MEGABYTE} MB.`);
    const address = URL.createObjectURL(file);
    const views = {
      photo: () => el("img", { class: "preview", src: address, alt: file.name }),
      video: () => el("video", { class: "preview", src: address, controls: true }),
      audio: () => el("audio", { class: "preview", src: address, controls: true }),
      document: () => el("p", { class: "chosen" }, icon("file"), el("span", {}, file.name)),
    };
    const caption = el("input", { class: "caption", placeholder: "Add a caption…", "aria-label": "Caption", hidden: kind === "audio" });
    const send = el("button", { class: "primary", type: "button" }, "Send");
    const title = { photo: "Photo", video: "Video", audio: "Audio", document: "Document" }[kind];
    const close = raise(screen, title, [views[kind](), caption], send);
    send.addEventListener("click", async () => {
      close();
      const bytes = new Uint8Array(await file.arrayBuffer());
      URL.revokeObjectURL(address);
      const type = file.type || "application/octet-stream";
      choose({ mime_type: type, data: base64(bytes), caption: caption.value, filename: file.name });
    });
  });
  input.click();
}
