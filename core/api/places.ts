// Where everything lies in the state directory and in the otb tree.
import { OtbError } from "../plugin.ts";

/** Absolute paths of one otb installation and one state directory. */
export interface StatePlaces {
  state: string;
  database: string;
  secrets: string;
  logs: string;
  /** Sockets and process records. */
  run: string;
  /** Parent of the plugins' own directories. */
  data: string;
  lock: string;
  /** Socket of the core for clients. */
  socket: string;
  /** Root of the otb tree. */
  root: string;
  plugins: string;
}

/** Paths for a state directory; nothing is created. */
export function statePlaces(stateDirectory: string): StatePlaces {
  const state = absolute(stateDirectory);
  const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
  return {
    state,
    database: `${state}/otb.db`,
    secrets: `${state}/secrets`,
    logs: `${state}/log`,
    run: `${state}/run`,
    data: `${state}/plugins`,
    lock: `${state}/run/lock`,
    socket: `${state}/run/core.sock`,
    root,
    plugins: `${root}/plugins`,
  };
}

/** Creates the directories for the owner only. @throws OtbError `state-not-writable` */
export function makePlaces(places: StatePlaces): void {
  try {
    for (const directory of [places.state, places.run, places.data, places.logs, places.secrets]) {
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    Deno.chmodSync(places.state, 0o700);
  } catch (error) {
    throw new OtbError(
      "state-not-writable",
      `Cannot use the state directory as it must be writable: current value is "${places.state}" (${
        (error as Error).message
      })`,
      "Run otb as root, or choose another one with --state.",
    );
  }
}

function absolute(path: string): string {
  const joined = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return joined.replace(/\/+$/, "") || "/";
}
