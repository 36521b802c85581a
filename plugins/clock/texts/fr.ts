// What clock says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "clock-unknown": {
      text: "Personne ne confirme l'heure, et le relais a besoin qu'elle soit juste à 30 s près : {doubt}",
      next: "Comparez-la (date), ou donnez des serveurs de temps qui répondent : {@servers}.",
    },
    "clock-wrong": { text: "L'heure est fausse{how}", next: "{advice}" },
  },
  phrases: {
    "past": " : elle dit {time}, ce qui est passé depuis longtemps{why}",
    "off": " de {seconds} s, et le relais n'accepte pas plus de 30 s d'écart",
    "why": " ({doubt})",
    "set-by-hand":
      "Mettez-la à l'heure à la main (date -s), ou donnez des serveurs de temps qui répondent : {@servers}.",
    "no-link": "aucun lien ne marche",
    "silent": "aucun serveur de temps ne répond",
    "refused": "otb ne croit pas ce que disent les serveurs : {why}",
    "one-server": "un seul serveur répond",
    "differ": "les serveurs ne donnent pas la même heure",
    "links-differ": "les serveurs ne disent pas la même chose d'un lien à l'autre",
    "before": "il serait avant {time}, qui est déjà passé",
    "one-link-jumps": "un seul lien veut faire sauter une horloge qui était juste",
    "let-otb": "Mettez-la à l'heure, ou laissez otb s'en charger : {@correct}.",
  },
});
