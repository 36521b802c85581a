// Secrets as files that only root reads, written whole or not at all.
import { OtbError } from "../plugin.ts";

const NAME = /^[a-z][a-z0-9-]{0,63}$/;

/** The secrets of one state directory. */
export class Secrets {
  constructor(private readonly directory: string) {}

  /** @throws OtbError `secret-exposed` when others may read the file */
  get(name: string): string | undefined {
    const path = this.#path(name);
    try {
      const { mode } = Deno.statSync(path);
      if (mode !== null && (mode & 0o077) !== 0) {
        throw new OtbError(
          "secret-exposed",
          `Cannot use a secret as only its owner may read the file: current value is "${
            (mode & 0o777).toString(8)
          }" for ${path}`,
          `chmod 600 ${path}`,
        );
      }
      return Deno.readTextFileSync(path).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** On disk when it returns; a crash leaves the old or the new one. */
  set(name: string, value: string): void {
    const path = this.#path(name);
    Deno.mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const fresh = `${path}.new`;
    const file = Deno.openSync(fresh, { create: true, truncate: true, write: true, mode: 0o600 });
    try {
      file.writeSync(new TextEncoder().encode(value));
      file.syncSync();
    } finally {
      file.close();
    }
    Deno.renameSync(fresh, path);
    const directory = Deno.openSync(this.directory);
    directory.syncSync();
    directory.close();
  }

  delete(name: string): void {
    try {
      Deno.removeSync(this.#path(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
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
