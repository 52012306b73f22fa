// One phone: its frame, its chat, its keyboard.

import { draw, drawMeta, summary } from "./bubble.js";
import { base64, dayOf, el, icon, post } from "./dom.js";
import { attachSheet, contactSheet, fileSheet, flowSheet, listSheet, placesSheet } from "./sheet.js";
import { record } from "./voice.js";

const NEAR_BOTTOM = 140;
const TYPING_MOST = 25_000;

export class Phone {
  /**
   * @param {object} told The phone as the emulator tells it.
   * @param {() => Phone[]} others Everybody on the page.
   */
  constructor(told, business, place, others) {
    this.number = told.number;
    this.name = told.name;
    this.role = told.role;
    this.hint = told.hint;
    this.business = business;
    this.others = others;
    this.bubbles = new Map();
    this.stuck = true;
    this.typingTimer = null;
    this.path = `/phones/${encodeURIComponent(told.number)}`;
    this.root = this.#build(place % 5);
    this.load(told);
  }

  /** Replace the whole chat. */
  load(told) {
    this.bubbles.clear();
    this.last = null;
    this.wrote = false;
    this.unread = 0;
    this.replyTo(null);
    this.log.replaceChildren(
      el("div", { class: "notice" }, icon("lock"), "This chat stays on this computer. No message goes to WhatsApp."),
      this.dots,
    );
    for (const bubble of told.bubbles) this.show(bubble, { fresh: false });
    this.type(told.typing_until);
    this.#offerHint();
    this.toBottom();
  }

  /** Scroll to the newest message, and stay there while messages come and the page changes its size. */
  toBottom() {
    this.stuck = true;
    this.log.scrollTop = this.log.scrollHeight;
  }

  find(id) {
    return this.bubbles.get(id);
  }

  /** Show a bubble, or renew it when it is here already. */
  show(bubble, { fresh = true } = {}) {
    const before = this.bubbles.get(bubble.id);
    this.bubbles.set(bubble.id, bubble);
    if (before) return this.#renew(before, bubble);
    const { last } = this;
    this.last = bubble;
    this.wrote ||= bubble.author === "person";
    const stick = this.stuck;
    const day = dayOf(bubble.at);
    if (!last || dayOf(last.at) !== day) this.dots.before(el("div", { class: "day" }, day));
    const said = draw(bubble, this);
    said.classList.toggle("first", last?.author !== bubble.author || dayOf(last.at) !== day);
    said.classList.toggle("fresh", fresh);
    this.dots.before(said);
    if (bubble.author === "business" && bubble.receipt !== "read") this.unread += 1;
    if (stick || bubble.author === "person") this.toBottom();
    for (const picture of said.querySelectorAll("img")) {
      picture.addEventListener("load", () => stick && this.toBottom(), { once: true });
    }
    this.#offerHint();
  }

  /** Show "typing…" until the given moment. */
  type(until) {
    clearTimeout(this.typingTimer);
    // Never longer than WhatsApp shows it, even when a test moved the emulator's clock.
    const left = until ? Math.min(new Date(until) - Date.now(), TYPING_MOST) : 0;
    const typing = left > 0;
    this.presence.textContent = typing ? "typing…" : "online";
    this.presence.classList.toggle("typing", typing);
    this.dots.hidden = !typing;
    if (!typing) return;
    this.typingTimer = setTimeout(() => this.type(null), left);
    if (this.stuck) this.toBottom();
  }

  /** Tell the emulator that this chat is on screen. */
  see() {
    if (!this.unread) return;
    this.unread = 0;
    this.#act("read");
  }

  tap(bubble, button) {
    return this.#act("tap", { message: bubble.id, button: button.id });
  }

  /** Put an emoji on a bubble; the same one again takes it back. */
  react({ id }, emoji) {
    return this.#act("react", { message: id, emoji: this.find(id).person_reaction === emoji ? "" : emoji });
  }

  openList(bubble) {
    listSheet(this.screen, bubble, (row) => this.#act("pick", { message: bubble.id, row: row.id }));
  }

  openPlaces() {
    placesSheet(this.screen, (place) => this.#act("location", place));
  }

  openFlow(bubble) {
    flowSheet(this.screen, bubble, (filled) => this.#act("flow", { message: bubble.id, filled }));
  }

  /** Let the business have this phone's number. */
  shareNumber({ id }) {
    return this.#act("share", { message: id });
  }

  /** A voice note of the business was played. */
  listened({ id }) {
    return this.#act("play", { message: id });
  }

  /** What is written next answers this bubble; null for nothing in particular. */
  replyTo(bubble) {
    this.quoted = bubble;
    this.reply.hidden = !bubble;
    if (!bubble) return;
    this.reply.replaceChildren(
      el("span", { class: "quote" }, el("b", {}, bubble.author === "person" ? "You" : this.business), el("span", {}, summary(bubble))),
      el("button", { class: "round", type: "button", "aria-label": "Do not reply", onclick: () => this.replyTo(null) }, icon("close")),
    );
    this.field.focus();
  }

  /** Something that no phone would show, but whoever writes flows should know. */
  note(text) {
    this.dots.before(el("div", { class: "notice trouble" }, text));
    if (this.stuck) this.toBottom();
  }

  /** Scroll a quoted bubble into view. */
  reveal(id) {
    this.#node(id)?.scrollIntoView({ block: "center", behavior: "smooth" });
  }

  #node(id) {
    return this.log.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  #renew(before, bubble) {
    const said = this.#node(bubble.id);
    if (before.pressed === bubble.pressed && before.media?.id === bubble.media?.id) {
      drawMeta(said, bubble);
      if (this.stuck) this.toBottom();
      return;
    }
    // Only a pressed button needs a new drawing; the keyboard's place is kept.
    const key = said.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const drawn = draw(bubble, this);
    drawn.classList.toggle("first", said.classList.contains("first"));
    said.replaceWith(drawn);
    if (key) drawn.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }

  async #act(name, body = {}) {
    try {
      await post(`${this.path}/${name}`, body);
      return true;
    } catch (error) {
      this.#complain(error.message);
      return false;
    }
  }

  #complain(text) {
    const toast = el("div", { class: "toast", role: "alert" }, text);
    this.screen.append(toast);
    setTimeout(() => toast.remove(), 4000);
  }

  async #send(text) {
    if (!text.trim()) return;
    const quote = this.#takeQuote();
    this.field.value = "";
    this.#fit();
    if (!(await this.#act("say", { text, quote })) && !this.field.value) {
      this.field.value = text;
      this.#fit();
    }
  }

  #takeQuote() {
    const quote = this.quoted?.id ?? null;
    this.replyTo(null);
    return quote;
  }

  #sendFile(file) {
    return this.#act("media", { ...file, quote: this.#takeQuote() });
  }

  #attach() {
    const complain = (text) => this.#complain(text);
    const file = (kind) => () => fileSheet(this.screen, kind, (chosen) => this.#sendFile(chosen), complain);
    attachSheet(this.screen, {
      photo: file("photo"),
      video: file("video"),
      document: file("document"),
      audio: file("audio"),
      place: () => this.openPlaces(),
      contact: () => {
        const people = this.others().filter((phone) => phone !== this);
        contactSheet(this.screen, people, ({ name, number }) => this.#act("contacts", { cards: [{ name, phones: [number] }] }));
      },
    });
  }

  #record() {
    const send = (bytes) => this.#sendFile({ mime_type: "audio/ogg; codecs=opus", data: base64(bytes), voice: true });
    record(this.form, send, (text) => this.#complain(text));
  }

  #fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.max(this.field.scrollHeight, 44)}px`;
    const empty = !this.field.value.trim();
    this.sendButton.hidden = empty;
    this.micButton.hidden = !empty;
  }

  #offerHint() {
    this.suggest.hidden = !this.hint || this.wrote;
  }

  #build(tone) {
    this.dots = el(
      "div",
      { class: "said first", hidden: true },
      el("div", { class: "bubble typing-dots", "aria-label": "typing" }, el("i"), el("i"), el("i")),
    );
    this.log = el("div", {
      class: "log",
      role: "log",
      "aria-live": "polite",
      "aria-label": `${this.name}'s chat with ${this.business}`,
      tabindex: "0",
    });
    this.log.addEventListener("scroll", () => {
      this.stuck = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_BOTTOM;
    });
    new ResizeObserver(() => this.stuck && this.toBottom()).observe(this.log);
    this.suggest = el(
      "div",
      { class: "suggest", hidden: true },
      el("button", { type: "button", onclick: () => (this.#send(this.hint), this.field.focus()) }, this.hint),
    );
    this.screen = el(
      "div",
      { class: "screen" },
      el("div", { class: "body" }, this.#clock(), this.#top(), this.#chat()),
    );
    return el(
      "section",
      { class: `phone tone-${tone}`, id: `phone-${this.number.slice(1)}`, "aria-label": `${this.name}, ${this.role}` },
      this.#owner(),
      el("div", { class: "case" }, this.screen),
    );
  }

  #owner() {
    const initials = this.name
      .split(/\s+/u)
      .slice(0, 2)
      .map((word) => [...word][0])
      .join("");
    return el(
      "div",
      { class: "owner" },
      el("span", { class: "face", "aria-hidden": "true" }, initials),
      el("strong", {}, this.name),
      el("span", { class: "role" }, this.role),
      el("span", { class: "number" }, this.number),
    );
  }

  #clock() {
    const time = el("span");
    const tick = () => {
      time.textContent = new Date().toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit", hour12: false });
    };
    tick();
    setInterval(tick, 10_000);
    return el("div", { class: "clock", "aria-hidden": "true" }, time, icon("signal"));
  }

  #top() {
    this.presence = el("p", { class: "presence", role: "status" }, "online");
    return el(
      "div",
      { class: "top" },
      icon("back"),
      el("span", { class: "avatar", "aria-hidden": "true" }, icon("peaks")),
      el(
        "div",
        { class: "who" },
        el("p", { class: "name" }, el("span", {}, this.business), icon("verified", "verified")),
        this.presence,
      ),
      icon("video"),
      icon("call"),
      icon("dots"),
    );
  }

  #chat() {
    this.field = el("textarea", {
      dir: "auto",
      rows: "1",
      placeholder: "Message",
      "aria-label": `Message as ${this.name}`,
      enterkeyhint: "send",
      oninput: () => this.#fit(),
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        this.#send(this.field.value);
      },
    });
    this.sendButton = el("button", { class: "round send", type: "submit", "aria-label": "Send", hidden: true }, icon("send"));
    this.micButton = el(
      "button",
      { class: "round send", type: "button", "aria-label": "Record a voice note", onclick: () => this.#record() },
      icon("mic"),
    );
    this.reply = el("div", { class: "replying", hidden: true });
    this.form = el(
      "form",
      { class: "write" },
      el(
        "div",
        { class: "box" },
        this.reply,
        el(
          "div",
          { class: "line" },
          el("button", { class: "round attach", type: "button", "aria-label": "Attach", onclick: () => this.#attach() }, icon("plus")),
          this.field,
        ),
      ),
      this.sendButton,
      this.micButton,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send(this.field.value);
      this.field.focus();
    });
    this.form.addEventListener("keydown", (event) => event.key === "Escape" && this.replyTo(null));
    return el("div", { class: "chat" }, this.log, this.suggest, this.form, el("div", { class: "home", "aria-hidden": "true" }));
  }
}
