// What this plugin tells others: declared once, checked when it is published, typed for who follows it.
import * as z from "zod/mini";
import { fact } from "@otb/plugin";

/** Links that are up; the manifest's "publishes" names its key. */
export const LINKS_UP = fact("my-plugin", z.object({ up: z.number() }));
