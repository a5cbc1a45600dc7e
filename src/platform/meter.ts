/** Counts the bytes that are in use, beside how many may be. It refuses nothing: its owner decides what happens then. */
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

  /** While nothing is in use there is room for anything: something larger than the total would otherwise never have room. */
  hasRoomFor(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.total;
  }
}
