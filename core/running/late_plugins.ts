// Plugins that came to, or went from, the folders of a running core: they count with its next start, which a person is told.
import type { HealthCondition, Role } from "../contract/mod.ts";
import { findPlugins, foldersIn } from "../supervisor/manifest.ts";

/** Looks at the folders of plugins again and again. */
export class LatePlugins {
  #folders: string;
  #condition: HealthCondition | undefined;

  /** @param running names of the plugins that the core was started with */
  constructor(
    private readonly directories: string[],
    private readonly role: Role,
    private readonly running: string[],
  ) {
    this.#folders = this.#read();
  }

  /** What to tell a person; undefined while the folder holds what runs. */
  get condition(): HealthCondition | undefined {
    return this.#condition;
  }

  /** Manifests are read only when folders came or went, as it is looked often. */
  look(): void {
    const folders = this.#read();
    if (folders === this.#folders) return;
    this.#folders = folders;
    const found = findPlugins(this.directories, this.role).manifests.map(({ name }) => name);
    const came = found.filter((name) => !this.running.includes(name));
    const went = this.running.filter((name) => !found.includes(name));
    const words = [
      ...came.length > 0 ? [`${came.join(", ")} came`] : [],
      ...went.length > 0 ? [`${went.join(", ")} went`] : [],
    ];
    this.#condition = words.length === 0 ? undefined : {
      code: "plugins-changed",
      severity: "info",
      message: `The folder of plugins is not as it was when otb started: ${words.join("; ")}`,
      next: "Start otb anew: otb down, then otb up; or systemctl restart otb.",
    };
  }

  #read(): string {
    return this.directories.flatMap(foldersIn).join("/");
  }
}
