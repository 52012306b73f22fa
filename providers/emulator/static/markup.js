// WhatsApp's markup as DOM nodes: *bold* _italic_ ~strike~ `code` ```block```, "> " quotes, "- " lists, links.

import { el } from "./dom.js";

const TAGS = { "*": "strong", _: "em", "~": "s" };
const INLINE =
  /`([^`\n]+)`|(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])|(?<![\p{L}\p{N}])([*_~])(?=\S)((?:(?!\3).)*?\S)\3(?![\p{L}\p{N}])/gu;
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}[\u{fe0f}\u{1f3fb}-\u{1f3ff}]?(?:\u{200d}\p{Extended_Pictographic}\u{fe0f}?)*){1,3}$/u;

/** A paragraph with the text's markup. */
export function words(text) {
  const node = el("p", { class: ONLY_EMOJI.test(text.trim()) ? "words big" : "words", dir: "auto" });
  text.split(/```([\s\S]+?)```/u).forEach((part, place) => {
    if (place % 2) node.append(el("code", {}, part.trim()));
    else node.append(...lines(part));
  });
  return node;
}

/** The text without its markup, for quotes. */
export const plain = (text) => words(text).textContent;

function lines(text) {
  const nodes = [];
  let breakDue = false;
  for (const line of text.split("\n")) {
    const quote = /^> (.*)$/u.exec(line);
    const item = /^(?:[-*] |(\d+)\. )(.+)$/u.exec(line);
    if (quote || item) {
      nodes.push(
        quote
          ? el("blockquote", {}, inline(quote[1]))
          : el("span", { class: "item" }, item[1] ? `${item[1]}. ` : "•  ", inline(item[2])),
      );
      breakDue = false;
      continue;
    }
    if (breakDue) nodes.push("\n");
    nodes.push(...inline(line));
    breakDue = true;
  }
  return nodes;
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, link, mark, inside] = match;
    nodes.push(text.slice(from, match.index));
    if (code !== undefined) nodes.push(el("code", {}, code));
    else if (link !== undefined) nodes.push(el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link));
    else nodes.push(el(TAGS[mark], {}, inline(inside)));
    from = match.index + whole.length;
  }
  nodes.push(text.slice(from));
  return nodes.filter((node) => node !== "");
}
