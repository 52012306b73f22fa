// One kind of object: a list on the left, one of them on the right, and what can be done to it.

import { get, look, post } from "./api.js";
import { el, far, link, mark, toast, when, words } from "./dom.js";
import { ask } from "./forms.js";

const ROWS = 50;

/** The list of a board. `state` says what is shown: `status`, `query`, and more pages. */
export async function list(board, state, rights, go) {
  const pages = [];
  const narrowed = state.query ? `&${state.query}` : "";
  const statuses = state.query || state.all ? [null] : board.open;
  for (const status of statuses) {
    const wanted = status ? `&status=${status}` : "";
    pages.push(get(`${board.path}?limit=${ROWS}${narrowed}${wanted}`));
  }
  const found = (await Promise.all(pages)).flatMap((page) => page.items).sort((a, b) => b.id - a.id);
  const rows = found.map((one) => {
    const [first, second] = board.line(one);
    return el(
      "li",
      {},
      el(
        "button",
        { class: board.alarm?.(one) ? "line alarm" : "line", "aria-current": String(one.id) === state.number ? "true" : null, onclick: () => go(board.id, one.id) },
        el("span", { class: "first" }, first), mark(one.status), el("span", { class: "second" }, second),
      ),
    );
  });
  const create = board.create && rights.may("POST", board.create.route) ? board.create : null;
  return el(
    "div",
    {},
    el(
      "header",
      { class: "row" },
      el("h1", {}, board.title),
      create ? el("button", { class: "primary small", onclick: () => makeNew(board, create, go) }, create.label) : null,
    ),
    state.query
      ? el("p", { class: "quiet" }, "Narrowed. ", el("button", { class: "plain", onclick: () => go(board.id) }, "Show all"))
      : el(
          "div",
          { class: "tabs", role: "group", "aria-label": "Which" },
          el("button", { "aria-pressed": String(!state.all), onclick: () => state.show(false) }, "Open"),
          el("button", { "aria-pressed": String(Boolean(state.all)), onclick: () => state.show(true) }, "All"),
        ),
    rows.length ? el("ul", { class: "lines" }, rows) : el("p", { class: "empty" }, "Nothing here. That is good news."),
  );
}

async function makeNew(board, create, go) {
  ask({
    title: create.label, fields: await create.fields(), button: "Create",
    send: async (body, key) => {
      const made = await post(create.route, body, { key });
      toast(`${made.code ?? board.title} created.`);
      go(board.id, made.id);
    },
  });
}

/** One object: facts, what can be done, what belongs to it, and its timeline. */
export async function detail(board, number, rights, go, again) {
  const { value: one, etag } = await look(`${board.path}/${number}`);
  const [title] = board.line(one);
  const facts = board.facts(one).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parts = await Promise.all([
    related(board, one, rights, go), crew(board, one, rights, again), updates(board, one, rights), files(board, one, rights), progress(board, one), timeline(board, one, rights),
  ]);
  return el(
    "article",
    {},
    el("header", { class: "row" }, el("h2", {}, title), mark(one.status)),
    el("div", { class: "row wrap" }, actions(board, one, etag, rights, go, again), await talk(board, one, rights, go)),
    el("dl", {}, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])),
    parts,
  );
}

function actions(board, one, etag, rights, go, again) {
  return board.actions
    .filter((action) => action.when(one))
    .filter((action) => rights.may("POST", action.route ?? `${board.path}/{number}/${action.verb}`))
    .map((action) =>
      el("button", { class: action.danger ? "danger small" : action.main ? "primary small" : "small", onclick: () => act(board, one, etag, action, go, again) }, action.label),
    );
}

async function act(board, one, etag, action, go, again) {
  const path = action.path ? action.path(one) : `${board.path}/${one.id}/${action.verb}`;
  const fields = action.fields ? await action.fields(one) : [];
  ask({
    title: action.label, about: action.about ?? board.line(one)[0], fields, button: action.button ?? action.label, danger: action.danger,
    send: async (body, key) => {
      // What is changed is what was seen. What is newly made has no version yet.
      const now = await post(path, { ...body, ...(action.extra?.(one) ?? {}) }, { key, seen: action.path ? undefined : etag });
      toast(action.done?.(now) ?? "Done.");
      if (action.opens) go(action.opens, now.id);
      else again();
    },
  });
}

async function talk(board, one, rights, go) {
  if (!rights.may("GET", "/conversations")) return null;
  let conversation = board.talk?.(one) ?? null;
  if (conversation === null && board.talkOf) conversation = (await get(`/conversations?limit=1&contact=${board.talkOf(one)}`)).items[0]?.id ?? null;
  return conversation === null ? null : el("button", { class: "small", onclick: () => go("talk", conversation) }, "Conversation");
}

async function related(board, one, rights, go) {
  const blocks = [];
  for (const { title, board: id, query, number } of board.related?.(one) ?? []) {
    if ((number === undefined && !query) || number === null || !rights.may("GET", `/${id}`)) continue;
    if (number !== undefined) {
      blocks.push(el("p", {}, el("button", { class: "plain", onclick: () => go(id, number) }, `${title} ${number}`)));
      continue;
    }
    const { items } = await get(`/${id}?limit=20&${query}`);
    const links = items.map((item) => el("li", {}, el("button", { class: "plain", onclick: () => go(id, item.id) }, item.code ?? String(item.id)), " ", mark(item.status)));
    if (links.length) blocks.push(el("h3", {}, title), el("ul", { class: "compact" }, links));
  }
  return blocks;
}

async function crew(board, one, rights, again) {
  if (!board.crew) return null;
  const { items } = await get(`/trips/${one.id}/assignments`);
  const release = async (person) => {
    await post(`/trips/${one.id}/assignments/${person}/release`);
    toast("Released.");
    again();
  };
  const may = rights.may("POST", "/trips/{trip}/assignments/{person}/release");
  const lines = items.map((person) =>
    el(
      "li", {}, `${person.person}, ${person.duty} `, mark(person.status), " ",
      may && ["ASSIGNED", "CONFIRMED"].includes(person.status) ? el("button", { class: "plain", onclick: () => release(person.person_id) }, "Release") : null,
    ),
  );
  return [el("h3", {}, "Crew"), lines.length ? el("ul", { class: "compact" }, lines) : el("p", { class: "quiet" }, "Nobody yet.")];
}

async function updates(board, one, rights) {
  if (!board.updates || !rights.may("GET", "/incidents/{incident}/updates")) return null;
  const { items } = await get(`/incidents/${one.id}/updates?limit=50`);
  if (!items.length) return null;
  const lines = items.map((update) => el("li", {}, el("time", {}, when(update.created_at)), ` ${update.text}`, update.public ? el("em", {}, ` Customers: ${update.public}`) : null));
  return [el("h3", {}, "What was said"), el("ul", { class: "compact" }, lines)];
}

async function files(board, one, rights) {
  const numbers = board.files?.(one) ?? [];
  if (!numbers.length || !rights.may("GET", "/files/{file}")) return null;
  const found = await Promise.all(numbers.map((number) => get(`/files/${encodeURIComponent(number)}`).catch(() => null)));
  const links = found.map((file, place) => el("li", {}, file?.link ? link(file.link, file.filename || `File ${place + 1}`) : `File ${place + 1}: not here`));
  return [el("h3", {}, "Photos and files"), el("ul", { class: "compact" }, links)];
}

async function progress(board, one) {
  if (!board.progress) return null;
  const { people } = await get(`/broadcasts/${one.id}/progress`);
  const all = Object.values(people).reduce((sum, count) => sum + count, 0);
  if (!all) return null;
  const counted = Object.entries(people).filter(([, count]) => count);
  return [
    el("h3", {}, `${all} people`),
    el("progress", { max: all, value: all - (people.pending ?? 0), "aria-label": "Handed on" }),
    el("ul", { class: "compact" }, counted.map(([what, count]) => el("li", {}, `${words(what)}: ${count}`))),
  ];
}

/** What an entry says besides its action: people's words in quotes, numbers of other objects left out. */
function told(content) {
  return Object.entries(content)
    .filter(([name, value]) => name !== "action" && !name.endsWith("_id") && value !== "" && value !== null && typeof value !== "object")
    .map(([name, value]) => (["text", "note", "reason", "public"].includes(name) ? `“${value}”` : `${words(name).toLowerCase()} ${value}`))
    .join(", ");
}

async function timeline(board, one, rights) {
  if (!board.timeline || !rights.may("GET", "/timeline")) return null;
  const about = board.timelineId ? board.timelineId(one) : one.id;
  const { items } = await get(`/timeline?limit=30&object_type=${board.timeline}&object_id=${about}`);
  const lines = items.map((entry) => {
    return el(
      "li", {}, el("time", { title: far(entry.created_at) }, when(entry.created_at)), " ", el("strong", {}, words(entry.action)),
      ` ${told(entry.content)}`, el("small", {}, ` ${entry.source.toLowerCase()}`),
    );
  });
  return lines.length ? [el("h3", {}, "Timeline"), el("ul", { class: "timeline" }, lines)] : null;
}

