import type { Server, Socket } from "socket.io";
import { adapterOf } from "./insides.ts";

export type LocalRooms = {
  /** Whether a socket of this process is in the room. */
  has(room: string): boolean;
  /** Calls `visit` once for each socket of this process that is in one of `rooms`, and in none of `except`. */
  each(rooms: readonly string[], except: readonly string[], visit: (socket: Socket) => void): void;
  /** Calls `listener` when the first socket of this process has joined a room. */
  onCreated(listener: (room: string) => void): void;
  /** Calls `listener` when the last one has left it. */
  onDeleted(listener: (room: string) => void): void;
};

/** Rooms as this process knows them. A socket's id is the name of a room that has only this socket. */
export function localRooms(io: Server): LocalRooms {
  const adapter = adapterOf(io);
  const { sockets } = io.sockets;
  const isInOne = (id: string, rooms: readonly string[]) => rooms.some((room) => adapter.sids.get(id)?.has(room));
  return {
    has: (room) => adapter.rooms.has(room),
    each(rooms, except, visit) {
      const visited = new Set<string>();
      for (const room of rooms) {
        for (const id of adapter.rooms.get(room) ?? []) {
          const socket = sockets.get(id);
          if (!socket || visited.has(id) || isInOne(id, except)) continue;
          visited.add(id);
          visit(socket);
        }
      }
    },
    onCreated: (listener) => void adapter.on("create-room", listener),
    onDeleted: (listener) => void adapter.on("delete-room", listener),
  };
}
