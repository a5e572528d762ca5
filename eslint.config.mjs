import tseslint from "typescript-eslint";

// Rules that a person cannot be relied on to see. Formatting is prettier's, direction of imports dependency-cruiser's.
export default tseslint.config(
  { ignores: ["**/dist/**", "**/__generated__/**", "node_modules/**", "coverage/**", "**/*.mjs", "**/*.cjs"] },
  {
    files: ["**/*.ts"],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      eqeqeq: ["error", "always"],
      "no-console": "error",
      "no-restricted-globals": [
        "error",
        { name: "parseFloat", message: "Money and counts are never floats here. Use parseDecimal of @florin/kernel." },
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector:
            "CallExpression[callee.name='Number'] > .arguments[name=/[aA]mount|[bB]alance|[mM]oney|[pP]rice|[fF]ee|Minor$/]",
          message: "Money is never a number (MON-1). Keep the bigint.",
        },
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: "Read the environment in src/environment.ts only, and pass values on.",
        },
      ],
    },
  },
  {
    files: ["**/src/environment.ts", "**/test/**", "packages/testkit/**", "chaos/main.ts"],
    rules: { "no-restricted-syntax": "off", "no-console": "off" },
  },
  { files: ["apps/cli/**"], rules: { "no-console": "off" } },
);
