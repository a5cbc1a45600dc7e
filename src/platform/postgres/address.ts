import pg from "pg";

/** Where PostgreSQL is, as DATABASE_URL says. */
export type PostgresAddress = {
  url: string;
  /** Where the tables are: `?schema=`, as Prisma's own tools read it. */
  schema: string;
};

const FORM = "postgresql://user:password@host:port/database";
const ESCAPED = `${FORM}, with %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for % in a password`;

/** Says what is wrong with an address, and prints nothing of the address: any part of it may be the password. */
export class BadPostgresUrl extends Error {
  constructor(found: string, expected = ESCAPED) {
    super(`found ${found}, expected ${expected}`);
  }
}

/**
 * Refuses what the driver would refuse later, or read as another address than the one meant: a password such as `12/ab`
 * ends the address early when its slash isn't escaped.
 * @throws BadPostgresUrl
 */
export function readPostgresUrl(text: string): PostgresAddress {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new BadPostgresUrl(`a text of ${Buffer.byteLength(text)} bytes`, FORM);
  if (text.includes("#")) throw new BadPostgresUrl("a # in the address");
  // With a socket's folder in `?host=` there is no host between @ and /, which Node.js doesn't read.
  const readable = [text, text.replace("@/", "@socket/")].find((one) => URL.canParse(one));
  if (!readable) throw new BadPostgresUrl("an address that can't be read, or a port above 65535");
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
    if (path) throw new BadPostgresUrl(`a certificate or key that can't be read (${code})`, "a readable file");
    throw new BadPostgresUrl("a % that isn't followed by a character's code");
  }
  return { url: text, schema };
}
