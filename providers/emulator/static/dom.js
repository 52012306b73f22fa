// Builds elements. Text only ever enters as text nodes, so nothing a person writes can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `el("p", { class: "words", onclick: f }, "text", node, null)`. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** A drawing from the sheet of symbols in index.html. */
export function icon(name, label = "") {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("class", "icon");
  if (label) {
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", label);
  } else node.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  node.append(use);
  return node;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });

export const timeOf = (at) => timeFormat.format(new Date(at));

/** Minutes and seconds: "1:05". */
export function clockOf(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Bytes in base64, in pieces, since a call takes only so many arguments. */
export function base64(bytes) {
  let binary = "";
  for (let from = 0; from < bytes.length; from += 32768) {
    binary += String.fromCharCode(...bytes.subarray(from, from + 32768));
  }
  return btoa(binary);
}

/** "Today", "Yesterday" or the date. */
export function dayOf(at) {
  const day = new Date(at);
  const today = new Date();
  if (day.toDateString() === today.toDateString()) return "Today";
  today.setDate(today.getDate() - 1);
  return day.toDateString() === today.toDateString() ? "Yesterday" : dayFormat.format(day);
}

/** Post JSON to the emulator; throws with the emulator's own words. */
export async function post(path, body = {}) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (!answer) throw new Error("The emulator does not answer.");
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.error ?? `The emulator answered ${answer.status}.`);
  return value;
}
