import type { Options } from "./options.ts";
import type { Report } from "./report.ts";
import type { Rig } from "./rig.ts";

export type Measurement = {
  /** The name for --only. */
  name: string;
  title: string;
  run(rig: Rig, options: Options, report: Report): Promise<void>;
};
