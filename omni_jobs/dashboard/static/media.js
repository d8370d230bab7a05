// An output as the browser shows it: picture, clip, sound, or nothing but a name.
import { h } from "./dom.js";

const SMALL_PIXELS = 128;

export function media(artifact, label) {
  const kind = artifact.content_type.split("/")[0];
  if (kind === "image") {
    const small = (artifact.width ?? SMALL_PIXELS + 1) <= SMALL_PIXELS ? "small" : null;
    return h("img", { src: artifact.url, alt: label, loading: "lazy", class: small });
  }
  if (kind === "video") return h("video", { src: artifact.url, controls: true, muted: true, preload: "metadata", "aria-label": label });
  if (kind === "audio") return h("audio", { src: artifact.url, controls: true, preload: "none", "aria-label": label });
  return h("code", null, artifact.content_type);
}
