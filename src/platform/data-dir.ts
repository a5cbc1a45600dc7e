import { createHash } from "node:crypto";
import { accessSync, constants, mkdirSync, realpathSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "./config-error.ts";

export class DataDirInUse extends Error {
  constructor(dataDir: string) {
    super(`DATA_DIR ${dataDir} is in use by another process: stop that one first, or name another folder.`);
  }
}

/**
 * Creates the folder, and locks it for this process until the returned server is closed or the process ends. The lock is
 * a listening socket, because the system always closes the sockets of a dead process. On Linux the socket has an abstract
 * name, on Windows it is a pipe. Elsewhere it is a file, which stays after a killed process.
 * @throws DataDirInUse, ConfigError
 */
export async function lockDataDir(dataDir: string): Promise<Server> {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(
      `DATA_DIR: found ${JSON.stringify(dataDir)}, expected a folder that can be written (${message})`,
    );
  }
  const name = `chat-backend-${createHash("sha256").update(realpathSync(dataDir)).digest("hex").slice(0, 32)}`;
  const path =
    { linux: `\0${name}`, win32: `\\\\.\\pipe\\${name}` }[process.platform as string] ?? join(tmpdir(), name);
  const server = await listen(path);
  if (server) return server;
  if (!path.startsWith(tmpdir()) || (await answers(path))) throw new DataDirInUse(dataDir);
  rmSync(path, { force: true });
  const retried = await listen(path);
  if (!retried) throw new DataDirInUse(dataDir);
  return retried;
}

const listen = (path: string) =>
  new Promise<Server | null>((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(null) : reject(error),
    );
    server.listen(path, () => resolve(server.unref()));
  });

const answers = (path: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
