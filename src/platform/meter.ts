/** Counts used bytes against a total. It refuses nothing: the caller decides. */
export class Meter {
  readonly total: number;
  #used = 0;

  constructor(total: number) {
    this.total = total;
  }

  add(bytes: number): void {
    this.#used += bytes;
  }

  remove(bytes: number): void {
    this.#used -= bytes;
  }

  used(): number {
    return this.#used;
  }

  /** An empty meter has room for any size. Otherwise an item larger than the total would never have room. */
  hasRoomFor(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.total;
  }
}
