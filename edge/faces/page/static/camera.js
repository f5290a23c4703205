// The camera of the phone or computer this page is open on.

let stream = null;

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

// Starts the camera into a video element. Raises an Error that says what to do.
export async function open(video, facing = "environment") {
  if (!possible()) throw new Error(WHY_NOT);
  if (!stream || stream.facing !== facing || !stream.active) {
    close();
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: { ideal: facing }, width: { ideal: 1280 }, height: { ideal: 960 } },
      });
    } catch (error) {
      throw new Error(REASONS[error.name] || `The camera cannot be used (${error.name}). Choose pictures instead.`);
    }
    stream.facing = facing;
  }
  video.srcObject = stream;
  video.muted = true;
  video.setAttribute("playsinline", "");
  await video.play();
  return stream;
}

export function close() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
}

export const running = () => Boolean(stream && stream.active);

const canvas = document.createElement("canvas");

// The picture of now as a JPEG whose shorter side is at most ``side`` pixels.
export async function grab(video, side = 960, quality = 0.9) {
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
