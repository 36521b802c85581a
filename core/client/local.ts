// The core's files while no core runs: settings can be read and changed, nothing is applied.
import type { Author, Core } from "./types.ts";
import { Changes } from "../config/changes.ts";
import { Revisions } from "../config/revisions.ts";
import { Journal } from "../net/journal.ts";
import { Net } from "../net/net.ts";
import { OsLinux } from "../net/os_linux.ts";
import { Secrets } from "../config/secrets.ts";
import { type Network, OtbError } from "../contract/mod.ts";
import { openDatabase } from "../state/database.ts";
import { observeLinks } from "../running/links.ts";
import { readLines } from "../running/log.ts";
import { findPlugins, type Manifest } from "../supervisor/manifest.ts";
import { endRecorded } from "../supervisor/process.ts";
import { endPrograms } from "../supervisor/programs.ts";
import { describePermissions } from "../supervisor/sandbox.ts";
import { Boxes, boxReports, later } from "../enrol/boxes.ts";
import { rejoin } from "../enrol/join.ts";
import { KEPT_BLOCK, KeptBlock } from "../running/kept_block.ts";
import { lockHolder } from "../enrol/lock.ts";
import type { StatePaths } from "../enrol/paths.ts";
import { Declarations } from "../running/declarations.ts";
import { Settings } from "../running/settings.ts";

/** A Core on the files of a state directory, for what `author` asks. */
export async function localCore(paths: StatePaths, author: Author): Promise<Core> {
  const db = openDatabase(paths.database);
  const revisions = new Revisions(db);
  const network = () => revisions.inForce().document.network as unknown as Network;
  const { role } = network();
  const secrets = new Secrets(paths.secrets);
  const boxes = new Boxes(secrets, network);
  const { manifests } = findPlugins([paths.plugins, paths.added], role);
  const settings = new Settings(
    manifests,
    paths.root,
    {
      runs: false,
      links: ({ links }) => observeLinks(links, { interfaces: [], routes: [] }),
      places: interfacesHere,
    },
  );
  const changes = new Changes(revisions, { evaluate: (document) => settings.evaluate(document) });
  // A change that waited for its confirmation lost it with the core; one that is starting recovers by itself.
  if (await lockHolder(paths.lock) === undefined) changes.recover();
  const keptBlock = new KeptBlock(db);
  // It is in the kernel, and not only what would be.
  const isKept = () =>
    new Journal(db).entries().some(({ owner, key }) => owner === KEPT_BLOCK.owner && key === KEPT_BLOCK.key);
  const notRunning = (): never => {
    throw new OtbError(
      "core-not-running",
      `Cannot ask the core as none runs on this state: current value is "${paths.state}"${
        isKept() ? `. ${keptBlock.sentences[0]}` : ""
      }`,
      "Start it with otb up, or otb service install.",
    );
  };
  const declarations = new Declarations(manifests, paths.root);
  const as = (author: Author): Core => ({
    live: false,
    as,
    status: notRunning,
    actions: () => Promise.resolve(declarations.actions()),
    act: async (plugin, action, args, view) =>
      await declarations.idle(plugin, action, args, view, as(author)) ?? notRunning(),
    edit: (...parameters) => declarations.edit(as(author), ...parameters),
    pages: () => Promise.resolve(declarations.pages()),
    page: notRunning,
    losses: () => Promise.resolve([]),
    guide: () => Promise.resolve(undefined),
    forgetLink: notRunning,
    watch: notRunning,
    config: () => changes.snapshot(),
    propose: (proposal) => changes.propose({ ...proposal, author }),
    confirm: () => changes.confirm(),
    revert: (revision) => changes.revert(revision, author),
    history: (limit) => Promise.resolve(changes.history(limit)),
    diff: (from, to) => Promise.resolve(changes.diff(from, to)),
    schemas: () => settings.schemas(),
    plugins: () => Promise.resolve(manifests.map(stoppedReport)),
    boxes: () => later(() => boxReports(boxes.all())),
    addBox: (name) => later(() => boxes.add(name)),
    boxCode: (name) => later(() => boxes.code(name)),
    renameBox: (name, to) => later(() => boxes.rename(name, to)),
    revokeBox: (name) => later(() => boxes.revoke(name)),
    join: (code) => rejoin(secrets, network(), (proposal) => changes.propose({ ...proposal, author }), code),
    logs({ plugin, lines = 50 }, onLine) {
      readLines(`${paths.logs}/otb.log`).filter((line) => plugin === undefined || line.plugin === plugin)
        .slice(-lines).forEach(onLine);
      return Promise.resolve();
    },
    remains: () => Promise.resolve(isKept() ? keptBlock.sentences : []),
    async stop({ open } = {}) {
      const holder = await lockHolder(paths.lock);
      if (holder !== undefined) {
        throw new OtbError(
          "core-not-answering",
          `Cannot clean up as a core still runs on this state but does not answer: current value is "pid ${holder}"`,
          `Try again; if it stays so: kill -9 ${holder}, then otb down.`,
        );
      }
      // A core that was killed leaves its plugins running and its claims in the kernel.
      for (const { name } of manifests) endRecorded(`${paths.run}/${name}.pid`);
      await endPrograms(paths.run);
      const silent = { debug() {}, info() {}, warn() {}, error() {} };
      const net = new Net(new OsLinux(), new Journal(db, { aside: paths.journal }), silent);
      // What the disk refuses to note is done all the same, and then said.
      const noted = open ? await later(() => keptBlock.remember([])).catch((error) => error) : undefined;
      await net.claim(KEPT_BLOCK.owner, KEPT_BLOCK.key, keptBlock.resources);
      await net.sweep(KEPT_BLOCK);
      if (noted) throw noted;
      return keptBlock.sentences;
    },
    close: () => db.close(),
  });
  return as(author);
}

/** The interfaces of this network namespace (sysfs(5)); undefined where the kernel does not show them. */
function interfacesHere(): { name: string }[] | undefined {
  try {
    return [...Deno.readDirSync("/sys/class/net")].map(({ name }) => ({ name }));
  } catch {
    return undefined;
  }
}

function stoppedReport(manifest: Manifest) {
  return {
    name: manifest.name,
    version: manifest.version,
    summary: manifest.summary,
    tier: manifest.tier,
    permissions: describePermissions(manifest),
    state: "stopped" as const,
    restarts: 0,
    sinceMs: 0,
    status: {},
  };
}
