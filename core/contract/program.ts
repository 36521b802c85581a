// Programs that run beside a plugin, under the core.

/** A program as it is to run; two that are equal are the same one. */
export interface ProgramSpec {
  /** Its name, which the manifest's `programs` must have, and its arguments. */
  command: string[];
  /** What it keeps of root's rights, as capabilities(7) names them in small letters without `cap_`. */
  capabilities: string[];
  /** What it reads on its standard input, to the end. */
  input: string;
  /** It is ended by then, whatever becomes of plugin and core; seconds from its start. Not what tells two apart. */
  withinSeconds?: number;
}

/** Who is told of a program. */
export interface ProgramWatcher {
  /** Just before every start: what it reads is put in order. What it throws keeps the program from starting for now. */
  onStart?(): void;
  /** Whether a line of its error output says that it serves; absent: it does as soon as it is started. */
  isReady?(line: string): boolean;
  /** It serves, or an earlier run's was taken over and goes on. */
  onReady?(): void;
  /** One line of its error output. */
  onLine?(line: string): void;
  /** It ended by itself, or could not be started; it is started again. `reason` is its last line. */
  onEnd(reason: string): void;
}

/** A program that runs beside a plugin and outlives it as its claims do. */
export interface Program {
  /**
   * Has it run like this from now on, or not at all; resolves once it serves, or long enough after its start. One that runs like
   * this already, left by an earlier run of the plugin or the core, runs on.
   */
  apply(spec: ProgramSpec | undefined): Promise<void>;
}
