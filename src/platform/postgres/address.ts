import pg from "pg";

/** The content of DATABASE_URL. */
export type PostgresAddress = {
  url: string;
  /** The schema of the tables: `?schema=`, as for Prisma's own tools. */
  schema: string;
};

const FORM = "postgresql://user:password@host:port/database";
const ESCAPED = `${FORM}, with %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for % in a password`;

/** A fault in an address. The message never quotes the address, because any part may be the password. */
export class BadPostgresUrl extends Error {
  constructor(found: string, expected = ESCAPED) {
    super(`found ${found}, expected ${expected}`);
  }
}

/**
 * Refuses addresses that the driver would refuse later, or misread. Example: in the password `12/ab` an unescaped slash
 * ends the address early.
 * @throws BadPostgresUrl
 */
export function readPostgresUrl(text: string): PostgresAddress {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new BadPostgresUrl(`a text of ${Buffer.byteLength(text)} bytes`, FORM);
  if (text.includes("#")) throw new BadPostgresUrl("a # in the address");
  // With a socket's folder in `?host=` the host before / is empty. Node.js can't parse that.
  const readable = [text, text.replace("@/", "@socket/")].find((one) => URL.canParse(one));
  if (!readable) throw new BadPostgresUrl("an unreadable address, or a port above 65535");
  const { hostname, port, pathname, searchParams } = new URL(readable);
  if (port === "0") throw new BadPostgresUrl("the port 0", FORM);
  const database = pathname.slice(1);
  if (/[/@]/.test(database)) throw new BadPostgresUrl("a / or @ in the database's name");
  if (!database) throw new BadPostgresUrl("no database behind the host");
  if ((!hostname || readable !== text) && !searchParams.get("host")) throw new BadPostgresUrl("no host", FORM);
  const schema = searchParams.get("schema") ?? "public";
  // Prisma's client doesn't escape a quote.
  if (!/^(?!pg_)[^\0"]{1,63}$/.test(schema)) throw new BadPostgresUrl("no schema's name in ?schema=", "such as public");
  try {
    new pg.Client({ connectionString: text });
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path) throw new BadPostgresUrl(`an unreadable certificate or key (${code})`, "a readable file");
    throw new BadPostgresUrl("a % that isn't followed by a character's code");
  }
  return { url: text, schema };
}
