// What is asked of the device. Every request goes to where this page came from, with the key if there is one.

import { sentence } from "./ui.js";

const KEY = "edge.key";
let askForKey = () => Promise.reject(new Error("no key"));

export class Failure extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function onKeyWanted(ask) {
  askForKey = ask;
}

export const key = {
  get: () => localStorage.getItem(KEY) || "",
  set: (secret) => localStorage.setItem(KEY, secret),
  forget: () => localStorage.removeItem(KEY),
};

function query(parameters) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters || {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") found.append(name, one);
    }
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

// A path from its parts: strings stand as they are, arrays hold names that strangers chose.
export function path(...parts) {
  return parts.map((one) => (Array.isArray(one) ? encodeURIComponent(one[0]) : one)).join("");
}

async function send(method, where, { parameters, json, blob, signal } = {}) {
  const headers = {};
  if (key.get()) headers.Authorization = `Key ${key.get()}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (blob) headers["Content-Type"] = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  let answer;
  try {
    answer = await fetch(`/local${where}${query(parameters)}`, {
      method, headers, signal, body: json !== undefined ? JSON.stringify(json) : blob, redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "offline", "The device does not answer. Is it on, and are you in its network?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const { code = "unknown", message = `The device answered ${answer.status}.` } = body.error || {};
  throw new Failure(answer.status, code, sentence(message));
}

// Once without a key or with a wrong one, the person is asked, and the request goes out again.
async function asked(method, where, options) {
  try {
    return await send(method, where, options);
  } catch (error) {
    if (error.status !== 401) throw error;
    await askForKey(key.get() !== "");
    return asked(method, where, options);
  }
}

const json = async (...request) => (await asked(...request)).json();
export const get = (where, parameters) => json("GET", where, { parameters });
export const post = (where, body = {}, parameters) => json("POST", where, { json: body, parameters });
export const patch = (where, body) => json("PATCH", where, { json: body });
export const del = (where) => json("DELETE", where);
export const start = (where) => json("POST", where);
export const upload = (where, blob, parameters, signal) => json("POST", where, { blob, parameters, signal });

// A link that works once: the browser saves it as a file, however large it is.
export function save(url) {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

// A picture of one of the device's own cameras, newer than number ``after``: its number and its bytes.
export async function look(camera, after, signal) {
  const answer = await asked("GET", path("/cameras/", [camera], "/picture"), { parameters: { after: after || undefined }, signal });
  return { number: Number(answer.headers.get("X-Picture")), blob: await answer.blob() };
}

// --- small pictures ---------------------------------------------------------------------------------------------

const MOST = 400;
const kept = new Map();
let free = 6;
const waiting = [];

async function fetched(id, side) {
  if (free === 0) await new Promise((go) => waiting.push(go));
  free -= 1;
  try {
    const answer = await asked("GET", path("/inputs/", [id], "/picture"), { parameters: { side } });
    return URL.createObjectURL(await answer.blob());
  } finally {
    free += 1;
    const next = waiting.shift();
    if (next) next();
  }
}

// The address of a small picture of an input; those shown last are kept.
export function picture(id, side) {
  const name = `${side} ${id}`;
  let found = kept.get(name);
  if (found) kept.delete(name);
  else {
    found = fetched(id, side);
    found.catch(() => kept.delete(name));
  }
  kept.set(name, found);
  if (kept.size > MOST) {
    const [oldest, url] = kept.entries().next().value;
    kept.delete(oldest);
    url.then(URL.revokeObjectURL, () => {});
  }
  return found;
}
