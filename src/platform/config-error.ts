/** The service can't run with its configuration. The message is for the operator: one line per problem. */
export class ConfigError extends Error {}
