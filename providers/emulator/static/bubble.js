// One bubble as DOM: `draw` makes it, `drawMeta` renews its time and ticks alone.

import { el, icon, timeOf } from "./dom.js";
import { plain, words } from "./markup.js";

const FEELINGS = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const TICKS = {
  sent: ["tick", "sent"],
  accepted: ["tick", "sent"],
  delivered: ["ticks", "delivered"],
  read: ["ticks", "read"],
};
const NAMES = { image: "Photo", video: "Video", audio: "Audio", document: "Document", sticker: "Sticker" };

/** What a bubble is called in a quote. */
export function summary(bubble) {
  if (bubble.text) return plain(bubble.text);
  if (bubble.place) return bubble.place.name || "Location";
  return bubble.media?.filename || NAMES[bubble.kind] || "Message";
}

/**
 * Draw a bubble.
 * @param {object} bubble As the emulator tells it.
 * @param {object} phone `number`, `business`, `find(id)`, and the acts `tap`, `openList`, `openPlaces`, `react`.
 */
export function draw(bubble, phone) {
  const mine = bubble.author === "person";
  const box = el("div", { class: "bubble" }, el("span", { class: "spoken" }, mine ? "You: " : `${phone.business}: `));
  const bare = bubble.media && bubble.kind === "image" && !bubble.text && !bubble.header && !bubble.footer;
  if (bare) box.classList.add("bare");
  if (bubble.media) box.append(attachment(bubble, phone));
  if (bubble.place) box.append(place(bubble.place));
  if (!bubble.place && !bare) box.append(inner(bubble, phone));
  const meta = el("div", { class: "meta" });
  const holder = box.querySelector(".inner") ?? box;
  holder.classList.add("holder");
  (holder === box ? box : wrap(holder)).append(meta);
  const actions = actionsOf(bubble, phone);
  if (actions.length) box.append(el("div", { class: "actions" }, actions));
  const said = el("div", { class: mine ? "said mine" : "said", "data-id": bubble.id }, box);
  said.append(el("span", { class: "reactions", hidden: true }));
  if (!mine) box.append(feel(bubble, phone));
  drawMeta(said, bubble);
  return said;
}

/** Renew what changes most: ticks and reactions. */
export function drawMeta(said, bubble) {
  const meta = said.querySelector(".meta");
  meta.replaceChildren(el("time", { datetime: bubble.at }, timeOf(bubble.at)));
  if (bubble.author === "person" && TICKS[bubble.receipt]) {
    const [name, label] = TICKS[bubble.receipt];
    const drawn = icon(name, label);
    drawn.classList.add(bubble.receipt);
    meta.append(drawn);
  }
  const reactions = said.querySelector(".reactions");
  const emoji = [...new Set([bubble.person_reaction, bubble.business_reaction])].join("");
  reactions.textContent = emoji;
  reactions.hidden = !emoji;
}

function wrap(holder) {
  const around = el("div", { class: "around" });
  holder.replaceWith(around);
  around.append(holder);
  return around;
}

function inner(bubble, phone) {
  const text = bubble.text ? words(bubble.text) : null;
  const pad = el("span", { class: "pad", "aria-hidden": "true" });
  const foot = bubble.footer ? el("p", { class: "foot-text" }, bubble.footer, pad) : null;
  if (text && !foot) text.append(pad);
  return el(
    "div",
    { class: "inner" },
    quote(bubble, phone),
    bubble.header ? el("p", { class: "head-text" }, bubble.header) : null,
    text,
    foot,
    !text && !foot ? pad : null,
  );
}

function quote(bubble, phone) {
  const quoted = bubble.quotes && phone.find(bubble.quotes);
  if (!quoted) return null;
  const author = quoted.author === "person" ? "You" : phone.business;
  return el(
    "button",
    { class: "quote", type: "button", onclick: () => phone.reveal(quoted.id) },
    el("b", {}, author),
    el("span", {}, summary(quoted)),
  );
}

function attachment(bubble, phone) {
  const { id, link, filename, mime_type: type } = bubble.media;
  const source = id ? `/phones/${encodeURIComponent(phone.number)}/media/${encodeURIComponent(id)}` : null;
  if (source && (bubble.kind === "image" || bubble.kind === "sticker" || bubble.kind === "buttons")) {
    return el("div", { class: "picture" }, el("img", { src: source, alt: bubble.text || "Photo", loading: "lazy" }));
  }
  const name = filename || NAMES[bubble.kind] || "File";
  const note = link ?? type ?? "";
  return el(
    "a",
    { class: "card", href: source ?? link, target: "_blank", rel: "noopener noreferrer" },
    icon(bubble.kind === "image" ? "photo" : "file"),
    el("span", {}, name, el("small", {}, note)),
  );
}

function place({ latitude, longitude, name, address }) {
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

function actionsOf(bubble, phone) {
  if (bubble.author !== "business") return [];
  const actions = bubble.buttons.map((button) =>
    button.url !== null ? opener(button) : action(bubble, button, () => phone.tap(bubble, button)),
  );
  if (bubble.menu) actions.push(labelled("list", bubble.menu.label, "menu", () => phone.openList(bubble)));
  if (bubble.kind === "location_request") {
    actions.push(labelled("pin", "Send location", "location", () => phone.openPlaces()));
  }
  return actions;
}

function action(bubble, button, act) {
  const pressed = bubble.pressed === button.id;
  const node = labelled(pressed ? "check" : "reply", button.title, `button ${button.id}`, act);
  node.classList.toggle("pressed", pressed);
  node.setAttribute("aria-pressed", String(pressed));
  return node;
}

function labelled(drawing, title, key, act) {
  return el("button", { class: "action", type: "button", "data-key": key, onclick: act }, icon(drawing), title);
}

function opener({ title, url }) {
  if (!/^(https?|tel):/u.test(url)) return el("button", { class: "action", type: "button", disabled: true }, title);
  return el("a", { class: "action", href: url, target: "_blank", rel: "noopener noreferrer" }, icon("open"), title);
}

function feel(bubble, phone) {
  const open = el(
    "button",
    { class: "feel", type: "button", "data-key": "feel", "aria-label": "React", "aria-expanded": "false" },
    icon("smile"),
  );
  const close = () => {
    open.parentElement?.querySelector(".feelings")?.remove();
    open.setAttribute("aria-expanded", "false");
  };
  open.addEventListener("click", () => {
    if (open.getAttribute("aria-expanded") === "true") return close();
    const choices = FEELINGS.map((emoji) => {
      const choose = () => {
        close();
        open.focus();
        phone.react(bubble, emoji);
      };
      return el("button", { type: "button", "aria-label": `React with ${emoji}`, onclick: choose }, emoji);
    });
    const menu = el("div", { class: "feelings", role: "group", "aria-label": "Reactions" }, choices);
    menu.addEventListener("keydown", (event) => event.key === "Escape" && (close(), open.focus()));
    menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || setTimeout(close));
    open.setAttribute("aria-expanded", "true");
    open.after(menu);
    choices[0].focus();
  });
  return open;
}
