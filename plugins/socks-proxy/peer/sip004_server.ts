// Who serves older Shadowsocks clients (SIP004): as one of the boxes, by that box's key, as long as it is one.
import { Buffer } from "node:buffer";
import type { Box } from "./boxes.ts";
import type { Config } from "../config.ts";
import { Server, type ServeSettings } from "./server.ts";
import { legacyKey } from "../wire/sip004.ts";

/** The server of SIP004 while its box is there: it ends with the box's key. */
export class Older {
  #server: Server | undefined;
  #box: Box | undefined;

  constructor(
    private readonly config: Config["sip004"],
    private readonly settings: ServeSettings,
  ) {}

  get isMissing(): boolean {
    return this.config.enabled && !this.#box;
  }

  /** Looks again who its box is. */
  follow(): void {
    if (!this.config.enabled) return;
    const box = this.settings.boxes.find(this.config.box);
    if (box === this.#box) return;
    this.close();
    this.#box = box;
    if (!box) return;
    const key = legacyKey(Buffer.from(box.key).toString("base64"));
    this.#server = new Server({ ...this.settings, legacy: { box, key } }, "0.0.0.0", this.config.port);
  }

  close(): void {
    this.#server?.close();
    this.#server = undefined;
  }
}
