// Randomness that a seed repeats (mulberry32).

export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const choose = (random, list) => list[Math.floor(random() * list.length)];

/// `count` different ones, in the order of their drawing.
export function draw(random, list, count) {
  const rest = [...list];
  return Array.from({ length: Math.min(count, list.length) }, () => rest.splice(Math.floor(random() * rest.length), 1)[0]);
}
