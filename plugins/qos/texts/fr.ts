// What qos says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "caps-refused": {
      text: "Le noyau Linux a refusé les plafonds qui gardent les files d'attente courtes : {reason}",
    },
    "classes-refused": {
      text: "Le noyau Linux a refusé les classes qui gardent les files d'attente courtes : {reason}",
    },
    "links-refused": {
      text:
        "Le noyau Linux a refusé les réglages des liens qui gardent les files d'attente courtes : {reason}",
    },
    "uplink-refused": { text: "Le noyau Linux a refusé de limiter ce qui part vers les boîtiers : {reason}" },
  },
});
