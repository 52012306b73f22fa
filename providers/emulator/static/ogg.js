// Puts recorded Opus from WebM into Ogg, the only container WhatsApp takes for voice notes. Nothing is encoded anew.

const MASTERS = new Set([0x18538067, 0x1f43b675, 0x1654ae6b, 0xae, 0xa0]); // Segment, Cluster, Tracks, TrackEntry, BlockGroup
const BLOCKS = new Set([0xa3, 0xa1]);
const CODEC_PRIVATE = 0x63a2;
const PACKETS_PER_PAGE = 40;
const SERIAL = 0x51dadad;

/** The bytes of an Ogg file with the Opus packets of a WebM recording. */
export function oggOf(webm) {
  const { head, packets } = read(webm);
  if (!packets.length) throw new Error("The recording is empty.");
  const first = head ?? defaultHead();
  const tags = concat([ascii("OpusTags"), number(6), ascii("sirdar"), number(0)]);
  const pages = [page(0, 0, 2, [first]), page(1, 0, 0, [tags])];
  let samples = first[10] | (first[11] << 8);
  for (let from = 0; from < packets.length; from += PACKETS_PER_PAGE) {
    const some = packets.slice(from, from + PACKETS_PER_PAGE);
    for (const packet of some) samples += samplesIn(packet);
    const last = from + PACKETS_PER_PAGE >= packets.length;
    pages.push(page(pages.length, samples, last ? 4 : 0, some));
  }
  return concat(pages);
}

/** Walk through a WebM file. Masters are entered without looking at their size, which a live recording leaves open. */
function read(bytes) {
  const packets = [];
  let head = null;
  let at = 0;
  const vint = (keepMarker) => {
    const first = bytes[at];
    let length = 1;
    while (length <= 8 && !(first & (0x80 >> (length - 1)))) length += 1;
    let value = keepMarker ? first : first & (0xff >> length);
    for (let place = 1; place < length; place += 1) value = value * 256 + bytes[at + place];
    at += length;
    return value;
  };
  while (at < bytes.length) {
    const id = vint(true);
    const size = vint(false);
    if (MASTERS.has(id)) continue;
    if (id === CODEC_PRIVATE) head = bytes.slice(at, at + size);
    // A block begins with its track, two bytes of time and its flags.
    else if (BLOCKS.has(id)) packets.push(bytes.slice(at + 4, at + size));
    at += size;
  }
  return { head, packets };
}

/** Samples at 48 kHz that an Opus packet lasts (RFC 6716, 3.1). */
function samplesIn(packet) {
  const config = packet[0] >> 3;
  let frame = 120 << (config & 3);
  if (config < 12) frame = [480, 960, 1920, 2880][config & 3];
  else if (config < 16) frame = [480, 960][config & 1];
  const code = packet[0] & 3;
  return frame * (code === 0 ? 1 : code === 3 ? packet[1] & 63 : 2);
}

function defaultHead() {
  return concat([ascii("OpusHead"), new Uint8Array([1, 1, 0x38, 0x01]), number(48000), new Uint8Array([0, 0, 0])]);
}

function page(sequence, granule, flags, packets) {
  const lacing = packets.flatMap((packet) => [...Array(Math.floor(packet.length / 255)).fill(255), packet.length % 255]);
  const whole = concat([
    ascii("OggS"),
    new Uint8Array([0, flags]),
    number(granule),
    number(0),
    number(SERIAL),
    number(sequence),
    number(0),
    new Uint8Array([lacing.length, ...lacing]),
    ...packets,
  ]);
  whole.set(number(checksum(whole)), 22);
  return whole;
}

const TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value & 0x80000000 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

function checksum(bytes) {
  let sum = 0;
  for (const byte of bytes) sum = ((sum << 8) ^ TABLE[((sum >>> 24) ^ byte) & 255]) >>> 0;
  return sum;
}

const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function number(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function concat(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
