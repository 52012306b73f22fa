// One bubble as DOM: `draw` makes it, `drawMeta` renews its time and ticks alone.

import { el, icon, timeOf } from "./dom.js";
import { plain, words } from "./markup.js";
import { attachment, contacts, NAMES, place } from "./media.js";
import { tools } from "./tools.js";

const TICKS = {
  sent: ["tick", "sent"],
  accepted: ["tick", "sent"],
  delivered: ["ticks", "delivered"],
  read: ["ticks", "read"],
  played: ["ticks", "read"],
};

/** What a bubble is called in a quote. */
export function summary(bubble) {
  if (bubble.cards.length) return `Contact: ${bubble.cards.map(({ name }) => name).join(", ")}`;
  if (bubble.text) return plain(bubble.text);
  if (bubble.place) return bubble.place.name || "Location";
  if (bubble.media?.voice) return "Voice note";
  return bubble.media?.filename || NAMES[bubble.kind] || "Message";
}

/**
 * Draw a bubble.
 * @param {object} bubble As the emulator tells it.
 * @param {object} phone `number`, `business`, `screen`, `find(id)`, and the acts `tap`, `openList`, `openPlaces`,
 *   `openFlow`, `react`, `replyTo`, `listened`.
 */
export function draw(bubble, phone) {
  const mine = bubble.author === "person";
  const box = el("div", { class: "bubble" }, el("span", { class: "spoken" }, mine ? "You: " : `${phone.business}: `));
  const wordless = !bubble.text && !bubble.header && !bubble.footer;
  const bare = Boolean(bubble.media) && wordless && (bubble.kind === "image" || bubble.kind === "sticker");
  if (bare) box.classList.add("bare", bubble.kind);
  const quoted = quote(bubble, phone);
  if (quoted) box.append(quoted);
  if (bubble.media) box.append(attachment(bubble, phone));
  if (bubble.place) box.append(place(bubble.place));
  if (bubble.cards.length) box.append(contacts(bubble.cards));
  if (!bubble.place && !bubble.cards.length && !bare) box.append(inner(bubble));
  const meta = el("div", { class: "meta" });
  const holder = box.querySelector(".inner") ?? box;
  holder.classList.add("holder");
  (holder === box ? box : wrap(holder)).append(meta);
  const actions = actionsOf(bubble, phone);
  if (actions.length) box.append(el("div", { class: "actions" }, actions));
  const said = el("div", { class: mine ? "said mine" : "said", "data-id": bubble.id }, box);
  said.append(el("span", { class: "reactions", hidden: true }), tools(bubble, phone, said));
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

function inner(bubble) {
  const text = bubble.text ? words(bubble.text) : null;
  const pad = el("span", { class: "pad", "aria-hidden": "true" });
  const foot = bubble.footer ? el("p", { class: "foot-text", dir: "auto" }, bubble.footer, pad) : null;
  if (text && !foot) text.append(pad);
  return el(
    "div",
    { class: "inner" },
    bubble.header ? el("p", { class: "head-text", dir: "auto" }, bubble.header) : null,
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
    el("span", { dir: "auto" }, summary(quoted)),
  );
}

function actionsOf(bubble, phone) {
  if (bubble.author !== "business") return [];
  const actions = bubble.buttons.map((button) =>
    button.url !== null
      ? opener(button)
      : action(bubble, button, () => (bubble.kind === "flow" ? phone.openFlow(bubble) : phone.tap(bubble, button))),
  );
  if (bubble.menu) actions.push(labelled("list", bubble.menu.label, "menu", () => phone.openList(bubble)));
  if (bubble.kind === "location_request") {
    actions.push(labelled("pin", "Send location", "location", () => phone.openPlaces()));
  }
  if (bubble.kind === "contact_request") {
    const share = { id: "share", title: "Share phone number" };
    actions.push(action(bubble, share, () => phone.shareNumber(bubble)));
  }
  return actions;
}

function action(bubble, button, act) {
  const pressed = bubble.pressed === button.id;
  const waiting = bubble.kind === "flow" ? "form" : "reply";
  const node = labelled(pressed ? "check" : waiting, button.title, `button ${button.id}`, act);
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
