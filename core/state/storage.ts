// Whether the state directory takes what is written to it: one condition for a person, and one moment when all is well again,
// whoever's write failed.
import { statfsSync } from "node:fs";
import { type CoreCondition, coreWords } from "../texts/mod.ts";

/** How often it is looked at, and asked again while it takes nothing. */
const LOOK_MS = 5_000, ASK_MS = 1_000;
/** With less room than this the next write may be the one that fails; bytes. */
const ROOM_BYTES = 256 * 1024;

/** The one condition about the disk: all that can be the matter with it has this code. */
export type StorageTrouble = Extract<CoreCondition, { 0: "state-not-written" }>;

/** Watches one state directory. */
export class Storage {
  #trouble: { condition: StorageTrouble; sinceMs: number } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /**
   * @param write writes what waits and something small to the disk, or throws why it can't
   * @param onChange told when trouble begins, and with undefined when all is written again
   */
  constructor(
    private readonly directory: string,
    private readonly write: () => void,
    private readonly onChange: (trouble: StorageTrouble | undefined) => void,
  ) {
    this.#later(LOOK_MS);
  }

  /** What a person should know now. */
  get trouble(): { condition: StorageTrouble; sinceMs: number } | undefined {
    return this.#trouble;
  }

  /** A write failed; what has nothing to do with the disk is left out. */
  failed(error: unknown): void {
    const condition = conditionOf(error, this.directory);
    if (!condition || this.#isClosed) return;
    const isNew = this.#trouble === undefined;
    if (JSON.stringify(this.#trouble?.condition) === JSON.stringify(condition)) return;
    this.#trouble = { condition, sinceMs: this.#trouble?.sinceMs ?? Date.now() };
    if (!isNew) return;
    this.#later(ASK_MS);
    this.onChange(condition);
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
export function conditionOf(error: unknown, directory: string): StorageTrouble | undefined {
  const words = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) words.push(at.message);
  const text = words.join(": ");
  const { phrase } = coreWords;
  const [, matter, advice] = ([
    [
      /disk is full|No space|os error 28\b|ENOSPC|quota|os error 122\b/i,
      phrase("disk-full"),
      phrase("free-room", { directory }),
    ],
    [/read-?only|os error 30\b|EROFS/i, phrase("disk-read-only"), phrase("check-disk")],
    [/I\/O error|input\/output|os error 5\b|EIO/i, phrase("disk-broken"), phrase("replace-disk")],
  ] as const).find(([pattern]) => pattern.test(text)) ?? [];
  return matter && advice && ["state-not-written", { directory, matter, advice }];
}

/** Writes a file of its own to the disk and takes it away again. @throws Error when it is not taken */
export function tryWriting(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true, truncate: true, mode: 0o600 });
  try {
    if (file.writeSync(new Uint8Array(4_096)) < 4_096) throw new Error("No space left on device");
    file.syncSync();
  } finally {
    Deno.removeSync(path);
  }
}
