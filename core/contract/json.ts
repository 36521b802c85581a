// Values that survive a trip through JSON.

/** Values that survive a trip through JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
