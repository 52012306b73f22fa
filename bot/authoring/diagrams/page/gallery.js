"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const cards = [...document.querySelectorAll("article")];
  const viewer = $("viewer"), stage = $("stage"), sheet = $("sheet"), about = $("about");
  let roles = new Set(), shown = null, x = 0, y = 0, scale = 1;

  // What can be searched: the name of a flow, and of each state all that its tool tip says.
  const index = new Map(cards.map((card) => [card, {
    name: card.querySelector("strong").textContent.toLowerCase(),
    nodes: [...card.querySelectorAll("svg .node")].map((node) =>
      [node, (node.dataset.state + " " + node.querySelector("title").textContent).toLowerCase()]),
  }]));

  function search() {
    const wanted = $("search").value.trim().toLowerCase();
    let flows = 0, states = 0;
    for (const card of cards) {
      const { name, nodes } = index.get(card);
      const inRole = !roles.size || card.dataset.roles.split(" ").some((role) => role === "any" || roles.has(role));
      let hits = 0;
      for (const [node, text] of nodes) {
        const hit = wanted !== "" && text.includes(wanted);
        node.classList.toggle("found", hit);
        hits += hit;
      }
      const drawing = (card === shown ? sheet : card).querySelector("svg");
      drawing.classList.toggle("searching", hits > 0);
      card.hidden = !inRole || (wanted !== "" && !hits && !name.includes(wanted));
      const line = card.querySelector(".hits");
      line.hidden = !hits;
      line.textContent = hits === 1 ? "in 1 state" : `in ${hits} states`;
      if (!card.hidden) { flows += 1; states += wanted && hits ? hits : nodes.length; }
    }
    $("none").hidden = flows > 0;
    const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
    $("sum").textContent = `${count(flows, "flow")}, ${count(states, "state")}`;
  }

  // A tall flow shows its beginning on the card, not a thread of crumbs.
  function crop(card) {
    const svg = card.querySelector("svg");
    const height = +svg.getAttribute("height");
    const tall = height > 900 && height > 1.3 * svg.getAttribute("width");
    svg.setAttribute("preserveAspectRatio", tall ? "xMidYMin slice" : "xMidYMid meet");
  }
  function putBack() {
    shown.querySelector(".thumb").append(sheet.firstElementChild);
    crop(shown);
  }

  function place() {
    sheet.style.transform = `translate(${x}px,${y}px) scale(${scale})`;
    $("scale").textContent = `${Math.round(scale * 100)} %`;
  }
  function size() { const svg = sheet.firstElementChild; return [+svg.getAttribute("width"), +svg.getAttribute("height")]; }
  function zoom(factor, at = [stage.clientWidth / 2, stage.clientHeight / 2]) {
    const to = Math.min(4, Math.max(0.08, scale * factor));
    x = at[0] - (at[0] - x) * to / scale;
    y = at[1] - (at[1] - y) * to / scale;
    scale = to;
    place();
  }
  function fit() {
    const [width, height] = size(), gap = 24;
    const whole = Math.min((stage.clientWidth - gap) / width, (stage.clientHeight - gap) / height);
    scale = Math.min(1.25, Math.max(whole, Math.min(0.55, (stage.clientWidth - gap) / width)));  // tall flows begin readable
    x = (stage.clientWidth - width * scale) / 2;
    y = height * scale > stage.clientHeight ? gap / 2 : (stage.clientHeight - height * scale) / 2;
    place();
  }
  function go(name) {
    const node = [...sheet.querySelectorAll(".node")].find((one) => one.dataset.state === name);
    sheet.querySelectorAll(".here").forEach((one) => one.classList.remove("here"));
    if (!node) return;
    node.classList.add("here");
    scale = Math.max(scale, 0.9);
    place();
    const box = node.getBoundingClientRect(), room = stage.getBoundingClientRect();
    x += room.x + room.width / 2 - box.x - box.width / 2;
    y += room.y + room.height / 2 - box.y - box.height / 2;
    place();
  }

  function show(card) {
    if (shown) putBack();
    shown = card;
    sheet.replaceChildren(card.querySelector("svg"));
    about.replaceChildren(card.querySelector("template").content.cloneNode(true));
    about.scrollTop = 0;
    $("viewer-name").textContent = card.querySelector("strong").textContent;
    $("viewer-sub").textContent = card.querySelector("small").textContent;
    if (!viewer.open) { viewer.showModal(); stage.focus(); }
    history.replaceState(null, "", "#" + card.id);
    fit();
    const found = sheet.querySelector(".found");
    if (found) go(found.dataset.state);
  }
  viewer.addEventListener("close", () => {
    if (!shown) return;
    putBack();
    shown.querySelector(".open").focus();
    shown = null;
    history.replaceState(null, "", location.pathname + location.search);
  });
  function step(by) {
    const visible = cards.filter((card) => !card.hidden || card === shown);
    show(visible[(visible.indexOf(shown) + by + visible.length) % visible.length]);
  }

  const deeds = {
    previous: () => step(-1), next: () => step(1), out: () => zoom(1 / 1.25), in: () => zoom(1.25), fit,
    close: () => viewer.close(),
    about: (button) => { about.hidden = !about.hidden; button.setAttribute("aria-pressed", String(!about.hidden)); fit(); },
  };
  for (const button of document.querySelectorAll("[data-do]")) button.onclick = () => deeds[button.dataset.do](button);
  for (const card of cards) card.querySelector(".open").onclick = () => show(card);
  about.onclick = (event) => { const button = event.target.closest("[data-go]"); if (button) go(button.dataset.go); };
  for (const button of document.querySelectorAll("[data-role]")) button.onclick = () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    roles[on ? "add" : "delete"](button.dataset.role);
    search();
  };
  $("search").oninput = search;
  $("theme").onclick = () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  };

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const room = stage.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(-event.deltaY / 200), [event.clientX - room.x, event.clientY - room.y]);
    else { x -= event.deltaX; y -= event.deltaY; place(); }
  }, { passive: false });
  const fingers = new Map();
  stage.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); stage.setPointerCapture(event.pointerId); });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 1) { x += event.clientX - before.clientX; y += event.clientY - before.clientY; place(); }
    else {
      const other = [...fingers.values()].find((one) => one.pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      const room = stage.getBoundingClientRect();
      zoom(apart(event) / apart(before), [(event.clientX + other.clientX) / 2 - room.x, (event.clientY + other.clientY) / 2 - room.y]);
    }
    fingers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => fingers.delete(event.pointerId));
  stage.addEventListener("dblclick", (event) => {
    const room = stage.getBoundingClientRect();
    zoom(1.6, [event.clientX - room.x, event.clientY - room.y]);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!viewer.open) {
      if (event.key === "/" && document.activeElement !== $("search")) { event.preventDefault(); $("search").focus(); }
      if (event.key === "Escape" && document.activeElement === $("search")) { $("search").value = ""; search(); }
      return;
    }
    const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const keys = { "+": deeds.in, "=": deeds.in, "-": deeds.out, 0: fit, "[": deeds.previous, "]": deeds.next };
    if (moves[event.key] && document.activeElement === stage) { x += moves[event.key][0]; y += moves[event.key][1]; place(); event.preventDefault(); }
    else if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
  });
  window.addEventListener("resize", () => { if (shown) fit(); });

  cards.forEach(crop);
  search();
  const wanted = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  if (wanted) show(wanted);
})();
