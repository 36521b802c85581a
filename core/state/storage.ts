// Whether the state directory takes what is written to it: one condition for a person, and one moment when all is well again,
// whoever's write failed.
import { statfsSync } from "node:fs";
import type { HealthCondition } from "../contract/mod.ts";

/** How often it is looked at, and asked again while it takes nothing. */
const LOOK_MS = 5_000, ASK_MS = 1_000;
/** With less room than this the next write may be the one that fails; bytes. */
const ROOM_BYTES = 256 * 1024;

/** The one condition about the disk that holds; all have this code. */
export const STORAGE_CODE = "state-not-written";

/** Watches one state directory. */
export class Storage {
  #trouble: (HealthCondition & { sinceMs: number }) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /**
   * @param write writes what waits and something small to the disk, or throws why it can't
   * @param onChange told when trouble begins, and with undefined when all is written again
   */
  constructor(
    private readonly directory: string,
    private readonly write: () => void,
    private readonly onChange: (trouble: HealthCondition | undefined) => void,
  ) {
    this.#later(LOOK_MS);
  }

  /** What a person should know now. */
  get trouble(): (HealthCondition & { sinceMs: number }) | undefined {
    return this.#trouble;
  }

  /** A write failed; what has nothing to do with the disk is left out. */
  failed(error: unknown): void {
    const condition = conditionOf(error, this.directory);
    if (!condition || this.#isClosed) return;
    const isNew = this.#trouble === undefined;
    if (this.#trouble?.message === condition.message) return;
    this.#trouble = { ...condition, sinceMs: this.#trouble?.sinceMs ?? Date.now() };
    if (!isNew) return;
    this.#later(ASK_MS);
    this.onChange(this.#trouble);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#look(), ms);
  }

  #look(): void {
    try {
      if (roomBytes(this.directory) < ROOM_BYTES) throw new Error("No space left on device");
      if (this.#trouble) {
        this.write();
        this.#trouble = undefined;
        this.onChange(undefined);
      }
    } catch (error) {
      this.failed(error);
    }
    this.#later(this.#trouble ? ASK_MS : LOOK_MS);
  }
}

/** Room for root; Infinity where files need none of it, as statfs(2) shows it. */
function roomBytes(directory: string): number {
  const { bsize, bfree, blocks } = statfsSync(directory);
  return Number(blocks) === 0 ? Infinity : Number(bsize) * Number(bfree);
}

/** What an error of a write says of the disk; undefined when it is about something else. Pure. */
export function conditionOf(error: unknown, directory: string): HealthCondition | undefined {
  const words = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) words.push(at.message);
  const text = words.join(": ");
  const [, matter, next] = [
    [
      /disk is full|No space|os error 28\b|ENOSPC|quota|os error 122\b/i,
      "is full",
      `Free some room (du -xh ${directory}; journalctl --vacuum-size=50M); all is written by itself then.`,
    ],
    [
      /read-?only|os error 30\b|EROFS/i,
      "can only be read",
      "Look into dmesg for why; check the file system (fsck), and start the machine anew.",
    ],
    [
      /I\/O error|input\/output|os error 5\b|EIO/i,
      "does not take what is written",
      "Look into dmesg; save the state directory (tar), and replace the disk.",
    ],
  ].find(([pattern]) => (pattern as RegExp).test(text)) ?? [];
  if (!matter) return undefined;
  return {
    code: STORAGE_CODE,
    severity: "error",
    message:
      `The disk of ${directory} ${matter}: traffic goes on, but no change of settings can be kept, and no log.`,
    next: next as string,
  };
}

/** Writes as much as a page and takes it away again. @throws Error while the disk does not take it */
export function tryWriting(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true, truncate: true, mode: 0o600 });
  try {
    if (file.writeSync(new Uint8Array(4_096)) < 4_096) throw new Error("No space left on device");
    file.syncSync();
  } finally {
    Deno.removeSync(path);
  }
}
