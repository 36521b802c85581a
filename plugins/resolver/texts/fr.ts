// What resolver says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "resolver-down": {
      text: "Aucun serveur de noms ne répond, donc les sites sont introuvables : {reason}",
      next: "Regardez si le relais est joignable ({@links}).",
    },
    "resolver-ended": {
      text: "Le serveur de noms des boîtiers s'est arrêté et redémarre : {reason}",
      next: "Regardez dans le journal ({@logs}) ; le port est peut-être pris.",
    },
    "resolver-second-way": {
      text: "Le serveur de noms du relais ne répond pas, otb en demande un autre : {reason}",
      next: "Regardez si le relais tourne, et son module resolver ({@status} là-bas).",
    },
  },
  phrases: {
    "peer-gone": "le relais ne répond plus",
    "nobody": "personne n'est joignable",
  },
});
