// The page of my-plugin, made of blocks; `status` is what it published last.
import { page } from "@otb/plugin";

export const linksPage = page({
  title: "Links up",
  nav: "links",
  blocks: ({ up = 0, atLeast = 0 }) => [
    { kind: "stat", label: "Links up", value: Number(up) },
    { kind: "stat", label: "Expected", value: Number(atLeast) },
    { kind: "form", action: "expect" },
  ],
});
