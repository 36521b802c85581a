// What udp-tunnel says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "tunnel-box-older": {
      text: "Un boîtier a un otb plus ancien, dont ce relais ne comprend plus le tunnel",
      next: "Mettez otb à jour sur ce boîtier.",
    },
    "tunnel-device-lost": {
      text: "L'interface du tunnel, {device}, ne reste pas en place : {why}",
      next:
        "Trouvez qui la supprime ou la renomme (« ip monitor link » dit quand), et faites en sorte qu'il ne touche plus à {device}.",
    },
    "tunnel-flows-brief": {
      text:
        "Un téléphone Internet peut ne plus sonner après trente secondes de silence : le noyau Linux refuse de se souvenir plus longtemps des échanges : {reason}",
      next: "Prenez un noyau avec CONFIG_NF_CONNTRACK_TIMEOUT, comme celui de Debian.",
    },
    "tunnel-key-missing": {
      text: "Il n'y a pas de tunnel : ce boîtier n'a pas la clé du relais pour ça, et seul TCP passe",
      next:
        "Sur le relais, affichez à nouveau le code ({@code}), et refaites l'installation du boîtier avec.",
    },
    "tunnel-refused": { text: "Le noyau Linux a refusé ce qu'il faut au tunnel : {reason}" },
  },
  phrases: {
    "cannot-be-made": "impossible de la refaire : {reason}",
    "deleted": "quelqu'un la supprime encore et encore",
  },
});
