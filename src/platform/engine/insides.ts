import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import type { Server, Socket } from "socket.io";

/**
 * All that this service uses inside Socket.IO, Engine.IO and ws, beyond what they document. Only this folder uses it.
 * package.json pins the versions; test/platform/engine/insides has a test for each entry.
 */
export type Insides = {
  /** socket.io 4.8.4, dist/client.js: one for each connection, whatever namespaces the connection is in. */
  "socket.io Client": {
    /** All packets for a connection pass this method, broadcasts included. */
    writeToEngine(texts: Text[], options: PacketOptions): void;
    /** Listens to the connection's "data": parses it, and calls the listeners of events. */
    ondata(data: string | Buffer | undefined): void;
    /** Listens to the connection's "close", and disconnects the sockets. */
    onclose(reason: string, description?: unknown): void;
  };
  /** socket.io-adapter 2.5.8, dist/in-memory-adapter.js, which @socket.io/redis-adapter 8.3.0 extends. */
  "socket.io Adapter": {
    /** The ids of the sockets in each room. A room of its own, named by its id, has each socket. */
    rooms: Map<string, Set<string>>;
    /** The rooms of each socket. */
    sids: Map<string, Set<string>>;
  };
  /** engine.io 6.6.12, build/server.js. */
  "engine.io Server": {
    /** The open connections, by the ids of their sessions. */
    clients: Record<string, Connection>;
    /** A middleware runs before each request of a session, and before the upgrade to a websocket. */
    use(middleware: (request: EngineRequest, response: ServerResponse | StandIn, next: () => void) => void): void;
    /** Makes the id of each new session. An own property replaces it. */
    generateId(request: IncomingMessage): string;
  };
  "engine.io Server event": {
    connection: [connection: Connection];
    /** Engine.IO refuses a request, and then answers it; an upgrade without JSON. */
    connection_error: [refused: { req: EngineRequest; code: number; message: string }];
  };
  /** The fields that Engine.IO adds to a request. */
  "engine.io request": {
    /** The query string; of a repeated key the last value. A handshake has no session's id yet. */
    _query: Record<string, string | undefined>;
    /** Undefined on an upgrade. */
    res?: unknown;
    /** The websocket, once the upgrade is made. */
    websocket?: unknown;
  };
  /** Takes the place of the response in middlewares of an upgrade: its headers go out with the 101, and nothing else. */
  "engine.io WebSocketResponse": {
    setHeader(name: string, value: string): void;
    getHeader(name: string): string | undefined;
    /** Would keep the request in memory as long as the connection. */
    req: unknown;
  };
  /** engine.io 6.6.12, build/socket.js. */
  "engine.io Socket": {
    /** The session's id. */
    id: string;
    /** Engine.IO takes and makes packets only while it is "open". */
    readyState: "opening" | "open" | "closing" | "closed";
    transport: Transport;
    /** True from the probe of a websocket until the client has moved to it. */
    upgrading: boolean;
    /** The packets that wait for the transport. */
    writeBuffer: unknown[];
    /** The handshake, which nothing needs after the first CONNECT. */
    request: IncomingMessage | null;
    /** Ends the connection, and sends the client nothing. */
    onClose(reason: string): void;
  };
  "engine.io Socket event": {
    /** A packet comes in. Engine.IO goes on with what a listener has made of `data`. */
    packet: [packet: Packet];
    /** A packet enters the buffer. */
    packetCreate: [packet: Packet];
    /** The buffer goes to the transport. */
    flush: [];
    /** The transport has the whole buffer. */
    drain: [];
    /** The client has probed this websocket. */
    upgrading: [to: Transport];
    upgrade: [to: Transport];
    /** A packet's data, behind "packet". An empty packet has none. */
    data: [data: string | Buffer | undefined];
    close: [reason: string, description?: unknown];
  };
  /** engine.io 6.6.12, build/transport.js. */
  "engine.io Transport": {
    name: string;
    /** Engine.IO keeps packets while it is false. */
    writable: boolean;
    /** A closed transport sends its client no more than what it has. */
    readyState: "open" | "closing" | "closed";
    /** Makes Engine.IO pass on what it has kept. */
    emit(event: "ready"): void;
  };
  /** `packet`: one comes in, also when the connection is closed. */
  "engine.io Transport event": { packet: [packet: Packet] };
  /** build/transports/polling.js. */
  "engine.io Polling": {
    /** The poll that waits for its answer. */
    req?: (IncomingMessage & Insides["engine.io poll"]) | null;
    res?: ServerResponse | null;
    /** The request with packets whose body isn't whole yet. */
    dataReq?: IncomingMessage | null;
    /** A request with a longer body gets a 413. Undefined on a transport of a request that was no handshake. */
    maxHttpBufferSize?: number;
    /** Takes a whole body. An own property replaces it. */
    onData(body: string | Buffer): void;
  };
  /** `cleanup` takes the poll and its response from the transport. */
  "engine.io poll": { cleanup(): void };
  /** build/transports/websocket.js. */
  "engine.io WebSocket": { socket: Websocket };
  /** ws 8.21.3, lib/websocket.js. */
  "ws WebSocket": {
    _socket: TcpSocket | null;
    _receiver: Insides["ws Receiver"] | null;
  };
  /** ws 8.21.3, lib/receiver.js. */
  "ws Receiver": {
    /** How many bytes it has of a frame that isn't whole. */
    _bufferedBytes: number;
    /** How many bytes it has in the whole frames of a message that isn't. */
    _messageLength: number;
    /** False makes it leave the rest of what has come in. */
    _loop: boolean;
    /** A message with more bytes ends the connection. */
    _maxPayload: number;
  };
};

interface Emitter<Events extends { [Name in keyof Events]: unknown[] }> {
  on<Name extends keyof Events>(event: Name, listener: (this: this, ...given: Events[Name]) => void): this;
  once<Name extends keyof Events>(event: Name, listener: (this: this, ...given: Events[Name]) => void): this;
  off<Name extends keyof Events>(event: Name, listener: (...given: Events[Name]) => void): this;
  listeners<Name extends keyof Events>(event: Name): ((...given: Events[Name]) => void)[];
}

export type Engine = Insides["engine.io Server"] & Emitter<Insides["engine.io Server event"]> & { close(): void };
export type EngineRequest = IncomingMessage & Insides["engine.io request"];
export type StandIn = Insides["engine.io WebSocketResponse"];
export type Connection = Insides["engine.io Socket"] & Emitter<Insides["engine.io Socket event"]> & { close(): void };
export type Transport = Insides["engine.io Transport"] &
  Emitter<Insides["engine.io Transport event"]> &
  Partial<Insides["engine.io WebSocket"]> &
  Partial<Insides["engine.io Polling"]>;
/** With what ws documents. */
type Websocket = Insides["ws WebSocket"] &
  Emitter<{ ping: [] }> & { readonly bufferedAmount: number; terminate(): void };

export type Packet = { type: string; data?: string | Buffer; options?: PacketOptions };
/** On a websocket ws sends these buffers as they are, and nobody looks at the packet's text. */
export type PacketOptions = { preEncoded?: boolean; wsPreEncodedFrame?: Buffer[] };
/** For a client that polls Engine.IO makes `"4" + text`, when the poll comes. */
export type Text = string | { toString(): string };

export const engineOf = ({ engine }: Server) => engine as unknown as Engine;
export const adapterOf = ({ sockets }: Server) => sockets.adapter as Insides["socket.io Adapter"] & EventEmitter;
export const connectionOf = ({ conn }: Pick<Socket, "conn">) => conn as unknown as Connection;
export const clientOf = ({ client }: Socket) => client as unknown as Insides["socket.io Client"];
