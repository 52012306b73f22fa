// What one can do with a bubble: react to it, or reply to it. By hovering, by keyboard, or by a long press.

import { el, icon } from "./dom.js";

const FEELINGS = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const LONG_PRESS = 450;

/** The buttons beside a bubble; `said` is the row it stands in. */
export function tools(bubble, phone, said) {
  const reply = el(
    "button",
    { class: "tool", type: "button", "data-key": "reply", "aria-label": "Reply", onclick: () => phone.replyTo(bubble) },
    icon("reply"),
  );
  const node = el("div", { class: "tools" }, bubble.author === "business" ? feel(bubble, phone) : null, reply);
  let timer = null;
  const stop = () => clearTimeout(timer);
  said.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") return;
    timer = setTimeout(() => said.classList.add("held"), LONG_PRESS);
  });
  for (const moment of ["pointerup", "pointermove", "pointercancel"]) said.addEventListener(moment, stop);
  document.addEventListener("pointerdown", (event) => said.contains(event.target) || said.classList.remove("held"));
  return node;
}

function feel(bubble, phone) {
  const open = el(
    "button",
    { class: "tool feel", type: "button", "data-key": "feel", "aria-label": "React", "aria-expanded": "false" },
    icon("smile"),
  );
  let menu = null;
  const close = () => {
    menu?.remove();
    menu = null;
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
    menu = el("div", { class: "feelings", role: "group", "aria-label": "Reactions" }, choices);
    menu.addEventListener("keydown", (event) => event.key === "Escape" && (close(), open.focus()));
    menu.addEventListener("focusout", (event) => menu?.contains(event.relatedTarget) || setTimeout(close));
    open.setAttribute("aria-expanded", "true");
    open.closest(".said").append(menu);
    choices[0].focus({ preventScroll: true });
  });
  return open;
}
