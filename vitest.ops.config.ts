import { defineConfig } from "vitest/config";

/** The tests that take long, or need more than Redis and PostgreSQL: what surrounds the service, and what goes wrong with it. */
export default defineConfig({
  test: {
    include: ["test/ops/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Each of them uses what cores there are.
    fileParallelism: false,
  },
});
