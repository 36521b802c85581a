// What my-plugin says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "too-few-links": {
      text: "Seulement {up} {up:lien marche|liens marchent} sur {count}, et il en faudrait {atLeast}.",
      next: "Regardez {@status}, ou baissez {@fewer}.",
    },
  },
});
