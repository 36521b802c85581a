// Serves older Shadowsocks clients (SIP004) as one of the boxes: by that box's key, and only while the box is one.
import { Buffer } from "node:buffer";
import type { Box } from "./boxes.ts";
import type { Config } from "../config.ts";
import { Server, type ServeSettings } from "./server.ts";
import { legacyKey } from "../wire/sip004.ts";

/** The server of SIP004 while its box is there: it ends with the box's key. */
export class Sip004Server {
  #server: Server | undefined;
  #box: Box | undefined;

  constructor(
    private config: Config["sip004"],
    private readonly settings: ServeSettings,
  ) {}

  get isMissing(): boolean {
    return this.config.enabled && !this.#box;
  }

  /** Serves as other settings say; what is carried goes on. @throws OtbError when it can't listen */
  take(config: Config["sip004"]): void {
    if (JSON.stringify(config) === JSON.stringify(this.config)) return;
    this.config = config;
    this.close();
    this.follow();
  }

  /** Looks again who its box is. @throws OtbError when it can't listen */
  follow(): void {
    const box = this.config.enabled ? this.settings.boxes.find(this.config.box) : undefined;
    if (box === this.#box) return;
    this.close();
    this.#box = box;
    if (!box) return;
    const key = legacyKey(Buffer.from(box.key).toString("base64"));
    this.#server = new Server({ ...this.settings, legacy: { box, key } }, "0.0.0.0", this.config.port);
  }

  close(): void {
    this.#server?.close();
    this.#server = this.#box = undefined;
  }
}
