// What device-pinning says to people, in French.
import { translation } from "@otb/plugin";
import { en } from "./en.ts";

export const fr = translation(en, {
  conditions: {
    "past-the-peer": {
      text: "Aucun relais ne répond{how}",
      next: "Tout redevient normal dès qu'un relais répond : {@status}.",
    },
    "past-the-tunnel": {
      text: "Le tunnel vers le relais est coupé ({reason}) : {how}",
      next: "Tout redevient normal dès que le tunnel remarche : {@status}.",
    },
    "rule-shadowed": {
      text: "La règle « {rule} » ne sert jamais : la règle « {by} », placée avant, prend tout{more}.",
      next: "{@move}, ou {@remove}.",
    },
  },
  phrases: {
    "kept-in": ", et le coupe-circuit empêche les appareils de sortir sans lui.",
    "let-out": " : les appareils sortent par le meilleur lien seul, avec son adresse publique.",
    "refused": "UDP, ICMP et le reste sont refusés.",
    "leaves": "UDP, ICMP et le reste sortent par le meilleur lien seul, avec son adresse publique.",
    "and-more": " ; c'est pareil pour {count} {count:autre|autres}",
  },
});
