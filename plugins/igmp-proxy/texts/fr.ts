// What igmp-proxy says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "igmpproxy-ended": {
      text:
        "La télé et le reste du multicast n'arrivent plus : igmpproxy s'est arrêté et redémarre : {reason}",
      next:
        "Un autre routeur multicast tourne peut-être sur cette machine ; regardez dans le journal ({@logs}).",
    },
    "multicast-links": {
      text:
        "Le multicast n'arrive que par un lien à la fois : par « {link} », et pas par {others}, où d'autres appareils sont fixés.",
      next: "Fixez sur un seul lien les appareils qui ont besoin du multicast ({@pin}).",
    },
  },
  phrases: {
    "named": "« {name} »",
  },
});
