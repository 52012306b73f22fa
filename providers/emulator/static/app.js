// Listens to the emulator and keeps every phone up to date.

import { el, post } from "./dom.js";
import { Phone } from "./phone.js";

const narrow = matchMedia("(max-width: 760px)");
const phones = new Map();
const tabs = document.getElementById("tabs");
const link = document.getElementById("link");
const linkText = document.getElementById("link-text");
const retry = document.getElementById("retry");
let active = null;

function load(state) {
  document.title = `${state.business} · phones`;
  document.getElementById("business").textContent = state.business;
  const known = state.phones.length === phones.size && state.phones.every((told) => phones.has(told.number));
  if (known) for (const told of state.phones) phones.get(told.number).load(told);
  else {
    phones.clear();
    state.phones.forEach((told, place) => phones.set(told.number, new Phone(told, state.business, place)));
    document.getElementById("phones").replaceChildren(...[...phones.values()].map((phone) => phone.root));
    tabs.replaceChildren(...[...phones.values()].map(tabOf));
    activate(phones.has(active) ? active : state.phones[0]?.number);
    for (const phone of phones.values()) phone.toBottom();
    if (!narrow.matches) phones.get(active)?.field.focus();
  }
  health(state);
  look();
}

function tabOf(phone) {
  return el(
    "button",
    {
      class: "tab",
      type: "button",
      role: "tab",
      "aria-controls": phone.root.id,
      "data-number": phone.number,
      onclick: () => activate(phone.number),
    },
    phone.role,
    el("span", { class: "count", hidden: true }),
  );
}

function activate(number) {
  active = number;
  for (const phone of phones.values()) phone.root.classList.toggle("active", phone.number === number);
  for (const tab of tabs.children) {
    const chosen = tab.dataset.number === number;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
  phones.get(number)?.toBottom();
  look();
}

tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...tabs.children];
  const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
  activate(next.dataset.number);
  next.focus();
});

// A chat is read when it is on screen: every phone on a wide page, the chosen one on a narrow one.
function look() {
  if (document.visibilityState === "visible") {
    for (const phone of phones.values()) if (!narrow.matches || phone.number === active) phone.see();
  }
  for (const tab of tabs.children) {
    const { unread } = phones.get(tab.dataset.number);
    const count = tab.querySelector(".count");
    count.textContent = String(unread);
    count.hidden = unread === 0;
  }
}

function health({ waiting, problem }) {
  link.classList.toggle("waiting", Boolean(problem));
  retry.hidden = !problem;
  const letters = `${waiting} webhook${waiting === 1 ? "" : "s"}`;
  const full = `Retrying: ${problem}. ${letters} waiting, nothing is lost`;
  linkText.textContent = problem ? (narrow.matches ? `Retrying ${letters}` : full) : "All webhooks delivered";
}

function listen() {
  const events = new EventSource("/events");
  const on = (name, act) => events.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("state", load);
  on("bubble", ({ number, bubble }) => {
    phones.get(number)?.show(bubble);
    look();
  });
  on("typing", ({ number, typing_until: until }) => phones.get(number)?.type(until));
  on("webhooks", health);
  on("reset", () => {
    for (const phone of phones.values()) phone.load({ bubbles: [], typing_until: null });
  });
  events.addEventListener("error", () => {
    link.classList.add("waiting");
    linkText.textContent = "Emulator stopped, reconnecting…";
    // The browser reconnects by itself, except after an HTTP error.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

retry.addEventListener("click", () => post("/webhooks/retry").catch(() => {}));
document.addEventListener("visibilitychange", look);
narrow.addEventListener("change", look);
listen();
