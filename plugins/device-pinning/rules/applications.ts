// The applications that a rule may name: domains and ports from applications/*.json, read once with the module.
import netflix from "./applications/netflix.json" with { type: "json" };
import ntp from "./applications/ntp.json" with { type: "json" };
import plex from "./applications/plex.json" with { type: "json" };
import sip from "./applications/sip.json" with { type: "json" };
import wifiCalling from "./applications/wifi-calling.json" with { type: "json" };

/** What belongs to an application: connections to any of the domains, or to any of the ports. */
export interface Application {
  summary: string;
  domains?: string[];
  ports?: { protocol: string; ports: string }[];
}

/** By name. */
export const APPLICATIONS: ReadonlyMap<string, Application> = new Map(
  Object.entries({ netflix, ntp, plex, sip, "wifi-calling": wifiCalling }),
);
