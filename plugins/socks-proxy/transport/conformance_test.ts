// Every transport against the same suite.
import { conformance } from "../testing/conformance.ts";

conformance("Multipath TCP", { mptcp: true });
conformance("striped over three links", { striped: 3 });
