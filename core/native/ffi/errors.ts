// What the kernel refuses: numbers of errors, their names, and the error that setup calls throw.
import { OtbError } from "../../contract/mod.ts";

/** The errno values a caller of the hot path meets; calls return them negated. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  EPIPE: 32,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EBADFD: 77,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

/** The name of an errno, negated or not: `-11` reads `EAGAIN`. */
export function errnoName(result: number): string {
  const errno = Math.abs(result);
  return Object.entries(Errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** @throws OtbError `native-<errno>` for a negative result */
export function checked(result: number, verb: string, next?: string): number {
  if (result >= 0) return result;
  const name = errnoName(result);
  throw new OtbError(
    `native-${name.toLowerCase().replace(" ", "-")}`,
    `Cannot ${verb} as the kernel must allow it: current answer is "${name}"`,
    next,
  );
}
