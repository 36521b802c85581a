// A path that carries packets only up to a size, and tells nobody. Pure.

/**
 * nft's words that let packets of more than `bytes` vanish where they come in; undefined lets all through. Before
 * defragmentation, so that each fragment counts by itself, and beyond the link, where there is one segment a packet.
 */
export function blackHole(device: string, bytes: number | undefined): string {
  const name = `black_hole_${device}`;
  const chain = `chain in {
    type filter hook prerouting priority -450;
    iifname "${device}" meta length > ${bytes} drop;
  }`;
  return `table inet ${name} {}
    delete table inet ${name}
    ${bytes === undefined ? "" : `table inet ${name} {\n ${chain}\n}`}`;
}
