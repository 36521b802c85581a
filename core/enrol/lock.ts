// One core per state directory: a file lock that the kernel releases with the process (flock(2)).
import { OtbError } from "../contract/mod.ts";

/** Who only asks whether the lock is free has it for a moment: that is no reason not to start. */
const TRIES = 40, TRY_AGAIN_MS = 25;

/**
 * Takes the lock for the life of this process.
 *
 * @throws OtbError `already-running` with the process that has it
 */
export async function takeLock(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 });
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (await file.tryLock(true)) {
      await file.truncate();
      await file.write(new TextEncoder().encode(String(Deno.pid)));
      return file;
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
  }
  file.close();
  throw new OtbError(
    "already-running",
    `Cannot start as another otb runs on this state: current value is "pid ${await Deno.readTextFile(path)}"`,
    "otb status, or otb down first.",
  );
}

/** The process that has the lock, undefined when nobody does. */
export async function lockHolder(path: string): Promise<string | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch {
    return undefined;
  }
  const free = await file.tryLock(false);
  file.close();
  return free ? undefined : await Deno.readTextFile(path);
}
