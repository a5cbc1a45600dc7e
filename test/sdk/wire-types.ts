// The library has its own types of the wire. `tsc` compares them with the contract, in `npm run check`.
import type * as wire from "../../sdk/src/wire.ts";
import type * as contract from "../../src/contract/models.ts";

/** The same type, without its `readonly`. */
type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };
type IsSame<A, B> =
  (<T>() => T extends Mutable<A> ? 1 : 2) extends <T>() => T extends Mutable<B> ? 1 : 2 ? true : false;

/** A model that isn't the same makes its `true` an error. */
export const same: {
  Staff: IsSame<wire.Staff, contract.Staff>;
  Visitor: IsSame<wire.Visitor, contract.Visitor>;
  Room: IsSame<wire.Room, contract.Room>;
  ChatMessage: IsSame<wire.ChatMessage, contract.ChatMessage>;
  ChatStatus: IsSame<wire.ChatStatus, contract.ChatStatus>;
} = { Staff: true, Visitor: true, Room: true, ChatMessage: true, ChatStatus: true };
