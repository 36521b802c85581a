// What dhcp-takeover says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "dhcp-blind": {
      text:
        "Impossible de savoir quelles adresses du réseau local sont prises ; une même adresse pourrait être donnée deux fois : {reason}",
      next: "{@logs}",
    },
    "dhcp-confirm": {
      text:
        "Le boîtier donne les adresses du réseau local à l'essai, et rend la main dans {left} si personne ne confirme",
      next: "{@confirm}, si les appareils marchent ; {@undo} sinon",
    },
    "dhcp-contested": {
      text: "Un autre serveur DHCP répond sur le réseau local, donc le nôtre se tait : {who}{refuses}",
      next: "{advice}",
    },
    "dhcp-given-back": {
      text: "{why} : en attendant que le serveur du modem réponde, les appareils sont envoyés vers lui",
      next: "Rallumez le serveur DHCP de {modem} ; {@status} dit comment.",
    },
    "dhcp-nobody-looks": {
      text:
        "Personne ne regarde si un autre serveur DHCP répond sur le réseau local, donc le nôtre ne démarre pas",
      next: "{@status} : wan-discovery doit tourner, et ne pas ignorer l'interface du réseau local.",
    },
    "dhcp-pool-full": {
      text:
        "{leases} adresses sur {pool} sont données et {held} servent sans l'être : de nouveaux appareils risquent de ne pas en avoir",
      next: "Cherchez un appareil qui en invente d'autres ({@leases}), ou agrandissez {@pool}.",
    },
    "dhcp-server-fails": {
      text: "dnsmasq ne tourne pas, donc aucun appareil ne reçoit d'adresse : {reason}",
      next: "Un autre programme a peut-être pris ses ports : ss -lunp 'sport = 67 or sport = 53'",
    },
    "dhcp-switch-off": {
      text: "Le boîtier ne peut pas encore s'occuper du DHCP du réseau local : {who} répond encore{refuses}",
      next: "{advice}",
    },
    "dhcp-unconfirmed": {
      text: "Personne n'a confirmé que le réseau local marche, donc le modem s'occupe à nouveau du DHCP",
      next: "{@takeover}, pour réessayer",
    },
    "ipv6-leak": {
      text:
        "Un autre routeur annonce IPv6 sur le réseau local, et les appareils {leave} sans passer par le boîtier : {routers}{better}",
      next: "Désactivez ses annonces IPv6 ; {@status} dit comment.",
    },
  },
  phrases: {
    "vendor-at": "{vendor}, à l'adresse {address}",
    "server-at": "le serveur à l'adresse {address}",
    "modem": "votre modem",
    "refuses": ", mais seulement pour refuser : il ne propose aucune adresse à un nouvel appareil",
    "switch-off": "Désactivez son serveur DHCP ; {@status} dit comment.",
    "switch-off-or-undo": "Désactivez-le ({@status} dit comment), ou rendez la main avec {@undo}.",
    "beside":
      "Désactivez son serveur DHCP ({@status} dit comment). Si ce n'est pas possible, continuez à côté de lui : {@takeover}. Un appareil qui revient peut alors être refusé une fois par lui, et redemande aussitôt.",
    "unconfirmed": "Personne n'a confirmé que le réseau local marche, donc otb rend le DHCP au modem",
    "given-back": "otb rend le DHCP du réseau local au modem",
    "minutes": "{count} {count:minute|minutes}",
    "a-minute": "une minute",
    "router": "{address} ({mac})",
    "leave": "sortent",
    "may-leave": "peuvent sortir",
    "better": " ; le boîtier s'annonce comme le meilleur",
  },
});
