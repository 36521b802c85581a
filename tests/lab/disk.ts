// A disk whose power can be cut: ext4 on a loop device. What is written and not synced is in the kernel's cache of that file
// system and not in the loop's file, so a copy of that file is what a machine finds after its power went. The file lies on a
// second file system, which is frozen while it is copied: the copy is of one moment, and whatever runs on the disk runs on.

/** Room for a box's state. */
const BYTES = 32 * 1024 * 1024;

/** One disk, mounted at `path`; `await using` takes it away. */
export class Disk {
  readonly path: string;
  readonly #outer: string;
  readonly #mounted: string[] = [];
  #image: string;
  #cuts = 0;

  private constructor(private readonly folder: string) {
    this.path = `${folder}/disk`;
    this.#outer = `${folder}/outer`;
    this.#image = `${this.#outer}/disk.img`;
  }

  /** Makes one in an empty folder. */
  static async make(folder: string): Promise<Disk> {
    const disk = new Disk(folder);
    try {
      await format(`${folder}/outer.img`, 3 * BYTES);
      await disk.#mount(`${folder}/outer.img`, disk.#outer);
      await format(disk.#image, BYTES);
      await disk.#mount(disk.#image, disk.path);
      return disk;
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  /** Cuts the power: what a new start would find, as an image, and when it was decided (milliseconds since the epoch). */
  async cut(): Promise<{ image: string; atMs: number }> {
    const image = `${this.folder}/cut${this.#cuts++}.img`;
    await run("fsfreeze", "--freeze", this.#outer);
    try {
      // Whatever was synced is in the file; whatever is synced from here on waits.
      const atMs = performance.timeOrigin + performance.now();
      await run("cp", this.#image, image);
      return { image, atMs };
    } finally {
      await run("fsfreeze", "--unfreeze", this.#outer);
    }
  }

  /** Shows `look` the files of an image as a machine finds them after its journal was replayed. */
  async open<T>(image: string, look: (path: string) => T | Promise<T>): Promise<T> {
    const path = `${image}.mounted`;
    await this.#mount(image, path);
    try {
      return await look(path);
    } finally {
      await this.#unmount(path);
      await Deno.remove(path);
    }
  }

  /** Goes on with an image; nobody may use the disk. */
  async restart(image: string): Promise<void> {
    await this.#unmount(this.path);
    this.#image = `${this.#outer}/disk${this.#cuts++}.img`;
    await run("cp", image, this.#image);
    await this.#mount(this.#image, this.path);
  }

  async close(): Promise<void> {
    for (const path of this.#mounted.toReversed()) await this.#unmount(path).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Commits each second: a power cut then finds more of what was half done. */
  async #mount(image: string, path: string): Promise<void> {
    await Deno.mkdir(path, { recursive: true });
    await run("mount", "-t", "ext4", "-o", "loop,commit=1", image, path);
    this.#mounted.push(path);
  }

  /** Somebody else's mount namespace may hold it for a while (unshare(1) copies all mounts): nothing here waits for that. */
  async #unmount(path: string): Promise<void> {
    await run("umount", "--lazy", path);
    this.#mounted.splice(this.#mounted.indexOf(path), 1);
  }
}

async function format(image: string, bytes: number): Promise<void> {
  using file = await Deno.open(image, { create: true, write: true });
  await file.truncate(bytes);
  await run("mkfs.ext4", "-q", "-F", image);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Room of a small disk at the start: a state of a box fits, and little more. */
const SMALL_BYTES = 8 * 1024 * 1024;

/**
 * A small disk that runs full, and one that fails: `full` writes get ENOSPC; `failing` is ext4 whose own disk (a loop device's file
 * on a tmpfs) runs full, so that its writes end in EIO. `await using` takes it away.
 */
export class SmallDisk {
  readonly path: string;
  readonly #filled: string;
  readonly #mounted: string[] = [];

  private constructor(folder: string, kind: "full" | "failing") {
    this.path = `${folder}/small`;
    this.#filled = kind === "full" ? `${this.path}/fill` : `${folder}/under/fill`;
  }

  /** Makes one in an empty folder. */
  static async make(
    folder: string,
    kind: "full" | "failing" = "full",
    bytes = SMALL_BYTES,
  ): Promise<SmallDisk> {
    const disk = new SmallDisk(folder, kind);
    try {
      await Deno.mkdir(disk.path, { recursive: true });
      if (kind === "full") {
        await disk.#mount(["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", disk.path]);
      } else {
        const under = `${folder}/under`;
        await Deno.mkdir(under);
        await disk.#mount(["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", under]);
        await format(`${under}/disk.img`, 4 * bytes);
        await disk.#mount(["-o", "loop,errors=continue", `${under}/disk.img`, disk.path]);
      }
      return disk;
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  /** From here on it takes no more. */
  fill(): void {
    using file = Deno.openSync(this.#filled, { create: true, append: true });
    for (let size = 1 << 20; size >= 1;) {
      try {
        if (file.writeSync(new Uint8Array(size)) < size) size >>= 1;
      } catch {
        size >>= 1;
      }
    }
  }

  /** There is room again. */
  free(): void {
    Deno.removeSync(this.#filled);
  }

  async #mount(args: string[]): Promise<void> {
    await run("mount", ...args);
    this.#mounted.push(args.at(-1)!);
  }

  async close(): Promise<void> {
    for (const path of this.#mounted.splice(0).reverse()) await run("umount", "--lazy", path).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
