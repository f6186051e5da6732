// The list of models, and the one that a page starts with.

import { get } from "./api.js";
import { announce, el } from "./dom.js";

/**
 * Fill `select` with all models, and choose one: that of the address, else the run named on the command line, else,
 * with `newest`, the newest run, else the shipped model. Returns its id, and whether the model of the address exists.
 * @param {HTMLSelectElement} select
 * @param {{ newest?: boolean }} [options]
 */
export async function fillModels(select, { newest = false } = {}) {
  const [{ models }, studio] = await Promise.all([get("/api/models"), get("/api/studio")]);
  if (!models.length) throw new Error("There is no model yet. Train one first.");
  select.replaceChildren(...models.map(({ id, name }) => el("option", { value: id }, name)));
  const requested = new URLSearchParams(location.search).get("model");
  /** @param {string | null} id */
  const known = (id) => models.some((model) => model.id === id);
  const latest = models.find(({ kind }) => kind === "run");
  const usual = studio.run && known(studio.run) ? studio.run : ((newest && latest) || models[0]).id;
  if (requested && !known(requested)) announce(`There is no model “${requested}”. This is another one.`);
  select.value = requested && known(requested) ? requested : usual;
  return { id: select.value, found: !requested || known(requested) };
}
