// One sentence of the setting `allow`: "tcp 443 from link". Pure.

/** What may come in from where. */
export interface Allowed {
  /** `tcp` and `udp` have ports; the others are how VPNs come along without. */
  protocol: "tcp" | "udp" | "esp" | "ah" | "gre";
  /** `443` or `8000-8100`. */
  ports?: string;
  /** A zone or an interface. */
  from: string;
}

const ALLOWED = /^(?:(tcp|udp) (\d{1,5})(?:-(\d{1,5}))?|(esp|ah|gre)) from ([A-Za-z0-9_.@-]{1,15})$/;

/** Reads it; undefined when it makes no sense. */
export function parseAllowed(text: string): Allowed | undefined {
  const [, ported, first, last = first, bare, from] = ALLOWED.exec(text) ?? [];
  if (from === undefined) return undefined;
  if (bare) return { protocol: bare as "esp", from };
  const [low, high] = [Number(first), Number(last)];
  if (low < 1 || low > high || high > 65_535) return undefined;
  return { protocol: ported as "tcp", ports: low === high ? `${low}` : `${low}-${high}`, from };
}
