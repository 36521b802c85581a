// Where the library is, and how it is loaded.
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { OtbError } from "../../contract/mod.ts";
import { Native } from "./native.ts";
import { SYMBOLS } from "./symbols.ts";

/** Where the library may be, best first: OTB_NATIVE, an installed release, a build in the checkout. */
function candidates(): string[] {
  const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
  const places = [join(root, "lib", "libotb_native.so"), join(root, "target", "release", "libotb_native.so")];
  // Asking first instead of catching: a terminal would otherwise get a permission prompt.
  const readable = Deno.permissions.querySync({ name: "env", variable: "OTB_NATIVE" }).state === "granted";
  const named = readable ? Deno.env.get("OTB_NATIVE") : undefined;
  return named ? [resolve(named)] : places;
}

function missing(why: string, cause?: unknown): OtbError {
  return new OtbError("native-missing", `Cannot load libotb_native.so as ${why}`, "run ./otb build", {
    cause,
  });
}

/**
 * Absolute path of the library to load, for `--allow-ffi=<path>`; needs read permission on it.
 * @throws OtbError `native-missing`
 */
export function nativeLibraryPath(): string {
  const places = candidates();
  for (const path of places) {
    try {
      Deno.statSync(path);
      // Symlinks stay: plugins open it by the same words, and the permission is compared with these.
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw missing(`it must have been built: looked for "${places.join('", "')}"`);
}

/**
 * Loads the library, or returns the already loaded one. Needs only `--allow-ffi=<that path>`.
 *
 * @param path when the caller knows it (as the supervisor does); otherwise the places of `nativeLibraryPath` in order
 * @throws OtbError `native-missing`
 */
export function openNative(path?: string): Native {
  const places = path === undefined ? candidates() : [path];
  let cause: unknown;
  for (const place of places) {
    const known = loaded.get(place);
    if (known) return known;
    if (Deno.permissions.querySync({ name: "ffi", path: place }).state !== "granted") {
      cause ??= new Error(`no permission --allow-ffi=${place}`);
      continue;
    }
    try {
      const native = new Native(place, Deno.dlopen(place, SYMBOLS).symbols);
      loaded.set(place, native);
      return native;
    } catch (error) {
      cause = error;
    }
  }
  throw missing(
    `it must be there, current and permitted: ${cause instanceof Error ? cause.message : cause}`,
    cause,
  );
}

const loaded = new Map<string, Native>();
