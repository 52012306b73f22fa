// The JSON API, in the name of the token that somebody signed in with. The token is kept for this tab only.

const ROOT = new URL("api/v1", document.baseURI).pathname;
const KEPT = "sirdar-token";
const PATIENCE_MS = 20_000; // for an answer
const FORM = /^sdr_\d+_\d+_[0-9a-f]+$/;

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.errors?.map((one) => one.message).join(" ") || problem.detail || problem.title || `The server has trouble (${status}). Try again in a moment.`);
    this.status = status;
    this.code = problem.code ?? "";
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (text) => sessionStorage.setItem(KEPT, text),
  drop: () => sessionStorage.removeItem(KEPT),
};

/** A key for one change, however often it has to be said. */
export const newKey = () => crypto.randomUUID();

async function ask(method, path, { body, key, seen } = {}) {
  const headers = { Authorization: `Bearer ${token.get()}`, "Sirdar-Client": "desk" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (seen) headers["If-Match"] = seen;
  const sent = { method, headers, cache: "no-store", redirect: "error", credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS), body: body === undefined ? undefined : JSON.stringify(body) };
  const answer = await fetch(ROOT + path, sent).catch(() => null);
  if (!answer) throw new Refused(0, { detail: "The server cannot be reached. Nothing is lost: try again." });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, value ?? {});
  if (value === null) throw new Refused(0, { detail: "The answer broke off. Try again." });
  return { value, etag: answer.headers.get("ETag") };
}

/** What is at a path. */
export const get = async (path) => (await ask("GET", path)).value;

/** What is at a path, and the version of it that was seen. */
export const look = (path) => ask("GET", path);

/** Change something: done once for a key, and only to the version that was `seen`, if one is given. */
export const post = async (path, body, { key = newKey(), seen } = {}) =>
  (await ask("POST", path, { body, key, seen })).value;

/** What this token may do: the routes that the server describes, by role and scope. */
export class Rights {
  constructor(me, document) {
    this.me = me;
    this.paths = document.paths;
  }

  /** Whether a route may be used: `may("POST", "/quotes/{number}/send")`. */
  may(method, path) {
    const route = this.paths[ROOT.slice(ROOT.indexOf("/api/v1")) + path]?.[method.toLowerCase()];
    if (!route) return false;
    const roles = route["x-roles"] ?? [];
    if (roles.length && !roles.includes(this.me.role)) return false;
    const scope = route["x-scope"];
    return !scope || this.me.scopes.includes(scope) || this.me.scopes.includes(`*:${scope.split(":")[1]}`);
  }
}

/** Sign in with the kept token; null when there is none that is in force. */
export async function rights() {
  if (!FORM.test(token.get() ?? "")) {
    token.drop();
    return null;
  }
  try {
    const [me, document] = await Promise.all([get("/me"), get("/openapi.json")]);
    return new Rights(me, document);
  } catch (error) {
    if (error.status !== 401) throw error;
    token.drop();
    return null;
  }
}
