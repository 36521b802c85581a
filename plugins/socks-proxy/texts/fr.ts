// What socks-proxy says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "box-full": {
      text:
        "{boxes} : trop de connexions en même temps pour un seul boîtier ; celles en trop ont été refusées",
      next: "Cherchez là-bas un appareil qui ouvre des connexions sans fin ({@boxes}).",
    },
    "boxes-refused": { text: "Les boîtiers de ce relais restent comme ils étaient : {reason}" },
    "clock-skew": {
      text: "Un boîtier avec la bonne clé a été refusé : son heure est fausse de plus de 30 s",
      next: "Mettez à l'heure le boîtier, ou ce relais.",
    },
    "device-connections": {
      text:
        "{devices} en demande trop, le surplus est refusé : un appareil a droit à {most} connexions TCP, et pas plus que ce que les autres laissent",
      next: "Regardez ce qu'il fait ; s'il lui en faut plus : {@more}",
    },
    "device-flows": {
      text:
        "{devices} en demande trop, le surplus est refusé : un appareil a droit à {most} échanges de toutes sortes, et à 1 000 nouveaux par seconde",
      next: "Regardez ce qu'il fait ; s'il lui en faut plus : {@more}",
    },
    "peer-rejects": { text: "{why}", next: "{advice}" },
    "peer-unreachable": {
      text: "Impossible de joindre le relais {address}, port {port} : {reason}",
      next: "Regardez si le relais tourne ({@status} là-bas) et si un lien marche ({@links}).",
    },
    "salts-not-kept": {
      text:
        "Impossible de noter les demandes déjà vues des boîtiers : après un redémarrage, l'une d'elles pourrait être rejouée pendant une minute",
      next: "Regardez si le disque est plein : df {directory}",
    },
    "sip004-box-missing": {
      text: "Les anciens clients Shadowsocks ne sont pas servis, car aucun boîtier ne s'appelle « {box} »",
      next: "{@box}",
    },
    "striping-unknown": {
      text:
        "Le relais ne sait pas répartir un même flux sur tous les liens : en attendant, les connexions passent par Multipath TCP",
      next: "Mettez otb à jour sur le relais, ou tapez ici : {@mptcp}",
    },
    "tunnel-carries-tcp": {
      text:
        "Le proxy du relais ne répond pas : en attendant, les nouvelles connexions TCP passent par le tunnel",
      next: "Regardez si le module socks-proxy tourne sur le relais ({@status} là-bas).",
    },
  },
  phrases: {
    "and-more": "{names} et {count} {count:autre|autres}",
    "named": "« {name} »",
    "rejected":
      "Le relais accepte les connexions mais n'y répond jamais : il ne connaît pas (ou plus) la clé de ce boîtier, ou une heure est fausse de plus de 30 s",
    "compare": "Comparez les heures (date) ; puis, sur le relais, {@boxes}, et {@code} ou add ; ici {@join}",
    "clock-wrong":
      "Le relais ne répond rien, car l'heure de ce boîtier est fausse, et il n'accepte que 30 s d'écart",
    "set-clock": "Regardez ce qui empêche la mise à l'heure ({@status}), ou faites-la à la main (date -s).",
  },
});
