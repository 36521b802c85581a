// What mptcp-scheduler says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "counters-refused": { text: "Le noyau Linux a refusé les compteurs des liens : {reason}" },
    "endpoints-refused": { text: "Le noyau Linux a refusé les adresses Multipath TCP des liens : {reason}" },
    "redirects-refused": { text: "Le noyau Linux a refusé les réglages de redirection des liens : {reason}" },
    "routes-refused": { text: "Le noyau Linux a refusé les routes des liens : {reason}" },
    "ways-refused": { text: "Le noyau Linux a refusé les règles de passage des liens : {reason}" },
    "link-network-odd": {
      text:
        "L'adresse d'un lien est dans un réseau plus grand que celui d'aucune maison : {odd}. Seul le modem est joint directement ; tout le reste passe par le relais, comme toujours",
      next:
        "Donnez à l'adresse la vraie taille de son réseau, dans les réglages du lien ou là où l'interface la prend.",
    },
    "mptcp-stripped": {
      text:
        "Multipath TCP ne passe pas par {links} : les connexions ne l'utilisent pas en même temps que les autres",
      next:
        "Le modem ou l'opérateur le bloque ; un autre mode du modem ou un autre opérateur le laisse peut-être passer.",
    },
    "mptcp-unavailable": {
      text: "Multipath TCP ne passe par aucun lien : chaque connexion n'en utilise qu'un",
      next:
        "Regardez si MPTCP est activé sur le relais (sysctl net.mptcp.enabled), et demandez aux opérateurs.",
    },
    "peer-gone": {
      text: "Le relais {address}:{port} ne répond plus : {why}",
      next: "Regardez s'il tourne ({@status} là-bas) et si un pare-feu laisse passer son port.",
    },
  },
  phrases: {
    "named": "« {name} »",
    "has": "« {name} » a {network}",
    "nobody-reached": "aucun lien n'atteint personne",
    "answers-again": "il répond à nouveau",
    "nothing-listens": "son adresse répond, mais rien n'écoute sur son port",
    "not-reached": "aucun lien ne l'atteint",
  },
});
