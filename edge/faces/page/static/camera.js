// Live pictures: of the phone or computer this page is open on, or of the device's own cameras.

import * as api from "./api.js";
import { h } from "./ui.js";

let stream = null; // the phone's
let last = null; // which camera was used last: null the phone's, a text the device's of that name
let on = false;

export const possible = () => Boolean(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);

export const WHY_NOT =
  "A browser lends its camera to secure pages only. Start the service with “edge serve --tls” and open this page with " +
  "https:// to see a live picture here. Until then the button below takes single photographs.";

const REASONS = {
  NotAllowedError: "The camera was not allowed. Allow it for this page in the browser's settings, or choose pictures.",
  NotFoundError: "There is no camera here. Choose pictures instead.",
  NotReadableError: "Another program is using the camera. Close it there, then try again.",
  OverconstrainedError: "There is no such camera here. Choose pictures instead.",
};

export const running = () => on;
export const used = () => last;

// Gives the camera back, when a view without one is shown.
export function close() {
  closeOwn();
  on = false;
}

// A picture that moves, and what it shows at the moment. ``element`` goes into the page.
export function viewer() {
  const video = h("video", { muted: true, hidden: true, "aria-label": "Live picture of the camera" });
  const image = h("img", { alt: "Live picture of the device's camera", hidden: true });
  let remote = null;
  const hide = () => {
    video.hidden = image.hidden = true;
    if (remote) remote.stop();
    remote = null;
  };
  return {
    elements: [video, image],
    async open(which) {
      hide();
      if (which === null) {
        await openOwn(video);
        video.hidden = false;
      } else {
        remote = await openDevice(image, which);
        image.hidden = false;
      }
      last = which;
      on = true;
    },
    hide,
    close() {
      hide();
      close();
    },
    grab: (side, quality) => remote ? remote.grab() : grab(video, side, quality),
  };
}

// --- the phone's ------------------------------------------------------------------------------------------------

// Starts the camera into a video element. Raises an Error that says what to do.
async function openOwn(video, facing = "environment") {
  if (!possible()) throw new Error(WHY_NOT);
  if (!stream || !stream.active) {
    closeOwn();
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: { ideal: facing }, width: { ideal: 1280 }, height: { ideal: 960 } },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] || `The camera cannot be used (${error.name}). Choose pictures instead.`);
    }
  }
  video.srcObject = stream;
  video.muted = true;
  video.setAttribute("playsinline", "");
  await video.play();
}

function closeOwn() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
}

const canvas = document.createElement("canvas");

// The picture of now as a JPEG whose shorter side is at most ``side`` pixels.
async function grab(video, side = 960, quality = 0.9) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!width) throw new Error("The camera has not sent a picture yet. Wait a moment.");
  const scale = Math.min(1, side / Math.min(width, height));
  const own = side > 500 ? document.createElement("canvas") : canvas;
  own.width = Math.round(width * scale);
  own.height = Math.round(height * scale);
  own.getContext("2d").drawImage(video, 0, 0, own.width, own.height);
  const blob = await new Promise((done) => own.toBlob(done, "image/jpeg", quality));
  if (!blob) throw new Error("The camera's picture could not be kept. Try again.");
  return blob;
}

// --- the device's -----------------------------------------------------------------------------------------------

// Fetches one picture after the other into an image element, as fast as they come and the network carries them.
async function openDevice(image, name) {
  const stopped = new AbortController();
  let newest = await api.look(name, 0, stopped.signal);
  const show = () => {
    const before = image.src;
    image.src = URL.createObjectURL(newest.blob);
    if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  };
  show();
  (async () => {
    let wait = 0;
    while (!stopped.signal.aborted) {
      await new Promise((go) => setTimeout(go, document.hidden ? 500 : wait));
      try {
        newest = await api.look(name, newest.number, stopped.signal);
        wait = 30;
        if (!stopped.signal.aborted) show();
      } catch (error) {
        if (error.name === "AbortError") return;
        wait = Math.min(8000, 2 * wait + 500); // it was unplugged, or the network is away
      }
    }
  })();
  return { stop: () => stopped.abort(), grab: async () => newest.blob };
}
