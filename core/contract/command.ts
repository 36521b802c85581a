// Runs a program for what it prints. Deno reads a pipe to its end into a buffer of 64 KB however little comes, of which V8 is told
// only what was filled: a core that asks ip and nft a hundred things had 13 MB of them that nothing collected.

/** As much as most commands print; read on where there is more. */
const BUFFER_BYTES = 16 * 1024;

/** No command that only asks or sets something takes long; one that does hangs in the kernel. */
const WITHIN_MS = 15_000;

/** How it is run; what it says of errors is read unless it is to be dropped. */
export interface CommandOptions extends Pick<Deno.CommandOptions, "args" | "cwd" | "clearEnv" | "env"> {
  /** Ended at once after this time, 15 s unless given. */
  withinMs?: number;
  /** What it is told; one that ends before it has read all of it is none the worse. */
  input?: string;
  stderr?: "piped" | "null";
}

/** What became of it. */
export interface CommandOutcome {
  success: boolean;
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. @throws Deno.errors.NotFound and the like when it can't be started */
export async function runCommand(
  program: string,
  { input, stderr = "piped", withinMs = WITHIN_MS, ...options }: CommandOptions = {},
): Promise<CommandOutcome> {
  const stdin = input === undefined ? "null" : "piped";
  const child = new Deno.Command(program, { ...options, stdin, stdout: "piped", stderr }).spawn();
  const timer = setTimeout(() => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It ended by itself at that very moment, and what it said is being read.
    }
  }, withinMs);
  const said = Promise.all([
    textOf(child.stdout),
    stderr === "piped" ? textOf(child.stderr) : "",
    child.status,
  ]);
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
  }
  const [stdout, errors, { success, code }] = await said.finally(() => clearTimeout(timer));
  return { success, code, stdout, stderr: errors };
}

/** What comes out of a pipe, piece by piece, through one buffer. */
export async function* texts(
  pipe: ReadableStream<Uint8Array<ArrayBuffer>>,
  bufferBytes = BUFFER_BYTES,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const reader = pipe.getReader({ mode: "byob" });
  for (let buffer = new ArrayBuffer(bufferBytes);;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done || !value) break;
    yield decoder.decode(value, { stream: true });
    buffer = value.buffer;
  }
  yield decoder.decode();
}

async function textOf(pipe: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const piece of texts(pipe)) text += piece;
  return text;
}
