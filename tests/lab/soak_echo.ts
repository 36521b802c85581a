// Sends every datagram back: soak_echo.ts PORT. Its first line says that it does.
const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: Number(Deno.args[0]) });
console.log(JSON.stringify({ ready: true }));
for await (const [bytes, from] of socket) socket.send(bytes, from).catch(() => {});
