// The tests of this package, and the view's own component tests with React in the place of Preact; on both versions of React.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

const here = dirname(fileURLToPath(import.meta.url));
const conditions = ["portico-source", "module", "import", "default"];

function on(version: string, home: string): TestProjectConfiguration {
  const require = createRequire(join(home, "package.json"));
  return {
    // Where the view's files say otherwise, they are still built for React.
    oxc: { jsx: { runtime: "automatic", importSource: "react" } },
    resolve: {
      conditions,
      alias: [
        { find: /^preact\/hooks$/, replacement: require.resolve("react") },
        { find: /^preact\/test-utils$/, replacement: join(here, "test/preact-on-react.ts") },
        { find: /^preact\/(jsx-runtime|jsx-dev-runtime)$/, replacement: "react/$1" },
        { find: /^preact$/, replacement: join(here, "test/preact-on-react.ts") },
        { find: /^react$/, replacement: require.resolve("react") },
        { find: /^react\/(jsx-runtime|jsx-dev-runtime)$/, replacement: join(dirname(require.resolve("react")), "$1.js") },
        { find: /^react-dom$/, replacement: require.resolve("react-dom") },
        { find: /^react-dom\/(client|server)$/, replacement: join(dirname(require.resolve("react-dom")), "$1.js") },
      ],
    },
    ssr: { resolve: { conditions: ["portico-source", "module", "node", "import", "default"] } },
    test: {
      name: `react ${version}`,
      root: dirname(here),
      include: ["react/test/**/*.test.{ts,tsx}", "view/test/**/*.test.tsx"],
      environment: "happy-dom",
      restoreMocks: true,
      testTimeout: 20_000,
    },
  };
}

export default defineConfig({ test: { projects: [on("19", here), on("18", join(dirname(here), "react-18"))] } });
