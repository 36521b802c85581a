// The plugin: joins settings, links and the peer's state to the kernel's table, and answers why.
import { definePlugin } from "@otb/plugin";
import { check } from "./check.ts";
import { config } from "./config.ts";
import { words } from "./texts/mod.ts";
import { Pinning } from "./pinning.ts";
import { deviceEdits, deviceGroup, devices } from "./verbs/devices.ts";
import { rulesPage } from "./verbs/page.ts";
import { ruleEdits, ruleGroup, rules } from "./verbs/rules.ts";
import { why } from "./verbs/why.ts";

export default definePlugin({
  config,
  words,
  check,
  async start(ctx) {
    const pinning = new Pinning(ctx);
    await pinning.start();
    return pinning;
  },
  reload: (pinning, next) => pinning.reload(next),
  verbs: { device: deviceGroup, rule: ruleGroup },
  actions: { devices, rules, why },
  edits: { ...deviceEdits, ...ruleEdits },
  pages: { rules: rulesPage },
});
