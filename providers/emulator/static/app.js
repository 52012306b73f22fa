// Listens to the emulator and keeps every phone up to date.

import { el, post } from "./dom.js";
import { Phone } from "./phone.js";

const narrow = matchMedia("(max-width: 760px)");
const phones = new Map();
const tabs = document.getElementById("tabs");
const link = document.getElementById("link");
const linkText = document.getElementById("link-text");
const retry = document.getElementById("retry");
const EVERYBODY = "everybody";
const PROVIDERS = { meta: "Meta Cloud API", twilio: "Twilio", "360dialog": "360dialog" };
let active = null;

function load(state) {
  document.title = `${state.business} · phones`;
  document.getElementById("business").textContent = state.business;
  document.getElementById("provider").textContent = PROVIDERS[state.provider] ?? state.provider;
  const known = state.phones.length === phones.size && state.phones.every((told) => phones.has(told.number));
  if (known) for (const told of state.phones) phones.get(told.number).load(told);
  else {
    phones.clear();
    state.phones.forEach((told, place) => phones.set(told.number, new Phone(told, state.business, place, () => [...phones.values()])));
    document.getElementById("phones").replaceChildren(...[...phones.values()].map((phone) => phone.root));
    tabs.replaceChildren(everybody(), ...[...phones.values()].map(tabOf));
    const wanted = decodeURIComponent(location.hash.slice(1));
    activate([active, wanted].find((one) => phones.has(one)) ?? (narrow.matches ? state.phones[0]?.number : EVERYBODY));
    for (const phone of phones.values()) phone.toBottom();
    if (!narrow.matches) (phones.get(active) ?? phones.values().next().value)?.field.focus();
  }
  health(state);
  look();
}

function everybody() {
  return el(
    "button",
    { class: "tab all", type: "button", role: "tab", "aria-controls": "phones", "data-number": EVERYBODY, onclick: () => choose(EVERYBODY) },
    "Everybody",
  );
}

function tabOf(phone, place) {
  return el(
    "button",
    {
      class: `tab tone-${place % 5}`,
      type: "button",
      role: "tab",
      "aria-controls": phone.root.id,
      "data-number": phone.number,
      onclick: () => choose(phone.number),
    },
    phone.role,
    el("span", { class: "count", hidden: true }),
  );
}

/** Switch to somebody's phone, and say so in the address, so that a reload stays there. */
function choose(number) {
  history.replaceState(null, "", number === EVERYBODY ? location.pathname : `#${encodeURIComponent(number)}`);
  activate(number);
  if (!narrow.matches) phones.get(number)?.field.focus();
}

function activate(number) {
  active = number;
  document.body.classList.toggle("one", number !== EVERYBODY);
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
  const all = [...tabs.children].filter((tab) => tab.offsetParent);
  const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
  choose(next.dataset.number);
  next.focus();
});

// A chat is read when it is on screen: the chosen one, or every phone while everybody is looked at.
function look() {
  if (document.visibilityState === "visible") {
    // Asked of the page, not of `active`: a page that has just become narrow may not have switched yet.
    const everybody = active === EVERYBODY && !narrow.matches;
    for (const phone of phones.values()) if (everybody || phone.number === active) phone.see();
  }
  for (const tab of tabs.querySelectorAll(".tab:not(.all)")) {
    const { unread } = phones.get(tab.dataset.number);
    const count = tab.querySelector(".count");
    count.textContent = unread ? String(unread) : "";
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
  on("failure", ({ number, problem }) => phones.get(number)?.note(`Did not arrive here: ${problem}`));
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
narrow.addEventListener("change", () => {
  if (narrow.matches && active === EVERYBODY) activate(phones.keys().next().value);
  look();
});
listen();
