// Conversations: who waits for a person, what was said, taking over, answering, giving back.

import { Refused, get, newKey, post } from "./api.js";
import { el, far, mark, toast, when } from "./dom.js";

const ANSWER_HOURS = 24; // WhatsApp lets us write freely for so long after somebody's last message

const bare = (state) => state.split(".")[0].replaceAll("_", " ");

/** The list: who waits, who is with a person, and everybody else, the latest first. */
export async function talks(state, go) {
  const [waiting, taken, latest] = await Promise.all([
    get("/handoffs?status=WAITING&limit=50"), get("/handoffs?status=TAKEN&limit=50"), get("/conversations?status=ACTIVE&limit=50"),
  ]);
  const line = (number, first, second, badge, alarm = false) =>
    el(
      "li",
      {},
      el(
        "button",
        { class: alarm ? "line alarm" : "line", "aria-current": String(number) === state.number ? "true" : null, onclick: () => go("talk", number) },
        el("span", { class: "first" }, first || `Conversation ${number}`), badge, el("span", { class: "second" }, second),
      ),
    );
  const blocks = [];
  const block = (title, lines) => lines.length && blocks.push(el("h2", {}, title), el("ul", { class: "lines" }, lines));
  block("Waiting for a person", waiting.items.map((one) => {
    const late = one.due_at && new Date(one.due_at) < new Date();
    return line(one.conversation_id, one.contact, `${one.role ?? "anybody"} · ${one.reason.replaceAll("_", " ")}`, el("span", { class: late ? "mark overdue" : "mark waiting" }, one.due_at ? far(one.due_at) : "waiting"), true);
  }));
  block("With a person", taken.items.map((one) => line(one.conversation_id, one.contact, one.keep_until ? `the bot's again ${far(one.keep_until)}` : "until given back", mark(one.taken_by ? "TAKEN" : "PAUSED"))));
  const shown = new Set([...waiting.items, ...taken.items].map((one) => one.conversation_id));
  const others = latest.items.filter((one) => !shown.has(one.id)).sort((a, b) => (b.last_inbound_at ?? "").localeCompare(a.last_inbound_at ?? ""));
  block("With the bot", others.map((one) => line(one.id, one.contact, [bare(one.state), when(one.last_inbound_at)].filter(Boolean).join(" · "), null)));
  return el("div", {}, el("header", { class: "row" }, el("h1", {}, "Conversations")), blocks.length ? blocks : el("p", { class: "empty" }, "Nobody has written yet."));
}

function said(content) {
  const buttons = content.buttons ?? content.rows ?? [];
  const text = content.body ?? content.text ?? content.caption ?? content.title ?? content.emoji;
  const place = content.kind === "location" ? `📍 ${content.name ?? ""} ${content.latitude}, ${content.longitude}` : null;
  const media = content.kind === "media" ? `[${content.media}]` : null;
  const template = content.kind === "template" ? `[${content.name}] ${(content.parameters ?? []).join(" · ")}` : null;
  const shown = [media, place, template, text].filter(Boolean).join(" ");
  return [
    el("p", { dir: "auto" }, shown || `[${content.kind}]`),
    buttons.length ? el("p", { class: "chips" }, buttons.map((one) => el("span", {}, one.title))) : null,
  ];
}

const TICKS = { QUEUED: "waiting", HELD: "held: outside 24 hours", UNKNOWN: "unknown", ACCEPTED: "✓", SENT: "✓", DELIVERED: "✓✓", READ: "✓✓ read", PLAYED: "✓✓ played", FAILED: "failed" };

/** One conversation. `drafts` keeps what was begun while the page looks for news. */
export async function conversation(number, rights, go, again, drafts) {
  const [one, { items }, open] = await Promise.all([
    get(`/conversations/${number}`), get(`/conversations/${number}/messages?limit=60`), get(`/handoffs?conversation=${number}&limit=1`),
  ]);
  // The row is written at once, the snapshot with the conversation's next turn.
  const handoff = open.items[0]?.status === "RETURNED" ? null : open.items[0];
  const mine = handoff?.taken_by === (rights.me.contact_id === null ? `token:${rights.me.token}` : `contact:${rights.me.contact_id}`) || handoff?.taken_by === `token:${rights.me.token}`;
  const bubbles = items.toReversed().map((message) =>
    el(
      "li",
      { class: message.direction === "INBOUND" ? "theirs" : "ours" },
      said(message.content),
      el("small", {}, when(message.created_at), message.direction === "OUTBOUND" ? ` ${TICKS[message.status] ?? message.status}` : "", message.error_detail ? ` ${message.error_detail}` : ""),
    ),
  );
  const does = (path, body, done) => async () => {
    try {
      await post(`/conversations/${number}/${path}`, body);
      toast(done);
      again();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast(error.message, true);
    }
  };
  const may = (verb) => rights.may("POST", `/conversations/{number}/${verb}`);
  const withBot = handoff === null || handoff === undefined || handoff.status === "WAITING";
  const whose = withBot ? (handoff ? "waits for a person" : "with the bot") : mine ? "with you" : handoff.taken_by ? "with a colleague" : "paused";
  return el(
    "article",
    { class: "talk" },
    el("header", { class: "row" }, el("h2", {}, one.contact || `Conversation ${number}`), el("span", { class: "mark", id: "whose" }, whose)),
    el(
      "div",
      { class: "row wrap" },
      withBot && may("take") ? el("button", { class: "primary small", onclick: does("take", {}, "It is yours; the bot keeps quiet.") }, "Take it") : null,
      !withBot && may("give-back") ? el("button", { class: "small", onclick: does("give-back", {}, "The bot goes on.") }, "Give back to the bot") : null,
      withBot && may("pause") ? el("button", { class: "small", onclick: does("pause", {}, "The bot keeps quiet.") }, "Pause the bot") : null,
      rights.may("GET", "/leads") ? el("button", { class: "small", onclick: () => go("leads", null, `contact=${one.contact_id}`) }, "Leads") : null,
      rights.may("GET", "/bookings") ? el("button", { class: "small", onclick: () => go("bookings", null, `contact=${one.contact_id}`) }, "Bookings") : null,
    ),
    bubbles.length ? el("ol", { class: "bubbles", tabindex: "0", "aria-label": "Messages" }, bubbles) : el("p", { class: "empty" }, "Nothing was said yet."),
    composer(one, number, rights, again, drafts),
  );
}

function composer(one, number, rights, again, drafts) {
  if (!rights.may("POST", "/conversations/{conversation}/reply")) return null;
  const open = one.last_inbound_at && Date.now() - new Date(one.last_inbound_at) < ANSWER_HOURS * 3600_000;
  if (!one.last_inbound_at) return el("p", { class: "quiet" }, "They have not written yet: until they do, WhatsApp lets only a template through.");
  if (!open) return el("p", { class: "quiet" }, "They last wrote more than 24 hours ago: WhatsApp lets only a template through now.");
  const area = el("textarea", { id: "reply", rows: 2, maxlength: 4096, required: true, placeholder: "Write in your own words", "aria-label": "Reply" });
  area.value = drafts.get(number)?.text ?? "";
  const keep = () => drafts.set(number, { text: area.value, key: drafts.get(number)?.key ?? newKey() });
  area.addEventListener("input", keep);
  const form = el("form", { class: "composer" }, area, el("button", { class: "primary" }, "Send"));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    keep();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await post(`/conversations/${number}/reply`, { text: area.value.trim() }, { key: drafts.get(number).key });
      drafts.delete(number);
      again();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast(error.message, true);
      // What was refused may be said again; what may have arrived keeps its key.
      if (error.status >= 400 && error.status < 500) drafts.set(number, { text: area.value, key: newKey() });
    } finally {
      button.disabled = false;
    }
  });
  return form;
}
