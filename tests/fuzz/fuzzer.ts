// What a fuzzer is to the command that runs them all.

/** What is asked of a run. */
export interface Wanted {
  minutes: number;
  /** The run begins as the one that printed it. */
  seed?: number;
  /** This one input, of a finding, and no other. */
  input?: string;
  /** What the run reached goes into the repository. */
  keep: boolean;
}

/** What a run did. */
export interface Outcome {
  runs: number;
  seed?: number;
  /** Edges of the program that were reached, now and before the run. */
  coverage?: { now: number; before: number };
  /** What went wrong, as the fuzzer told it. */
  finding?: string;
  /** The command that shows it again. */
  again?: string;
}

export interface Fuzzer {
  /** `native/<target>`, or folder and file: `socks-proxy/server_name`. */
  name: string;
  /** What takes time before the first run, once for all. */
  prepare?(): Promise<unknown>;
  run(wanted: Wanted, signal: AbortSignal): Promise<Outcome>;
}

export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
