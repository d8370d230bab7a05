// Small pictures of outputs for lists: fetched with the key when they come into sight, each once.
import { picture } from "./api.js";
import { h } from "./dom.js";

const MOST = 400;
const known = new Map();  // by artifact id, the picture's own address in this page

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) { watcher.unobserve(target); fill(target); }
}, { rootMargin: "200px" });

// `label` is the picture's text; "" where words beside it say the same.
export function thumb(artifact, label) {
  const [kind] = artifact.content_type.split("/");
  if (kind !== "image") return h("span", { class: "thumb", title: artifact.content_type }, kind);
  const image = h("img", { class: "thumb", alt: label, src: known.get(artifact.id), "data-artifact": artifact.id });
  if (!known.has(artifact.id)) watcher.observe(image);
  return image;
}

async function fill(image) {
  const id = image.dataset.artifact;
  try {
    if (!known.has(id)) keep(id, URL.createObjectURL(await picture(`v1/artifacts/${id}/thumbnail`)));
    image.src = known.get(id);
  } catch {
    image.classList.add("none");  // its words stay
  }
}

function keep(id, url) {
  known.set(id, url);
  if (known.size <= MOST) return;
  const [oldest, old] = known.entries().next().value;
  known.delete(oldest);
  URL.revokeObjectURL(old);
}

// Another key may not see what this one saw.
export function forget() {
  for (const url of known.values()) URL.revokeObjectURL(url);
  known.clear();
}
