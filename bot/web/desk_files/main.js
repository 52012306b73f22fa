// The desk: signing in, the way around, and looking for news every few seconds.

import { Refused, rights as signIn, token } from "./api.js";
import { detail, list } from "./board.js";
import { BOARDS } from "./boards.js";
import { el, toast, words } from "./dom.js";
import { ask } from "./forms.js";
import { conversation, talks } from "./talk.js";
import { today } from "./today.js";

const EVERY_MS = 4000;
const root = document.getElementById("desk");
const drafts = new Map();
let rights = null;
let place = { board: "today", number: null, query: null };
let all = false;
let asked = 0; // numbers what is asked for, so that an old answer never covers a newer one
let waiting = 0; // drawings whose answers are on their way
let shown = "";

// Whoever makes somebody open a link chooses what is behind the #: it names a board, a number and a filter, no path.
function read() {
  const [board, number, query] = location.hash.slice(1).split("/");
  place = { board: board || "today", number: /^\d+$/.test(number ?? "") ? number : null, query: /^[a-z]+=\d+$/.test(query ?? "") ? query : null };
}

function go(board, number = null, query = null) {
  if (board !== place.board) all = false;
  location.hash = [board, number ?? "", query ?? ""].join("/").replace(/\/+$/, "");
}

const reading = { talk: "/conversations" };
const mayRead = (id) => rights.may("GET", reading[id] ?? `/${id}`);

function shell() {
  const boards = [{ id: "today", title: "Today" }, ...(mayRead("talk") ? [{ id: "talk", title: "Conversations" }] : []), ...BOARDS.filter((one) => one.id !== "payments" && mayRead(one.id))];
  return el(
    "div",
    { class: "shell" },
    el(
      "nav",
      { "aria-label": "Desk" },
      el("div", { class: "brand" }, el("img", { src: "desk/icon.svg", alt: "", width: 28, height: 28 }), "Desk"),
      boards.map((one) => el("a", { href: `#${one.id}`, "data-board": one.id }, one.title)),
      el("div", { class: "who" }, el("strong", {}, rights.me.name), el("span", {}, words(rights.me.role)), el("button", { class: "plain", onclick: leave }, "Sign out")),
    ),
    el("main", { id: "list", tabindex: "-1" }),
    el("section", { id: "detail", "aria-label": "Details" }),
  );
}

function leave() {
  drafts.clear(); // whoever signs in next is somebody else
  location.hash = "";
  signedOut();
}

/** Ask for a token; what is still on its way is not shown any more. */
function signedOut(trouble = "") {
  token.drop();
  rights = null;
  asked += 1;
  document.querySelector("dialog[open]")?.close();
  stale("");
  welcome(trouble);
}

function welcome(trouble = "") {
  const field = el("input", { id: "token", name: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false" });
  const form = el(
    "form",
    { class: "welcome" },
    el("img", { src: "desk/icon.svg", alt: "", width: 48, height: 48 }),
    el("h1", {}, "Desk"),
    el("p", { class: "quiet" }, "For sales, operations and managers. Sign in with the token that was made for you."),
    el("label", { for: "token" }, "Token"),
    field,
    trouble ? el("p", { class: "trouble", role: "alert" }, trouble) : null,
    el("button", { class: "primary" }, "Sign in"),
    el("p", { class: "quiet" }, "It stays in this tab, and is gone when you close it."),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(field.value.trim());
    start();
  });
  root.replaceChildren(form);
  field.focus();
}

async function start() {
  try {
    const wanted = token.get();
    rights = await signIn();
    if (!rights) return welcome(wanted ? "This token is not in force." : "");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return welcome(error.message);
  }
  root.replaceChildren(shell());
  read();
  shown = "";
  return show();
}

const isBusy = () => document.querySelector("dialog[open]") !== null || document.activeElement?.tagName === "TEXTAREA";

async function drawn() {
  const again = () => show();
  const state = { ...place, all, show: (every) => { all = every; show(); } };
  if (place.board === "today") return [await today(rights, go), null];
  if (place.board === "talk") return Promise.all([talks(state, go), place.number ? conversation(place.number, rights, go, again, drafts) : null]);
  const board = BOARDS.find((one) => one.id === place.board);
  if (!board || !mayRead(board.id)) return [el("p", { class: "empty" }, "There is nothing here for you."), null];
  return Promise.all([list(board, state, rights, go), place.number ? detail(board, place.number, rights, go, again) : null]);
}

/** Draw what the address says. Looking for news (`quietly`) leaves alone what has not changed, and never takes the pen. */
async function show(quietly = false) {
  if (quietly && waiting) return; // the last answer is not there yet: asking more often makes nobody faster
  waiting += 1;
  const mine = ++asked;
  const where = location.hash;
  try {
    const [left, right] = await drawn();
    if (mine !== asked || !rights) return;
    right?.querySelector("header")?.prepend(el("a", { class: "back", href: `#${[place.board, "", place.query ?? ""].join("/").replace(/\/+$/, "")}`, "aria-label": "Back to the list" }, "‹"));
    put(document.getElementById("list"), left, quietly);
    put(document.getElementById("detail"), right, quietly || shown === where);
    root.firstChild.classList.toggle("open", right !== null);
    for (const one of root.querySelectorAll("nav a")) {
      if (one.dataset.board === place.board) one.setAttribute("aria-current", "page");
      else one.removeAttribute("aria-current");
    }
    stale("");
    const bubbles = root.querySelector(".bubbles");
    if (bubbles && shown !== where) bubbles.scrollTop = bubbles.scrollHeight;
    shown = where;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (!rights) return;
    if (error.status === 401) return signedOut("You are signed out.");
    if (!quietly) toast(error.message, true);
    else if (error.status === 0 || error.status >= 500) stale("No news: the server does not answer. What you see may be old.");
  } finally {
    waiting -= 1;
  }
}

/** Say that what is shown may be old, or that it is not. */
function stale(text) {
  const node = document.getElementById("stale");
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}

function put(target, node, quietly) {
  const old = target.firstChild;
  if (quietly && old && node && old.isEqualNode(node)) return;
  if (quietly && isBusy() && target.contains(document.activeElement)) {
    // Somebody is writing: only what was said is renewed.
    const [before, after] = [old?.querySelector(".bubbles"), node?.querySelector(".bubbles")];
    if (before && after && !before.isEqualNode(after)) {
      before.replaceWith(after);
      after.scrollTop = after.scrollHeight;
    }
    return;
  }
  const focused = target.contains(document.activeElement) ? document.activeElement.textContent : null;
  const from = old?.querySelector?.(".bubbles");
  const kept = from ? from.scrollHeight - from.scrollTop : null;
  target.replaceChildren(...(node ? [node] : []));
  const to = target.querySelector(".bubbles");
  if (to && kept !== null) to.scrollTop = to.scrollHeight - kept;
  if (focused) [...target.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
}

window.addEventListener("hashchange", () => {
  const offered = fromAddress();
  if (offered) return follow(offered);
  read();
  if (rights) show();
});
// What a button without a dialog was refused.
window.addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof Refused)) return;
  event.preventDefault();
  if (event.reason.status === 401 && rights) signedOut("You are signed out.");
  else toast(event.reason.message, true);
});
setInterval(() => {
  if (rights && document.visibilityState === "visible" && !document.querySelector("dialog[open]")) show(true);
}, EVERY_MS);

/** The token in the address: a link may carry one behind the #, which browsers send to nobody. It leaves at once. */
function fromAddress() {
  if (!location.hash.startsWith("#sdr_")) return null;
  const offered = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return offered;
}

/** Sign in with a link's token. Who is signed in as somebody else is asked first: anybody can send a link. */
async function follow(offered) {
  const kept = token.get();
  if (kept && kept !== offered) {
    if (!rights) await start();
    if (rights) {
      return ask({
        title: "Become somebody else?", button: "Sign in with the link",
        about: `You are signed in as ${rights.me.name}. The link you opened carries another token. Only go on if you know who gave it to you.`,
        send: async () => enter(offered),
      });
    }
  }
  return enter(offered);
}

async function enter(offered) {
  drafts.clear();
  token.set(offered);
  await start();
  if (rights) toast(`You are signed in as ${rights.me.name}.`);
}

const offered = fromAddress();
if (offered) follow(offered);
else start();
