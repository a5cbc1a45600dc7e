import Type, { type TSchema } from "typebox";
import { ID_PATTERN } from "../contract/models.ts";
import { demoIds } from "../identity/demo.ts";

/** The fields of requests. `expected` completes the error "must be …". */
const someText = (maxLength: number) =>
  // PostgreSQL's texts can contain neither NUL nor half of a character.
  Type.String({
    minLength: 1,
    maxLength,
    pattern: "^[^\\u0000\\ud800-\\udfff]*$",
    expected: `a text of 1 to ${maxLength} characters`,
  });

export const Name = someText(200);
export const NullableName = Type.Union([Name, Type.Null()], { expected: "a text, or null" });
export const Email = Type.String({
  // Phones add a space after a completed word.
  pattern: "^[ \\t\\u00a0]*[^\\s\\u0000\\ud800-\\udfff]{1,254}[ \\t\\u00a0]*$",
  expected: "a text without spaces, at most 254 characters",
});
export const NewPassword = Type.String({
  minLength: 8,
  maxLength: 1000,
  pattern: "\\d",
  expected: "at least 8 characters with a digit, at most 1,000",
});
export const Password = Type.String({ expected: "a text" });
export const OrganisationId = Type.Optional(
  Type.String({ description: "default: the oldest organisation", expected: "an organisation's id" }),
);
export const IdParam = (description: string, example: string) =>
  Type.Object({ id: Type.String({ description, examples: [example] }) });
/** For a list: the page after this item. */
export const AfterId = Type.Optional(
  Type.String({
    pattern: ID_PATTERN,
    description: "the last id of the page before",
    expected: "an id",
    examples: [demoIds.ada],
  }),
);
export const Limit = Type.Integer({ minimum: 1, maximum: 100, default: 15, expected: "an integer from 1 to 100" });

export const ErrorBody = Type.Object(
  // Not a literal: some generators create code from it that doesn't compile.
  { result: Type.Boolean({ description: "always false", examples: [false] }), error_message: Type.String() },
  { title: "Error", description: "refused: the sentence says why" },
);
const Links = Type.Object(
  { next: Type.Union([Type.String(), Type.Null()], { description: "the next page, or null" }) },
  { title: "Links" },
);
/** `data` needs a title, because the document names the answer after it. */
export const Single = <T extends TSchema & { title?: string }>(data: T) =>
  Type.Object({ data }, { title: `Single${data.title}` });
export const Listed = <T extends TSchema & { title?: string }>(item: T) =>
  Type.Object({ data: Type.Array(item), links: Links }, { title: `${item.title}Page` });

/** A route's answers for the OpenAPI document. openapi.ts adds the statuses of every call. */
export const answers = <T extends TSchema>(success: 200 | 201, schema: T, ...errors: number[]) => ({
  [success]: schema,
  ...Object.fromEntries([...errors, 429, 503].map((status) => [status, ErrorBody])),
});

/** Removes the item beyond the page, which was read to find out whether there is a next page. */
export function page<T>(items: T[], limit: number, nextUrl: (last: T) => URLSearchParams, path: string) {
  const data = items.slice(0, limit);
  const last = data.at(-1);
  return { data, links: { next: items.length > limit && last ? `${path}?${nextUrl(last)}` : null } };
}
