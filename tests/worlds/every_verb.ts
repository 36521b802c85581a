// What every verb says to a person and to a program while box and peer run: golden texts, in the order in which they are typed.
import { strict as assert } from "node:assert";
import type { Verbs } from "./verbs.ts";

/** A device that nobody has: what is said of it is set, and does nothing. */
const MAC = "02:00:00:00:00:99";
const CHANGED = "differences effects plan problems revision";
const STATUS = "connections health held links peers pid plugins role sentence startedAtMs tunnel version";
const PENDING = `${CHANGED} pending`;
const DHCP =
  "devices instructions ipv6 ipv6Routers leaseCount leases phase poolSize sentence servers serving sinceMs";

/** What each phase of the takeover is called to a person, and what its status has besides. */
const PHASES: { [phase: string]: { says: string; names?: string; fits: string[] } } = {
  "off": { says: "…", fits: ["takeover"] },
  "instructions": {
    says: "Waiting for … to be switched off. OTHER SERVER ADDRESS NETWORK WHAT ANSWERS … 1. …",
    fits: ["recheck"],
  },
  "checking": {
    says: "Nobody else answers; making sure that it stays so. … box serves addresses …",
    names: "silentByMs",
    fits: [],
  },
  "trial": {
    says: "On trial: the box serves … # of # addresses are given (… dhcp leases). " +
      "Given back in # s unless kept: otb … dhcp confirm … OTHER SERVER …",
    names: "confirmByMs",
    fits: ["confirm"],
  },
  "confirmed": { says: "The box serves the LAN's addresses to # devices. # of # addresses …", fits: [] },
  "contested": { says: "Silent, as another server answers: … 1. …", fits: ["recheck"] },
  "given-back": {
    says: "Given back: devices are led to the modem until its own server answers. …",
    fits: ["takeover"],
  },
};

/** What an action of the takeover is answered with: how it stands in that phase. */
export async function dhcpAct(
  verbs: Verbs,
  form: "text" | "json",
  action: string,
  phase: string,
): Promise<void> {
  const { says, names = "" } = PHASES[phase]!;
  if (form === "text") await verbs.text(`dhcp ${action} --language en`, says);
  else assert.equal((await verbs.json(`dhcp ${action}`, `${DHCP} ${names}`.trim())).phase, phase);
}

/** The verbs of the takeover in one phase: how it stands, the leases, and that what does not fit is refused. */
export async function dhcpIn(verbs: Verbs, phase: string): Promise<void> {
  const { fits } = PHASES[phase]!;
  await dhcpAct(verbs, "text", "status", phase);
  await dhcpAct(verbs, "json", "status", phase);
  await verbs.both("dhcp leases", "…", "leases");
  for (const action of ["takeover", "recheck", "confirm"].filter((action) => !fits.includes(action))) {
    const refusal = `${action} as that does not fit …: current value is "${phase}" next: otb … dhcp status`;
    await verbs.refused(`dhcp ${action}`, "dhcp-does-not-fit", refusal);
  }
}

/** What can be asked of a box, and settings that do it no harm; `link` is one that was found. */
export async function boxVerbs(verbs: Verbs, link: string, folder: string): Promise<void> {
  /** Fails unless a person reads this of the one change, and a program is told of the other. */
  const changes = async (one: string, other: string, golden: string) => {
    await verbs.text(`${one} --yes`, golden);
    await verbs.json(`${other} --yes`, CHANGED);
  };
  await verbs.both(
    "status",
    "# of # links up, # connection…, # Mbit/s down, # Mbit/s up box, up for …LINK TIER STATE … Tunnel: … " +
      "Peer cloud: … port # Connections: # open, # so far, # refused … PLUGIN VERSION STATE …",
    STATUS,
  );
  await verbs.both("lan show", "lan0 192.168.100.1/24", "lan");
  await changes(
    "lan set --interface lan0 --address 192.168.100.1/24",
    "lan set --interface lan0 --address 192.168.100.1/24",
    "Nothing to change: the settings are so already.",
  );

  await verbs.both("link list", "LINK INTERFACE TIER ADDRESS GATEWAY CAP DOWN/UP … (found) …", "links");
  const described = await verbs.json(`link show ${link}`, "fastest health name observed path preflight");
  assert.equal(described.name, link);
  await verbs.text(
    `link show ${link}`,
    `Link ${link} is … Where … Tier primary … Public address … Translation … UDP …`,
  );
  const unknown =
    `find link "wan-nowhere" as it must be one of … ${link}…: current value is "wan-nowhere" next: otb … link list`;
  await verbs.refused("link set wan-nowhere --tier backup", "link-unknown", unknown.replace("of … ", "of …"));
  await verbs.refused("link show wan-nowhere", "link-unknown", unknown.replace("of … ", "of …"));
  await changes(
    `link set ${link} --tier backup`,
    `link set ${link} --unset tier`,
    `+ network.links.${link}.tier = "backup" Link "${link}" changed.`,
  );
  await changes(
    "link add spare --interface lan9 --tier never",
    "link add other --interface lan8 --tier never",
    '… Link "spare" added.',
  );
  await changes("link remove spare", "link remove other", '… Link "spare" removed.');

  await changes(`device name ${MAC} tv`, `device name ${MAC} telly`, `… Device ${MAC} is called "tv".`);
  await verbs.both("device list", "DEVICE MAC ADDRESSES PEER GONE GROUPS RULES … telly …", "devices");
  await changes(
    "device set telly --group salon",
    "device set telly --when-peer-gone direct",
    '… Device "telly" changed.',
  );
  await changes(
    `device pin telly ${link}`,
    `device pin telly ${link} --if-dead block`,
    `… Device "telly" pinned to link "${link}".`,
  );
  await verbs.text("device unpin telly --yes", '… Device "telly" unpinned.');
  await verbs.json(`device pin telly ${link} --yes`, CHANGED);
  await verbs.json("device unpin telly --yes", CHANGED);

  await changes(
    "rule add ads --domain ads.example --way block",
    "rule add mail --port 25 --way bonded",
    '… Rule "ads" added.',
  );
  await verbs.both(
    "rule list",
    "RULE MATCHES SAYS NOW HITS ads ads.example block … mail 25 bonded …",
    "rules",
  );
  await changes("rule set ads --enabled no", "rule set ads --enabled yes", '… Rule "ads" changed.');
  await changes("rule move mail --before ads", "rule move mail", '… Rule "mail" moved.');
  await changes("rule remove ads", "rule remove mail", '… Rule "ads" removed.');
  await verbs.both(
    "why telly",
    "Everything else: TCP goes over all links through the peer; …",
    "device sentences",
  );

  await changes(
    `dhcp reserve ${MAC} 192.168.100.20`,
    `dhcp reserve ${MAC} 192.168.100.21`,
    `… 192.168.100.20 reserved for ${MAC}.`,
  );
  await verbs.text(`dhcp unreserve ${MAC} --yes`, `… Reservation of ${MAC} taken back.`);
  await verbs.json(`dhcp reserve ${MAC} 192.168.100.21 --yes`, CHANGED);
  await verbs.json(`dhcp unreserve ${MAC} --yes`, CHANGED);

  await verbs.both(
    "config get",
    '… revision # … network.lan.interface = "lan0" … default …',
    "document effective revision",
  );
  await verbs.both("config get resolver", "resolver.… = … default …", "default path value");
  const waits = "…it is in force and reverts in # s. Keep it with: otb … config confirm";
  await verbs.text("config set dhcp-takeover.watchSeconds=6", `… Changed; ${waits.slice(1)}`);
  await verbs.text("config confirm", "Revision # is kept.");
  await verbs.json("config set dhcp-takeover.watchSeconds=5", PENDING);
  await verbs.text(
    "status",
    "… Revision # waits and reverts in …. Keep it: otb … config confirm. Take it back: otb … config revert. …",
  );
  await verbs.json("config confirm", "author comment createdAtMs parent revision state via");
  await verbs.json("config set dhcp-takeover.watchSeconds=7", PENDING);
  await verbs.text("config revert", "Revision # is taken back.");
  await verbs.json("config set dhcp-takeover.watchSeconds=7", PENDING);
  await verbs.json("config revert", "author comment createdAtMs parent revision state via");
  await verbs.refused(
    "config confirm",
    "nothing-pending",
    "confirm or take back a change as none is waiting",
  );
  await verbs.both("config diff", "… dhcp-takeover.watchSeconds = #", "differences");
  await verbs.both("config history", "REV WHEN STATE WHO WHAT # …", "revisions");
  await verbs.text("config schema network", "{ … }");
  await verbs.json("config schema", "…");

  await verbs.both("plugin list", "PLUGIN VERSION STATE FOR RESTARTS MEMORY … ready …", "plugins");
  await verbs.text(
    `plugin new first-one --directory ${folder}/first`,
    `Plugin "first-one" is in ${folder}/first: … test it: … run it: … read on: …`,
  );
  await verbs.json(`plugin new other-one --directory ${folder}/other`, "directory files name test");
  await verbs.text(
    `plugin add ${folder}/first`,
    "Added first-one #.#: … It counts with the next start: …",
  );
  await verbs.json(`plugin add ${folder}/other`, "name permissions replaces summary tier version");
  await verbs.text("plugin remove first-one", "Removed first-one. It counts with the next start: …");
  await verbs.json("plugin remove other-one", "name");
  await verbs.both(`plugin act wan-discovery describe link=${link}`, "{ … }", "action plugin result");
  await verbs.both("logs --lines 3", "…", "lines");
  await verbs.both("version", "otb … (Deno …, Linux …, …)", "deno linux machine otb");
  await verbs.both("doctor", "… Multipath TCP: … reachable: …", "findings ok");
  await verbs.refused("peer box list", "not-a-cloud");
  await verbs.refused("init box --join @/nowhere", "join-code-unreadable");
  await verbs.refused("up", "already-running");
}

/** What can be asked of a peer with one box that is called "box"; gives a further code of that box. */
export async function peerVerbs(verbs: Verbs, folder: string): Promise<string> {
  const code = "otb3-…", fresh = (name: string) => `--state ${folder}/${name}`;
  await verbs.both("status", "Serving, … cloud, up for …", STATUS);
  await verbs.both("peer box list", "BOX KEY ADDED LAST SEEN CONNECTIONS box its own …", "boxes");
  await verbs.text("peer box add cabin", `${code} This code holds the key of "cabin": … otb setup …`);
  await verbs.json("peer box add barn", "joinCode name");
  await verbs.both("peer box code cabin", code, "joinCode");
  await verbs.text("peer box rename cabin hut", 'Box "cabin" is now called "hut".');
  await verbs.json("peer box rename barn shed", "name");
  await verbs.text(
    "peer box revoke hut --yes",
    'Box "hut" is revoked: its connections are ended, and its key opens nothing any more.',
  );
  await verbs.json("peer box revoke shed --yes", "revoked");
  await verbs.both("init code box", code, "joinCode");
  const { joinCode } = await verbs.json("init code", "joinCode");

  await verbs.text(
    `init cloud --address 203.0.113.7 ${fresh("peer1")}`,
    `${code} … firewall: let TCP and UDP to port 8443 in, … on the box: sudo otb setup …`,
  );
  await verbs.json(`init cloud --address 203.0.113.7 ${fresh("peer2")}`, "address box joinCode port");
  Deno.writeTextFileSync(`${folder}/code`, joinCode.replace(/.{50}/g, "$&\r\n  "));
  await verbs.text(
    `init box --join @${folder}/code ${fresh("box1")}`,
    `This box will use the peer … sudo otb --state ${folder}/box1 setup …`,
  );
  await verbs.json(`init box --join @${folder}/code ${fresh("box2")}`, "peer");
  return `${folder}/code`;
}
