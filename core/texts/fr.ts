// What the core says to people, in French.
import { translation } from "../contract/text.ts";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "core-uncaught": {
      text:
        "Quelque chose a échoué dans le cœur d'otb, et ça ne devrait pas arriver ; le reste continue : {reason}",
      next: "Cherchez dans le journal à quel endroit ({@logs}), et signalez-le.",
    },
    "kernel-undone": {
      text: "Un autre programme défait sans cesse ce qu'otb remet, de moins en moins souvent : {what}{more}",
      next: "Trouvez-le (NetworkManager, firewalld, un script) et faites en sorte qu'il n'y touche plus.",
    },
    "lan-address-useless": {
      text: "Le réseau local ne peut pas marcher avec cette adresse : {problem}",
      next: "{@set}",
    },
    "lan-interface-missing": {
      text: "L'interface du réseau local n'est pas là : {problem}",
      next: "{@set}",
    },
    "lan-interface-useless": {
      text: "Le réseau local ne peut pas marcher sur cette interface : {problem}",
      next: "{@set}",
    },
    "link-down": { text: "Le lien « {link} » ne marche pas : {reason}" },
    "link-missing": { text: "Le lien « {link} » ne marche pas : {reason}" },
    "plugin-crash-loop": {
      text: "Le module « {plugin} » s'arrête encore et encore : {reason}",
      next: "Regardez « {@logs} » ; otb réessaie dans 5 minutes.",
    },
    "plugin-restarting": { text: "Le module « {plugin} » s'est arrêté et redémarre : {reason}" },
    "plugin-uncaught": {
      text: "Quelque chose a échoué ici, et ça ne devrait pas arriver ; le reste continue : {reason}",
      next: "Cherchez dans le journal à quel endroit, et dites-le à l'auteur du module.",
    },
    "plugins-changed": {
      text: "Le dossier des modules n'est plus le même qu'au démarrage d'otb : {came}{and}{went}",
      next: "Redémarrez otb : {@down}, puis {@up} ; ou systemctl restart otb.",
    },
    "state-not-written": {
      text:
        "Le disque de {directory} {matter} : Internet continue de marcher, mais ni les réglages ni le journal ne peuvent être enregistrés.",
      next: "{advice}",
    },
  },
  phrases: {
    "no-link": "Pas encore de lien : ajoutez-en un avec « otb link add »",
    "not-fully": "Tout ne marche pas : {which}",
    "plugin-is": "{plugin} {state}",
    "state-failed": "est en panne",
    "state-starting": "démarre",
    "state-stopped": "est arrêté",
    "state-waiting-to-restart": "va redémarrer",
    "links-up": "{up} {up:lien marche|liens marchent} sur {count}",
    serving: "En service",
    connections: "{count} {count:connexion|connexions}",
    rates: "{down} Mbit/s reçus, {up} Mbit/s envoyés",
    problems: "{count} {count:problème|problèmes}",
    "and-more": " et {count} {count:autre|autres}",
    undone: "{resource} ({count} fois)",
    came: "nouveaux : {plugins}",
    went: "partis : {plugins}",
    "disk-full": "est plein",
    "disk-read-only": "ne peut plus qu'être lu",
    "disk-broken": "n'accepte plus ce qu'on y écrit",
    "free-room":
      "Faites de la place (du -xh {directory} ; journalctl --vacuum-size=50M) ; tout s'enregistre alors tout seul.",
    "check-disk": "Regardez pourquoi dans dmesg ; vérifiez le disque (fsck) et redémarrez la machine.",
    "replace-disk": "Regardez dans dmesg ; sauvegardez le dossier (tar) et changez le disque.",
  },
});
