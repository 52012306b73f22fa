// Today: what waits for somebody, and what the day came to.

import { get } from "./api.js";
import { el, words } from "./dom.js";

const percent = (rate) => (rate === null || rate === undefined ? "–" : `${Math.round(Number(rate) * 100)} %`);

function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 90) return `${Math.round(value)} s`;
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

const card = (title, value, more) => el("div", { class: "card" }, el("h3", {}, title), el("strong", {}, String(value)), more ? el("p", { class: "quiet" }, more) : null);

/** What waits, with a way to it. */
async function waiting(rights, go) {
  const asked = [
    ["Waiting for a person", "/handoffs", "status=WAITING", "talk"], ["New leads", "/leads", "status=NEW", "leads"], ["Open incidents", "/incidents", "status=OPEN", "incidents"],
    ["Approvals", "/approvals", "status=PENDING", "approvals"], ["Unpaid bookings", "/bookings", "status=PENDING", "bookings"],
  ].filter(([, path]) => rights.may("GET", path));
  const pages = await Promise.all(asked.map(([, path, query]) => get(`${path}?limit=100&${query}`)));
  return asked.map(([title, , , board], place) => {
    const { items, next } = pages[place];
    return el("button", { class: items.length ? "card busy" : "card", onclick: () => go(board) }, el("h3", {}, title), el("strong", {}, next ? "100+" : String(items.length)));
  });
}

function bars(days) {
  if (days.length < 7) return null; // a bar or two say nothing
  const most = Math.max(1, ...days.map((day) => day.received));
  return el(
    "ol",
    { class: "bars", "aria-label": "Messages received in the last 30 days" },
    days.map((day) => {
      const bar = el("li", { title: `${day.day}: ${day.received} received, ${day.sent} sent` });
      bar.style.setProperty("--share", String(day.received / most));
      return bar;
    }),
  );
}

/** The page. */
export async function today(rights, go) {
  const blocks = [el("header", { class: "row" }, el("h1", {}, "Today")), el("div", { class: "cards" }, await waiting(rights, go))];
  if (rights.may("GET", "/metrics")) {
    const found = await get("/metrics");
    const messages = found.messages.at(-1);
    const sums = (rows, name) => rows.reduce((sum, row) => sum + row[name], 0);
    const rate = (rows, part, whole) => (sums(rows, whole) ? percent(sums(rows, part) / sums(rows, whole)) : "–");
    blocks.push(
      el("h2", {}, "Messages"),
      el("div", { class: "cards" },
        card("Received today", messages?.received ?? 0), card("Sent today", messages?.sent ?? 0),
        card("Delivered", percent(messages?.delivery_rate), "of today's"), card("Read", percent(messages?.read_rate), "of those delivered")),
      bars(found.messages),
      el("h2", {}, "The last 30 days"),
      el("div", { class: "cards" },
        card("Active today", found.conversations.at(-1)?.active_conversations ?? 0, "conversations"), card("Completed", rate(found.conversations, "runs_completed", "runs_ended"), "of what was begun and is over"),
        card("Enquiry to lead", rate(found.sales, "enquiries_with_lead", "enquiries")), card("Lead to booking", rate(found.sales, "leads_booked", "leads"))),
      el("h2", {}, "Time to answer"),
      el("table", {},
        el("thead", {}, el("tr", {}, ["Who", "Answered", "Not", "Mean", "Half within", "95 % within"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, found.response_times.map((one) => el("tr", {},
          el("th", { scope: "row" }, one.kind === "reply" ? `Us, to ${words(one.role).toLowerCase()}` : `${words(one.role)}, by hand`),
          [one.answered, one.unanswered, seconds(one.mean_seconds), seconds(one.p50_seconds), seconds(one.p95_seconds)].map((value) => el("td", {}, String(value))))))),
    );
  }
  return el("div", { class: "today" }, blocks);
}
