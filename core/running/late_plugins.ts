// Plugins that came to, or went from, the folders of a running core: they count with its next start, which a person is told.
import type { Role } from "../contract/mod.ts";
import { findPlugins, foldersIn } from "../supervisor/manifest.ts";
import { type CoreCondition, coreWords } from "../texts/mod.ts";

/** Looks at the folders of plugins again and again. */
export class LatePlugins {
  #folders: string;
  #condition: CoreCondition | undefined;

  /** @param running names of the plugins that the core was started with */
  constructor(
    private readonly directories: string[],
    private readonly role: Role,
    private readonly running: string[],
  ) {
    this.#folders = this.#read();
  }

  /** What to tell a person; undefined while the folder holds what runs. */
  get condition(): CoreCondition | undefined {
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
    this.#condition = came.length + went.length === 0 ? undefined : ["plugins-changed", {
      came: came.length > 0 ? coreWords.phrase("came", { plugins: came }) : "",
      and: came.length > 0 && went.length > 0 ? "; " : "",
      went: went.length > 0 ? coreWords.phrase("went", { plugins: went }) : "",
    }];
  }

  #read(): string {
    return this.directories.flatMap(foldersIn).join("/");
  }
}
