/** In microseconds, on the clock that all processes of a machine share. Reading it as a bigint each time would be slower. */
const originUs = Number(process.hrtime.bigint() / 1_000n) - Math.round(performance.now() * 1_000);

export const nowUs = (): number => originUs + performance.now() * 1_000;
