// What a bubble shows besides words: pictures, films, sound, documents, places, contacts.

import { el, icon } from "./dom.js";
import { player } from "./voice.js";

export const NAMES = { image: "Photo", video: "Video", audio: "Audio", document: "Document", sticker: "Sticker" };
const SHOWN = /^image\/(jpeg|png|webp|gif)/u;
const PLAYED = /^video\/(mp4|3gpp)/u;
const HEARD = /^audio\//u;

/** The file of a bubble, by its type; a file that lies elsewhere is only linked to. */
export function attachment(bubble, phone) {
  const { id, link, mime_type: type, voice } = bubble.media;
  if (!id) return card(bubble, link, link);
  const source = `/phones/${encodeURIComponent(phone.number)}/media/${encodeURIComponent(id)}`;
  const label = bubble.text || NAMES[bubble.kind] || "Photo";
  if (bubble.kind !== "document") {
    if (SHOWN.test(type)) return picture(source, label, bubble.kind, phone);
    if (PLAYED.test(type)) return film(source, label);
    if (HEARD.test(type)) return sound(source, bubble, phone, voice);
  }
  return card(bubble, source, type);
}

function picture(source, label, kind, phone) {
  const image = el("img", { src: source, alt: label, loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(el("div", { class: "no-picture" }, icon("photo"), "The picture cannot be shown")));
  if (kind === "sticker") return el("div", { class: "picture sticker" }, image);
  const open = () => enlarge(phone.screen, source, label);
  return el("button", { class: "picture", type: "button", "aria-label": `Look at ${label}`, onclick: open }, image);
}

function film(source, label) {
  return el("div", { class: "picture" }, el("video", { src: source, controls: true, preload: "metadata", "aria-label": label }));
}

function sound(source, bubble, phone, voice) {
  const played = voice && bubble.author === "business" ? () => phone.listened(bubble) : null;
  return player(source, { voice, played, label: voice ? "voice note" : "audio" });
}

function card(bubble, address, note) {
  const name = bubble.media.filename || NAMES[bubble.kind] || "File";
  const ending = /\.(\w{1,4})$/u.exec(name)?.[1] ?? "";
  return el(
    "a",
    { class: "card", href: address, target: "_blank", rel: "noopener noreferrer", download: bubble.media.id ? name : null },
    el("span", { class: "sheet-of-paper", "aria-hidden": "true" }, icon(bubble.kind === "image" ? "photo" : "file"), el("b", {}, ending.toUpperCase())),
    el("span", { class: "named" }, name, el("small", {}, note ?? "")),
    bubble.media.id ? icon("download") : icon("open"),
  );
}

/** A picture over the whole phone, until somebody taps it away. */
function enlarge(screen, source, label) {
  const before = document.activeElement;
  const close = () => {
    view.remove();
    before?.focus({ preventScroll: true });
  };
  const view = el(
    "div",
    { class: "viewer", role: "dialog", "aria-label": label },
    el("button", { class: "round", type: "button", "aria-label": "Close", onclick: close }, icon("close")),
    el("img", { src: source, alt: label }),
  );
  view.addEventListener("click", (event) => event.target === view && close());
  view.addEventListener("keydown", (event) => event.key === "Escape" && close());
  screen.append(view);
  view.querySelector("button").focus();
}

/** A map with a pin. */
export function place({ latitude, longitude, name, address }) {
  const pin = icon("pin");
  pin.classList.add("pin");
  const degrees = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  return el(
    "div",
    { class: "place" },
    el("div", { class: "map", role: "img", "aria-label": `Map, ${degrees}` }, icon("map"), pin),
    el("p", {}, name || "Location"),
    el("p", { class: "where" }, address || degrees),
  );
}

/** Contact cards, one under the other. */
export function contacts(cards) {
  return el(
    "div",
    { class: "contacts" },
    cards.map(({ name, phones }) =>
      el(
        "div",
        { class: "contact" },
        el("span", { class: "face", "aria-hidden": "true" }, icon("person")),
        el("span", { class: "named" }, name, phones.map((phone) => el("small", {}, phone))),
      ),
    ),
  );
}
