import { strict as assert } from "node:assert";
import { sentence } from "./sentence.ts";

type State = Parameters<typeof sentence>[0];

const link = (state: "up" | "down", rxBitsPerSecond = 0) => ({
  observed: { state },
  path: { rxBitsPerSecond },
});
const box = (more: object = {}) =>
  ({
    ...{ role: "box", links: [link("up", 41.5e6), link("down")], connections: { open: 1 } },
    ...{ plugins: [{ name: "clock", state: "ready" }], health: [] },
    ...more,
  }) as unknown as State;

Deno.test("one sentence says how all is, in either language", () => {
  const said = (state: State) => [sentence(state), sentence(state, "fr")];
  assert.deepEqual(said(box()), [
    "1 of 2 links up, 1 connection, 41.5 Mbit/s down, 0.0 Mbit/s up",
    "1 lien marche sur 2, 1 connexion, 41.5 Mbit/s reçus, 0.0 Mbit/s envoyés",
  ]);
  const health = [{ severity: "error" }, { severity: "warning" }, { severity: "error" }];
  assert.deepEqual(said(box({ role: "cloud", links: [], connections: { open: 2 }, health })), [
    "Serving, 2 connections, 2 problems",
    "En service, 2 connexions, 2 problèmes",
  ]);
  assert.deepEqual(said(box({ links: [] })), [
    'No link yet: add one with "otb link add"',
    "Pas encore de lien : ajoutez-en un avec « otb link add »",
  ]);
  const plugins = [{ name: "clock", state: "waiting-to-restart" }, { name: "qos", state: "failed" }];
  assert.deepEqual(said(box({ plugins })), [
    "Not working fully: clock is waiting to restart, qos is failed",
    "Tout ne marche pas : clock va redémarrer, qos est en panne",
  ]);
});
