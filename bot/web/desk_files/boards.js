// What the desk shows of each kind of object, and what can be done to one. The API decides what is allowed; an action
// that the role may not do, or the status does not allow, is not offered in the first place.

import { get } from "./api.js";
import { dayOf, far, money, when } from "./dom.js";

const REASON = { name: "reason", label: "Why", most: 2000 };
const PUBLIC = { name: "public", label: "For the customers of the trip", long: true, hint: "Sent to them on WhatsApp. Empty: they hear nothing." };
const is = (...statuses) => (one) => statuses.includes(one.status);
const people = (number) => (number === 1 ? "1 person" : `${number ?? "?"} people`);

/** Names to choose from, asked when a form opens. */
const departures = async (trek) =>
  (await get(`/treks/${trek}/departures?limit=50`)).items.map((one) => ({
    value: one.id, label: `${one.code}, ${dayOf(one.starts_on)}${one.free === null ? "" : `, ${one.free} free`}`,
  }));
const treks = async () => (await get("/treks?limit=100")).items.map((one) => ({ value: one.id, label: one.name }));
const sellers = async () => (await get("/contacts?role=sales&limit=100")).items.map((one) => ({ value: one.id, label: one.name }));
const freeStaff = async (trip) => (await get(`/trips/${trip}/free-staff`)).items.map((one) => ({ value: one.id, label: one.name }));

export const BOARDS = [
  {
    id: "leads", title: "Leads", path: "/leads", timeline: "lead", open: ["NEW", "QUOTED"],
    line: (one) => [one.customer || one.code, [one.trek, people(one.people), one.month].filter(Boolean).join(" · ")],
    facts: (one) => [
      ["Code", one.code], ["Customer", one.customer], ["Wants", one.trek], ["Party", people(one.people)],
      ["Month", one.month || "not known"], ["Looked after by", one.assignee || "nobody yet"], ["Note", one.note],
      ["Lost because", one.reason], ["Since", when(one.created_at)],
    ],
    related: (one) => [{ title: "Quotes", board: "quotes", query: `lead=${one.id}` }],
    talk: (one) => one.conversation_id,
    actions: [
      {
        label: "Write a quote", main: true, when: is("NEW", "QUOTED"), path: () => "/quotes", route: "/quotes", opens: "quotes",
        extra: (one) => ({ lead: one.id }), button: "Draft it",
        fields: async (one) => [
          { name: "price", label: "Price per person", money: true, hint: "Empty: the trek's own price." },
          { name: "people", label: "People", number: true, least: 1, most: 1000, value: one.people },
          { name: "trip", label: "Departure", number: true, options: one.trek_id ? await departures(one.trek_id) : [] },
          { name: "note", label: "Note for the customer", long: true },
        ],
      },
      { label: "Assign", verb: "assign", when: is("NEW", "QUOTED"), fields: async () => [{ name: "to", label: "To", number: true, options: await sellers(), hint: "—: whoever has room." }] },
      { label: "Give up", verb: "lose", danger: true, when: is("NEW", "QUOTED"), fields: () => [REASON] },
      { label: "Take up again", verb: "reopen", when: is("LOST") },
    ],
    create: {
      label: "New lead", route: "/leads",
      fields: async () => [
        { name: "contact", label: "Number of the customer's contact", number: true, least: 1, needed: true },
        { name: "trek", label: "Trek", number: true, needed: true, options: await treks() },
        { name: "people", label: "People", number: true, least: 1, most: 1000, needed: true, value: 2 },
        { name: "month", label: "Month", kind: "month" },
        { name: "note", label: "Note", long: true },
      ],
    },
  },
  {
    id: "quotes", title: "Quotes", path: "/quotes", timeline: "quote", open: ["DRAFT", "SUBMITTED", "APPROVED", "SENT"],
    line: (one) => [`${one.customer || "?"} · ${money(one.currency, one.total)}`, [one.code, one.trek, people(one.people)].filter(Boolean).join(" · ")],
    facts: (one) => [
      ["Code", `${one.code}, version ${one.version}`], ["Customer", one.customer], ["For", [one.trek, one.trip].filter(Boolean).join(", ")],
      ["Party", people(one.people)], ...one.items.map((item) => [item.description, `${item.quantity} × ${item.unit_price} = ${money(one.currency, item.amount)}`]),
      ["Total", money(one.currency, one.total)], ["Note", one.note], ["Good until", when(one.valid_until)], ["Sent", when(one.sent_at)],
    ],
    related: (one) => [{ title: "Lead", board: "leads", number: one.lead_id }],
    actions: [
      { label: "Send by WhatsApp", verb: "send", main: true, when: is("DRAFT", "APPROVED"), done: (now) => (now.status === "SUBMITTED" ? "A manager has to agree first." : "Sent.") },
      { label: "Book it", main: true, when: is("SENT", "ACCEPTED"), path: () => "/bookings", route: "/bookings", extra: (one) => ({ quote: one.id }), opens: "bookings" },
      { label: "Customer declined", verb: "decline", when: is("SENT"), fields: () => [REASON] },
      { label: "Withdraw", verb: "withdraw", danger: true, when: is("DRAFT", "SUBMITTED", "APPROVED") },
    ],
  },
  {
    id: "bookings", title: "Bookings", path: "/bookings", timeline: "booking", open: ["PENDING", "CONFIRMED"],
    line: (one) => [one.customer || one.code, [one.code, one.trip, people(one.people), money(one.currency, one.total)].filter(Boolean).join(" · ")],
    facts: (one) => [
      ["Code", one.code], ["Customer", one.customer], ["Trip", one.trip], ["Starts", dayOf(one.starts_on)], ["Party", people(one.people)],
      ["Total", money(one.currency, one.total)], ["Paid", money(one.currency, one.paid)], ["Due", money(one.currency, one.due)],
      ["Seats held until", one.status === "PENDING" ? when(one.hold_until) : ""], ["Cancelled because", one.reason],
    ],
    related: (one) => [{ title: "Payments", board: "payments", query: `booking=${one.id}` }],
    talkOf: (one) => one.contact_id,
    actions: [
      { label: "Send payment link", main: true, when: (one) => is("PENDING", "CONFIRMED")(one) && Number(one.due) > 0, path: () => "/payments", route: "/payments", extra: (one) => ({ booking: one.id }), done: () => "The customer has the link." },
      {
        label: "Note money received", verb: "payments", when: is("PENDING", "CONFIRMED"),
        fields: (one) => [{ name: "amount", label: `Amount in ${one.currency}`, money: true, needed: true, value: one.due }, { name: "note", label: "How it came" }],
      },
      { label: "Complete", verb: "complete", when: is("CONFIRMED") },
      { label: "Cancel booking", verb: "cancel", danger: true, when: is("PENDING", "CONFIRMED"), fields: () => [REASON] },
    ],
  },
  {
    id: "payments", title: "Payments", path: "/payments", open: ["PENDING"], timeline: null,
    line: (one) => [money(one.currency, one.amount), `${one.code} · booking ${one.booking_id} · ${one.gateway}`],
    facts: (one) => [["Code", one.code], ["Amount", money(one.currency, one.amount)], ["Gateway", one.gateway], ["Asked", when(one.created_at)], ["Paid", when(one.paid_at)], ["Link good until", when(one.expires_at)]],
    related: (one) => [{ title: "Booking", board: "bookings", number: one.booking_id }],
    actions: [{ label: "Money given back", verb: "refund", danger: true, when: is("PAID"), about: "Note that the customer has their money again. They are told on WhatsApp." }],
  },
  {
    id: "incidents", title: "Incidents", path: "/incidents", timeline: "trip", timelineId: (one) => one.trip_id, open: ["OPEN", "ACKNOWLEDGED"],
    line: (one) => [`${one.trip} · ${one.description}`, `${one.code} · ${one.severity.toLowerCase()} · ${one.reporter} · ${when(one.created_at)}`],
    alarm: (one) => one.status === "OPEN",
    facts: (one) => [
      ["What", one.description], ["Code", one.code], ["Trip", one.trip], ["How bad", one.severity.toLowerCase()], ["Reported by", one.reporter],
      ["Since", when(one.created_at)], ["Looked after since", when(one.acknowledged_at)], ["Resolved", when(one.resolved_at)], ["How", one.resolution],
      ["Where", one.place ? `${one.place.latitude}, ${one.place.longitude}` : ""],
    ],
    files: (one) => one.media,
    updates: true,
    actions: [
      { label: "I look after it", verb: "acknowledge", main: true, when: is("OPEN") },
      { label: "Tell what is done", verb: "update", main: true, when: is("OPEN", "ACKNOWLEDGED"), button: "Tell them", fields: () => [{ name: "text", label: "For the crew", long: true, needed: true, hint: "Sent to them on WhatsApp." }, PUBLIC] },
      { label: "How bad", verb: "severity", when: is("OPEN", "ACKNOWLEDGED"), fields: () => [{ name: "severity", label: "How bad", needed: true, options: ["LOW", "MEDIUM", "HIGH", "CRITICAL"] }] },
      { label: "Resolve", verb: "resolve", when: is("OPEN", "ACKNOWLEDGED"), fields: () => [{ name: "note", label: "What was done", long: true }, PUBLIC] },
      { label: "Reopen", verb: "reopen", when: is("RESOLVED"), fields: () => [REASON] },
    ],
  },
  {
    id: "approvals", title: "Approvals", path: "/approvals", timeline: null, open: ["PENDING"],
    line: (one) => [one.subject, `${one.code} · ${when(one.created_at)}`],
    alarm: (one) => one.status === "PENDING",
    facts: (one) => [["Question", one.subject], ["Code", one.code], ["Amount", money(one.currency, one.amount)], ["Asked", when(one.created_at)], ["Decided", when(one.decided_at)], ["Note", one.note]],
    actions: [
      { label: "Approve", verb: "decide", main: true, when: is("PENDING"), extra: () => ({ approve: true }), fields: () => [{ name: "note", label: "Note", long: true }], button: "Approve" },
      { label: "Refuse", verb: "decide", danger: true, when: is("PENDING"), extra: () => ({ approve: false }), fields: () => [{ name: "note", label: "Why", long: true }], button: "Refuse" },
    ],
  },
  {
    id: "trips", title: "Trips", path: "/trips", timeline: "trip", open: ["SCHEDULED", "RUNNING"],
    line: (one) => [`${one.code} · ${one.trek}`, `${dayOf(one.starts_on)} · ${one.taken}${one.seats === null ? "" : ` of ${one.seats}`} booked`],
    facts: (one) => [["Code", one.code], ["Trek", one.trek], ["Starts", dayOf(one.starts_on)], ["Ends", dayOf(one.ends_on)], ["Booked", one.seats === null ? one.taken : `${one.taken} of ${one.seats}`]],
    related: (one) => [{ title: "Bookings", board: "bookings", query: `trip=${one.id}` }, { title: "Incidents", board: "incidents", query: `trip=${one.id}` }],
    crew: true,
    actions: [
      {
        label: "Assign staff", main: true, when: is("SCHEDULED", "RUNNING"), path: (one) => `/trips/${one.id}/assignments`, route: "/trips/{trip}/assignments",
        fields: async (one) => [
          { name: "person", label: "Who", number: true, needed: true, options: await freeStaff(one.id), hint: "Who is neither away nor on another trip then." },
          { name: "duty", label: "As", needed: true, options: ["guide", "assistant", "porter", "cook", "driver"] },
        ],
      },
      { label: "Seats", verb: "seats", when: is("SCHEDULED"), fields: (one) => [{ name: "seats", label: "Seats", number: true, needed: true, value: one.seats, most: 10000 }] },
      { label: "Set off", verb: "start", when: is("SCHEDULED") },
      { label: "Complete", verb: "complete", when: is("RUNNING") },
      { label: "Cancel trip", verb: "cancel", danger: true, when: is("SCHEDULED", "RUNNING"), fields: () => [{ ...REASON, needed: true }] },
    ],
    create: {
      label: "Plan a trip", route: "/trips",
      fields: async () => [
        { name: "trek", label: "Trek", number: true, needed: true, options: await treks() },
        { name: "starts_on", label: "Starts", kind: "date", needed: true },
        { name: "seats", label: "Seats", number: true, most: 10000 },
      ],
    },
  },
  {
    id: "broadcasts", title: "Broadcasts", path: "/broadcasts", timeline: "broadcast", open: ["DRAFT", "WAITING", "SCHEDULED", "RUNNING", "PAUSED"],
    line: (one) => [one.name, `${one.code} · ${one.template}`],
    facts: (one) => [["Code", one.code], ["Template", one.template], ["Starts", one.scheduled_at ? `${when(one.scheduled_at)} (${far(one.scheduled_at)})` : ""], ["Finished", when(one.finished_at)], ["Stopped because", one.reason]],
    progress: true,
    actions: [
      { label: "Start", verb: "start", main: true, when: is("DRAFT"), about: "It goes to everybody of its segment who may be written to. Above 100 people a manager has to agree." },
      { label: "Pause", verb: "pause", when: is("RUNNING", "SCHEDULED") },
      { label: "Go on", verb: "resume", main: true, when: is("PAUSED") },
      { label: "Try the failed again", verb: "retry", when: is("DONE", "PAUSED", "RUNNING") },
      { label: "Cancel broadcast", verb: "cancel", danger: true, when: is("DRAFT", "WAITING", "SCHEDULED", "RUNNING", "PAUSED"), about: "Who was not written to yet will not be." },
    ],
  },
];
