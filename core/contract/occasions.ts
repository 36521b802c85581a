// When a face asks plugins by itself: before the machine stops, while it is set up for the first time, and before otb ever runs.
import type { Block, Viewer } from "./page.ts";
import type { Listener } from "./facts/listens.ts";

/** What others lose when a plugin stops. */
export interface Loss {
  sentences: string[];
  /** What can be done about it first: the question, the action that a yes runs, and what is said then. */
  instead?: { question: string; action: string; then: string };
}

/** How a plugin leads a person through its part of the first setup. */
export interface Guide<Running> {
  /** What to do, while nobody can say how it stands. */
  next: string;
  at(running: Running, view: Viewer): GuideStep;
}

/** How far that part is. */
export interface GuideStep {
  /** `open`: not begun, and not needed where a person came to the same by other means. */
  state: "open" | "going" | "done";
  /** What to do now. */
  next: string;
  /** What is waited for, while there is no question. */
  waits: string;
  blocks: Block[];
  /** Other words than before are news; seconds that run are none. */
  news: string;
  question?: GuideQuestion;
}

/** Asked of the person. */
export interface GuideQuestion {
  /** Said before. */
  intro?: string;
  text: string;
  /** What an empty answer says. */
  usual?: boolean;
  yes: GuideAnswer;
  no: GuideAnswer;
  /** Said to who leaves it open. */
  left?: string;
}

/** What an answer comes to. */
export interface GuideAnswer {
  /** It is run. */
  action?: string;
  says?: string;
  /** The setup waits for this then, until the same was reached by other means. */
  waits?: string;
  /** The setup is left for now. */
  leaves?: boolean;
}

/** What a plugin says of a machine before otb runs on it, and which of its conditions say the same later. */
export interface Foresight {
  /** How the finding is called. */
  name: string;
  conditions: string[];
  /** The finding while otb runs and none of them holds. */
  well: string;
  /** Pure. */
  foresee(machine: Machine): Finding[];
}

/** What can be seen of a machine without any right. */
export interface Machine {
  listeners: Listener[];
  /** It passes packets on between networks (ip_forward). */
  isRouter: boolean;
}

/** One thing that was looked at. */
export interface Finding {
  name: string;
  state: "ok" | "warning" | "error";
  message: string;
  next?: string;
}
