// What wan-discovery says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "address-clash": {
      text:
        "{modems} ne donne que des adresses déjà prises par un autre lien de ce boîtier, et ne peut pas servir",
      next: "Donnez à ce modem un autre sous-réseau, ou une plus grande plage d'adresses à distribuer.",
    },
    "dhcp-flood": {
      text: "Tellement de serveurs DHCP répondent sur {interfaces} qu'otb ne les note pas tous",
      next: "Cherchez un appareil qui se fait passer pour plusieurs, et débranchez-le.",
    },
    "gateway-answered-twice": {
      text:
        "Plusieurs appareils disent avoir {places} : otb prend celui qui fait aussi DHCP, ou qu'il connaissait déjà",
      next: "Cherchez un appareil qui a l'adresse du modem, ou qui fait semblant, et débranchez-le.",
    },
    "interface-needs-settings": {
      text: "{interfaces} mène peut-être à Internet, mais otb n'y trouve pas de modem",
      next: "{@add}",
    },
    "link-refused": { text: "Impossible de mettre en place un lien trouvé : {reason}" },
    "modem-has-lan-subnet": {
      text:
        "{links} et le réseau local ont le même sous-réseau : le lien sert, mais la page du modem n'est pas joignable depuis la maison",
      next: "Pour la joindre, donnez un autre sous-réseau au réseau local ou au modem.",
    },
    "modem-has-own-address": {
      text: "Un modem ne peut pas servir, car le boîtier a la même adresse : {clashes}",
      next: "Donnez un autre sous-réseau au réseau local : {@lan}",
    },
    "modems-share-address": {
      text: "{shared} : otb les distingue par leur adresse Ethernet et leur port, et les utilise tous",
      next:
        "Il n'y a rien à faire. Pour joindre la page de chacun, donnez-leur des adresses et des sous-réseaux différents.",
    },
    "network-mask-odd": {
      text:
        "Un modem annonce un masque de réseau qu'aucune maison n'a : {odd}. Seul le modem est joint directement ; tout le reste passe par le relais, comme toujours",
      next:
        "Si le modem est à vous, mettez son masque à 255.255.255.0 ; sinon, cherchez qui joue au serveur DHCP.",
    },
    "pppoe-offered": {
      text:
        "Un opérateur propose PPPoE sur {ports} : il faut l'identifiant et le mot de passe donnés par l'opérateur",
      next: "Laissez le modem se connecter lui-même (mode routeur), ou configurez pppd, puis : {@add}",
    },
    "router-advertisement-flood": {
      text: "Tellement de routeurs IPv6 répondent sur {interfaces} qu'otb ne les note pas tous",
      next: "Cherchez un appareil qui se fait passer pour plusieurs, et débranchez-le.",
    },
    "too-many-modems": {
      text: "otb utilise au plus 8 modems à la fois, et en a trouvé {count} de plus : {modems}",
      next: "Mettez ignore pour les modems dont vous ne voulez pas : {@modems}",
    },
  },
  phrases: {
    "named": "« {name} »",
    "described": "« {name} » ({description})",
    "has-mask": "« {name} » ({description}) a {mask}",
    "no-mask": "« {name} » ({description}) n'en a pas",
    "on": "{address} sur {interface}",
    "on-port": "{port} ({name})",
    "is": "{interface} ({kind})",
    "here-on": "{address} sur {interface} (ici sur {port})",
    "stations": "{address} sur {interface} ({macs})",
    "share": "{others} et {last} ont la même adresse, {address}",
  },
});
