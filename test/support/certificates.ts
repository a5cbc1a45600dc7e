import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireProgram } from "./programs.ts";

/** Files of a private authority, and of a certificate of it for one host name. */
export type Certificates = { authority: string; certificate: string; key: string };

/** Made anew, in a temporary folder. */
export function createCertificates(host: string): Certificates {
  const openssl = requireProgram({
    ...{ name: "OpenSSL", binaries: ["openssl"], atLeast: 1, versionArgs: ["version"] },
    ...{ apt: "apt-get install -y openssl", otherwise: "install it" },
  });
  const folder = mkdtempSync(join(tmpdir(), "test-certificates-"));
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync(openssl, args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")} failed:\n${stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  run("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=Test authority");
  run("req", ...newKey, "-keyout", "server.key", "-out", "server.csr", "-subj", `/CN=${host}`);
  writeFileSync(join(folder, "names"), `subjectAltName=DNS:${host}`);
  const signedBy = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
  run("x509", "-req", "-in", "server.csr", ...signedBy, "-out", "server.crt", "-days", "2", "-extfile", "names");
  const [authority, certificate, key] = ["ca.crt", "server.crt", "server.key"].map((file) => join(folder, file));
  return { authority, certificate, key } as Certificates;
}
