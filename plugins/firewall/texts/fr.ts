// What firewall says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "firewall-closed": {
      text: "Tant qu'otb tourne, le réseau n'atteint plus : {shut}",
      next: "Laissez-le entrer d'où vous voulez : {@allow}",
    },
    "firewall-off": {
      text:
        "Le pare-feu est éteint : n'importe qui, derrière un modem ou sur Internet, peut atteindre cette machine",
      next: "{@on}",
    },
    "firewall-refused": { text: "Le noyau Linux a refusé le nouveau pare-feu et garde l'ancien : {reason}" },
  },
});
