let turn = 0;
let isCounting = false;

/** Numbers the turns of the event loop in which it is called. Within one turn, no client can have read anything. */
export function currentTurn(): number {
  if (!isCounting) {
    isCounting = true;
    setImmediate(() => {
      isCounting = false;
      turn++;
    });
  }
  return turn;
}
