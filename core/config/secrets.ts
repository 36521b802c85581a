// Secrets as files that only root reads, written whole or not at all.
import { OtbError } from "../contract/mod.ts";

const NAME = /^[a-z][a-z0-9-]{0,63}$/;
/** Shorter values are no secrets worth the name, and masking them would eat ordinary words. */
const MIN_MASKED_LENGTH = 8;
/** Within JSON only what is as long as a key: names stand there too. */
const MIN_INNER_LENGTH = 40;

/** The secrets of one state directory. */
export class Secrets {
  #masked: string[] | undefined;

  constructor(private readonly directory: string) {}

  /** @throws OtbError `secret-exposed` when others may read the file or reach its directory */
  get(name: string): string | undefined {
    const path = this.#path(name);
    try {
      requirePrivate(this.directory, "700");
      requirePrivate(path, "600");
      return Deno.readTextFileSync(path).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** Names of the secrets that are set, sorted. */
  names(): string[] {
    try {
      return [...Deno.readDirSync(this.directory)].map(({ name }) => name).filter((name) => NAME.test(name))
        .sort();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /**
   * Masks every secret in a text, also as JSON writes it, and every key within one that is JSON itself; one that cannot be
   * read here cannot be in the text by us. What this object sets later is masked from then on.
   */
  redactor(): (text: string) => string {
    return (text) => {
      this.#masked ??= maskedTexts(
        this.names().flatMap((name) => {
          try {
            return [this.get(name) ?? ""];
          } catch {
            return [];
          }
        }).filter((value) => value.length >= MIN_MASKED_LENGTH),
      );
      return this.#masked.reduce((masked, value) => masked.replaceAll(value, "***"), text);
    };
  }

  /** On disk when it returns; a crash leaves the old or the new one. @throws OtbError `disk-full` */
  set(name: string, value: string): void {
    this.#masked = undefined;
    const path = this.#path(name);
    const fresh = `${path}.new`;
    try {
      Deno.mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      // A mode is only given to a new file: what a crash left goes first.
      removeIfThere(fresh);
      const file = Deno.openSync(fresh, { createNew: true, write: true, mode: 0o600 });
      try {
        const bytes = new TextEncoder().encode(value);
        for (let sent = 0; sent < bytes.length;) sent += file.writeSync(bytes.subarray(sent));
        file.syncSync();
      } finally {
        file.close();
      }
      Deno.renameSync(fresh, path);
      const directory = Deno.openSync(this.directory);
      directory.syncSync();
      directory.close();
    } catch (error) {
      removeIfThere(fresh);
      if (!/os error 28|No space/.test(String(error))) throw error;
      throw new OtbError(
        "disk-full",
        `Cannot store a secret as the disk must have room: current value is "${path}"`,
        "Free some room and try again; nothing was changed.",
        { cause: error },
      );
    }
  }

  delete(name: string): void {
    this.#masked = undefined;
    removeIfThere(this.#path(name));
  }

  #path(name: string): string {
    if (!NAME.test(name)) {
      throw new OtbError(
        "secret-name-invalid",
        `Cannot use a secret as its name must have small letters, digits and dashes: current value is "${name}"`,
      );
    }
    return `${this.directory}/${name}`;
  }
}

/** What to mask of these secrets, the longest first, as one may contain another. */
export function maskedTexts(secrets: string[]): string[] {
  return secrets.filter((value) => value !== "")
    .flatMap((value) => [value, JSON.stringify(value).slice(1, -1), ...innerKeys(value)])
    .sort((a, b) => b.length - a.length);
}

/** Texts within a secret that is JSON, like the boxes of a peer. */
function innerKeys(value: string): string[] {
  const found: string[] = [];
  try {
    JSON.parse(value, (_, inner) => {
      if (typeof inner === "string" && inner.length >= MIN_INNER_LENGTH) found.push(inner);
    });
  } catch {
    // Plain text.
  }
  return found;
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function requirePrivate(path: string, wanted: "600" | "700"): void {
  const { mode } = Deno.statSync(path);
  if (mode === null || (mode & 0o077) === 0) return;
  throw new OtbError(
    "secret-exposed",
    `Cannot use a secret as only its owner may reach it: current value is "${
      (mode & 0o777).toString(8)
    }" for ${path}`,
    `chmod ${wanted} ${path}`,
  );
}
