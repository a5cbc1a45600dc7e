/** The service can't run with what it was given: the message is for the operator, one line per problem. */
export class ConfigError extends Error {}
