// Builds elements. Text only ever enters as text nodes, so nothing that a person wrote can become markup.

// Characters that turn around the direction of what stands behind them: a name must not make USD 12 of USD 21.
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
const plain = (child) => (typeof child === "string" ? child.replace(TURNING, "") : child);

/** Make an element: `el("p", { class: "words", onclick: f }, "text", node, null)`. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== "").map(plain));
  return node;
}

/** A link, when it leads to a web page: nothing else that somebody wrote becomes one. */
export function link(address, label) {
  return /^https?:\/\//.test(address)
    ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label)
    : el("span", {}, label);
}

/** Say something for a few seconds. */
export function toast(text, bad = false) {
  const node = el("p", { class: bad ? "bad" : "good" }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 9000 : 4000);
}

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** "14:05" today, else "3 Dec, 14:05". */
export function when(at) {
  if (!at) return "";
  const day = new Date(at);
  const clock = CLOCK.format(day);
  if (day.toDateString() === new Date().toDateString()) return clock;
  return `${(day.getFullYear() === new Date().getFullYear() ? DAY : YEAR).format(day)}, ${clock}`;
}

/** "3 Dec 2026" of a date without a time. */
export const dayOf = (date) => (date ? YEAR.format(new Date(`${date}T12:00:00`)) : "");

/** "in 12 min", "5 min ago": how far a moment is. */
export function far(at) {
  const minutes = Math.round((new Date(at) - Date.now()) / 60000);
  const size = Math.abs(minutes);
  const text = size < 60 ? `${size} min` : size < 2880 ? `${Math.round(size / 60)} h` : `${Math.round(size / 1440)} days`;
  return minutes >= 0 ? `in ${text}` : `${text} ago`;
}

/** "USD 1,450.00" of a decimal that travels as text. */
export function money(currency, amount) {
  if (amount === null || amount === undefined) return "";
  const [whole, cents = "00"] = String(amount).split(".");
  return `${currency ?? ""} ${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${cents.padEnd(2, "0")}`.trim();
}

/** "LEAD_CREATED" as people say it: "Lead created". */
export function words(name) {
  const text = String(name ?? "").toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A status as a coloured mark. */
export function mark(status) {
  return el("span", { class: `mark ${String(status).toLowerCase()}` }, words(status));
}
