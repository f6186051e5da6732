// Which model a page begins with.

import { get } from "./api.js";
import { announce, el } from "./dom.js";

/**
 * Put all models into `select`, and choose one: what the address asks for, else the run that was named on the command
 * line, else the newest run where `newest` says so, else the shipped model. Gives its id, and says so if what was asked
 * for is not there.
 */
export async function fillModels(select, { newest = false } = {}) {
  const [{ models }, studio] = await Promise.all([get("/api/models"), get("/api/studio")]);
  if (!models.length) throw new Error("There is no model yet: train one first.");
  select.replaceChildren(...models.map(({ id, name }) => el("option", { value: id }, name)));
  const asked = new URLSearchParams(location.search).get("model");
  const known = (id) => models.some((model) => model.id === id);
  const latest = models.find(({ kind }) => kind === "run");
  const usual = known(studio.run) ? studio.run : ((newest && latest) || models[0]).id;
  if (asked && !known(asked)) announce(`There is no model “${asked}” here; this is another one.`);
  select.value = asked && known(asked) ? asked : usual;
  return { id: select.value, found: !asked || known(asked) };
}
