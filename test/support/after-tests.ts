import { afterEach, beforeEach } from "vitest";

/** Calls `work` after each test of the file; of tests that run at the same time, after the last one. */
export function afterTests(work: () => void): void {
  let running = 0;
  beforeEach(() => void running++);
  afterEach(() => {
    running--;
    if (running === 0) work();
  });
}
