/** As much of it as the tests use: that version came without types. */
declare module "socket.io-client-v2" {
  type Socket = {
    // biome-ignore lint/suspicious/noExplicitAny: listeners of any arguments
    on(event: string, listener: (...args: any[]) => void): void;
    emit(event: string, ...args: unknown[]): void;
    close(): void;
  };
  export default function io(url: string, options: Record<string, unknown>): Socket;
}
