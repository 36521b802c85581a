// The text of otb's systemd unit (systemd.service(5)). Pure.

/** The unit that runs `launcher` on `state`; both absolute. */
export function serviceUnit(launcher: string, state: string): string {
  const otb = (verb: string) => `${word(launcher)} ${verb} --state ${word(state)}`;
  // KillMode=process: a core that dies leaves its plugins at work, and the next one takes them over; ExecStop ends all.
  return `[Unit]
Description=Over The Box: several Internet links as one
After=network-pre.target
Wants=network-pre.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${otb("up")}
ExecStop=${otb("down")}
Restart=always
RestartSec=1
KillMode=process
TimeoutStartSec=15min
TimeoutStopSec=60
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line: quoted, with specifiers and variables taken literally. */
function word(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}
