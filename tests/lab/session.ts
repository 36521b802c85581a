// An idle session, as one of SSH: short lines both ways now and then over one TCP connection, each numbered and with its time.
//
//   session.ts serve PORT
//   session.ts ask HOST:PORT
//
// Whoever hears a line tells `{"way","fromMs","toMs"}`, when it was sent and came, since the epoch by this machine's clock. A line on
// standard input ends the session; the client then tells `{"ended","sent","heard"}`, or `{"ended","error"}` whenever it broke.
import { accepted } from "@otb/plugin";

/** The pause before the next line, by chance between these. */
const LEAST_PAUSE_MS = 100, MOST_PAUSE_MS = 900;
const END = "end";

const [mode, target = ""] = Deno.args;

/** What a session's line is: by its number also how long. */
function lineOf(number: number, sentMs: number): string {
  return `${number} ${sentMs} ${"x".repeat(number * 37 % 400)}\n`;
}

/** One end of one session. */
class Session {
  isOver = false;

  constructor(private readonly connection: Deno.TcpConn) {
    connection.setNoDelay(true);
  }

  /** Sends lines of its own until the session is over; gives their number. */
  async talk(): Promise<number> {
    for (let number = 0;; number++) {
      const text = this.isOver ? `${END} ${number}\n` : lineOf(number, now());
      const bytes = new TextEncoder().encode(text);
      for (let sent = 0; sent < bytes.length;) sent += await this.connection.write(bytes.subarray(sent));
      if (text.startsWith(END)) {
        await this.connection.closeWrite();
        return number;
      }
      await new Promise((resolve) =>
        setTimeout(resolve, LEAST_PAUSE_MS + Math.random() * (MOST_PAUSE_MS - LEAST_PAUSE_MS))
      );
    }
  }

  /** Hears the other's lines until it ends; gives their number. @throws Error when one is not as it was sent, or the end is missing */
  async hear(way: "up" | "down"): Promise<number> {
    const chunk = new Uint8Array(65_536);
    let text = "", heard = 0, hasEnded = false;
    for (
      let length = await this.connection.read(chunk);
      length !== null;
      length = await this.connection.read(chunk)
    ) {
      const toMs = now();
      const lines = (text + new TextDecoder().decode(chunk.subarray(0, length))).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        if (line === `${END} ${heard}`) {
          hasEnded = this.isOver = true;
          continue;
        }
        const fromMs = Number(line.split(" ")[1]);
        if (`${line}\n` !== lineOf(heard, fromMs)) throw new Error(`line ${heard} is not as it was sent`);
        heard++;
        console.log(JSON.stringify({ way, fromMs, toMs }));
      }
    }
    if (!hasEnded) throw new Error(`ended after ${heard} lines`);
    return heard;
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

if (mode === "serve") {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: Number(target) });
  console.log(JSON.stringify({ ready: true }));
  for await (const connection of accepted(listener)) {
    const session = new Session(connection);
    Promise.all([session.talk(), session.hear("up")]).catch(({ message }) =>
      console.log(JSON.stringify({ broken: message }))
    );
  }
} else {
  const [hostname = "", port] = target.split(":");
  try {
    const session = new Session(await Deno.connect({ hostname, port: Number(port) }));
    const done = Promise.all([session.talk(), session.hear("down")]);
    done.catch(() => {});
    await Promise.race([Deno.stdin.read(new Uint8Array(16)), done]);
    session.isOver = true;
    const [sent, heard] = await done;
    console.log(JSON.stringify({ ended: true, sent, heard }));
  } catch (error) {
    console.log(JSON.stringify({ ended: true, error: (error as Error).message }));
  }
  Deno.exit(0);
}
