// One run for every package. Tests choose their environment with `// @vitest-environment happy-dom`.
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["portico-source", "module", "import", "default"] },
  ssr: { resolve: { conditions: ["portico-source", "module", "node", "import", "default"] } },
  test: {
    include: ["packages/*/test/**/*.test.{ts,tsx}", "packages/*/src/**/*.test.{ts,tsx}", "build/**/*.test.ts"],
    // Has a configuration of its own: React in the place of Preact.
    exclude: ["**/node_modules/**", "packages/react/**"],
    restoreMocks: true,
    testTimeout: 20_000,
  },
});
