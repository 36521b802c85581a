// Every transport, and what streams fall back to, against the same suite.
import { conformance } from "./testing_conformance.ts";

conformance("Multipath TCP", { mptcp: true });
conformance("plain TCP", { mptcp: false });
conformance("striped over one link", { striped: 1 });
conformance("striped over three links", { striped: 3 });
