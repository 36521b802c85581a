// How many connections a process has room for, by the descriptors that it may open. Pure.

/** However many descriptors there are: more would cost more memory than a plugin may have. */
const MOST_CONNECTIONS = 20_000;
/** Kept for listeners, files and who has not shown a key yet; a quarter where there are few. */
const MOST_RESERVED = 512;
/** Connections may have so many more over other links, all together, as a share of how many they are. */
export const JOINED_SHARE = 0.5;
/** So many descriptors are enough. */
export const ENOUGH_DESCRIPTORS = (2 + JOINED_SHARE) * MOST_CONNECTIONS + MOST_RESERVED;

/** How many connections fit into so many descriptors, two each; what joins takes the place of some. */
export function connectionsWithin(descriptors: number): number {
  const reserved = Math.min(MOST_RESERVED, descriptors / 4);
  return Math.min(MOST_CONNECTIONS, Math.floor((descriptors - reserved) / 2));
}
