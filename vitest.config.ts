import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/ops/**"],
    globalSetup: "test/support/global-setup.ts",
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Most of the time goes by in the pods and the database, not in the test files themselves.
    maxWorkers: 3,
    isolate: false,
    setupFiles: "test/support/fresh-modules.ts",
  },
});
