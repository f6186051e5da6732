// What all four pages do: explanations, the version at the foot, and telling the person what went wrong.

import { get } from "./api.js";
import { byId, complain, say } from "./dom.js";
import { startExplaining } from "./explain.js";

export function startPage(main) {
  startExplaining();
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    complain(event.reason);
  });
  get("/api/studio")
    .then((studio) => say(byId("version"), `mnist_gan ${studio.version}`))
    .catch(complain);
  Promise.resolve()
    .then(main)
    .catch(complain)
    .finally(() => document.documentElement.setAttribute("data-ready", ""));
}
