import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/ops/**"],
    globalSetup: "test/support/global-setup.ts",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A poll without a time of its own waits for nothing that has a promised time. A busy machine takes longer than the usual second.
    expect: { poll: { timeout: 15_000 } },
    // Most of the time goes by waiting: for leases, grace periods and timeouts of the pods.
    maxWorkers: 6,
    isolate: false,
    setupFiles: "test/support/fresh-modules.ts",
  },
});
