// Voice notes: recorded from the microphone, and played with the waveform they really have.

import { clockOf, el, icon } from "./dom.js";
import { oggOf } from "./ogg.js";

const BARS = 36;
const LONGEST_SECONDS = 300;

/**
 * Record a voice note in the place of the keyboard.
 * @param {HTMLElement} form The keyboard, which is hidden meanwhile.
 * @param {(bytes: Uint8Array) => void} send Called with Ogg Opus.
 * @param {(text: string) => void} complain Called when there is nothing to record with.
 */
export async function record(form, send, complain) {
  const type = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus"].find((one) => window.MediaRecorder?.isTypeSupported(one));
  if (!type || !navigator.mediaDevices) return complain("This browser cannot record. Attach an audio file instead.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
  if (!stream) return complain("The microphone is not available. Attach an audio file instead.");
  const recorder = new MediaRecorder(stream, { mimeType: type });
  const pieces = [];
  let wanted = false;
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  const time = el("span", { class: "time" }, "0:00");
  const began = Date.now();
  const tick = setInterval(() => {
    const seconds = (Date.now() - began) / 1000;
    time.textContent = clockOf(seconds);
    if (seconds >= LONGEST_SECONDS) finish(true);
  }, 200);
  const finish = (keep) => {
    wanted = keep;
    if (recorder.state !== "inactive") recorder.stop();
  };
  const panel = el(
    "div",
    { class: "recording", role: "group", "aria-label": "Recording" },
    el("button", { class: "round", type: "button", "aria-label": "Discard", onclick: () => finish(false) }, icon("trash")),
    el("span", { class: "lamp", "aria-hidden": "true" }),
    time,
    el("span", { class: "wave", "aria-hidden": "true" }, Array.from({ length: 14 }, () => el("i"))),
    el("button", { class: "round send", type: "button", "aria-label": "Send voice note", onclick: () => finish(true) }, icon("send")),
  );
  recorder.addEventListener("stop", async () => {
    clearInterval(tick);
    for (const track of stream.getTracks()) track.stop();
    panel.remove();
    form.hidden = false;
    form.querySelector("textarea").focus();
    if (!wanted) return;
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    try {
      send(type.startsWith("audio/ogg") ? bytes : oggOf(bytes));
    } catch (error) {
      complain(error.message);
    }
  });
  form.hidden = true;
  form.after(panel);
  panel.querySelector(".send").focus();
  recorder.start();
}

/** A player for an audio file; `played` is called when somebody listens for the first time. */
export function player(source, { voice, played, label }) {
  const audio = new Audio();
  audio.preload = "metadata";
  audio.src = source;
  const bars = el("span", { class: "bars", "aria-hidden": "true" }, Array.from({ length: BARS }, () => el("i")));
  const time = el("span", { class: "length" }, "–:––");
  const button = el("button", { class: "play", type: "button", "aria-label": `Play ${label}` }, icon("play"));
  const node = el("div", { class: voice ? "audio voice" : "audio" }, button, bars, time, voice ? icon("mic") : icon("note"));
  const paint = () => {
    const share = audio.duration ? audio.currentTime / audio.duration : 0;
    [...bars.children].forEach((bar, place) => bar.classList.toggle("past", place / BARS < share));
    if (Number.isFinite(audio.duration)) time.textContent = clockOf(audio.paused && !audio.currentTime ? audio.duration : audio.currentTime);
  };
  const turn = (playing) => {
    button.replaceChildren(icon(playing ? "pause" : "play"));
    button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${label}`);
  };
  audio.addEventListener("play", () => {
    turn(true);
    if (!node.classList.contains("heard")) played?.();
    node.classList.add("heard");
  });
  audio.addEventListener("pause", () => turn(false));
  for (const moment of ["loadedmetadata", "timeupdate", "durationchange", "ended"]) audio.addEventListener(moment, paint);
  audio.addEventListener("ended", () => {
    audio.currentTime = 0;
  });
  audio.addEventListener("error", () => {
    time.textContent = "cannot be played";
    node.classList.add("broken");
  });
  button.addEventListener("click", () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()));
  measure(source, bars);
  return node;
}

/** Give the bars the heights of the sound; what the browser cannot decode keeps a flat line. */
async function measure(source, bars) {
  try {
    const bytes = await (await fetch(source)).arrayBuffer();
    const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes);
    const samples = sound.getChannelData(0);
    const step = Math.max(1, Math.floor(samples.length / BARS));
    const peaks = [...bars.children].map((_, place) => {
      let peak = 0;
      for (let at = place * step; at < Math.min((place + 1) * step, samples.length); at += 1) peak = Math.max(peak, Math.abs(samples[at]));
      return peak;
    });
    const most = Math.max(...peaks, 0.01);
    [...bars.children].forEach((bar, place) => {
      bar.style.setProperty("--height", `${Math.round(12 + (88 * peaks[place]) / most)}%`);
    });
  } catch {
    bars.classList.add("flat");
  }
}
