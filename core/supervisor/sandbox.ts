// From a manifest to the flags of `deno run`: what a plugin process may do. Pure.
import type { Manifest } from "./manifest.ts";

/** Where one plugin process lives. */
export interface SandboxPaths {
  /** Unix socket to the core. */
  socket: string;
  /** The plugin's own directory for files. */
  directory: string;
  /** Absolute path of the native library. */
  nativeLibrary: string;
}

/** Flags for `deno run`; nothing that the manifest does not name is allowed. */
export function sandboxFlags(manifest: Manifest, paths: SandboxPaths): string[] {
  const { permissions } = manifest;
  const flags = [
    "--no-prompt",
    "--cached-only",
    "--no-lock",
    // What runs is here already; with a clock in 1970 every package would be too new.
    "--minimum-dependency-age=0",
    "--quiet",
    // The heap gives up before the machine does; native memory is watched by the supervisor. Where garbage is made all the time
    // the room for new objects doubles up to 48 MB and is never given back (measured: 16 MB more for the same work).
    `--v8-flags=--max-old-space-size=${manifest.memoryLimitMb},--max-semi-space-size=2,--expose-gc`,
    permissions.net.includes("*")
      ? "--allow-net"
      : allow("net", [`unix:${paths.socket}`, ...permissions.net]),
    allow("read", [paths.socket, paths.directory, manifest.directory, ...permissions.read]),
    allow("write", [paths.socket, paths.directory, ...permissions.write]),
  ];
  if (permissions.run.length > 0) flags.push(allow("run", permissions.run));
  if (permissions.sys.length > 0) flags.push(allow("sys", permissions.sys));
  if (manifest.native) flags.push(allow("ffi", [paths.nativeLibrary]));
  return flags;
}

/** The same in words for a person who decides whether to trust a plugin. */
export function describePermissions(manifest: Manifest): string[] {
  const { permissions } = manifest;
  const words: string[] = [];
  if (manifest.native) words.push("runs native code, which no sandbox holds");
  const programs = [...new Set([...permissions.run, ...manifest.programs.map(({ name }) => name)])];
  if (programs.length > 0) words.push(`runs the programs ${programs.join(", ")}`);
  if (permissions.net.length > 0) words.push(`uses the network: ${permissions.net.join(", ")}`);
  if (permissions.read.length > 0) words.push(`reads ${permissions.read.join(", ")}`);
  if (permissions.write.length > 0) words.push(`writes ${permissions.write.join(", ")}`);
  if (permissions.sys.length > 0) words.push(`asks the system for ${permissions.sys.join(", ")}`);
  if (manifest.claims.length > 0) words.push(`claims of the kernel: ${manifest.claims.join(", ")}`);
  if (manifest.secrets.length > 0) words.push(`knows the secrets ${manifest.secrets.join(", ")}`);
  return words;
}

function allow(what: string, values: string[]): string {
  return `--allow-${what}=${values.join(",")}`;
}
