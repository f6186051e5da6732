// The latents of a seed, as the Python package draws them: see rng.py there.

/** Round constants of SHA-256: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const K = (() => {
  /** @type {number[]} */
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime)) primes.push(n);
  return primes.map((prime) => ((Math.cbrt(prime) % 1) * 2 ** 32) >>> 0);
})();
const START = [2, 3, 5, 7, 11, 13, 17, 19].map((prime) => ((Math.sqrt(prime) % 1) * 2 ** 32) >>> 0);

/**
 * @param {number} word
 * @param {number} by
 */
const rotate = (word, by) => (word >>> by) | (word << (32 - by));

/**
 * SHA-256 (FIPS 180-4) of a short text in ASCII, as eight words.
 * @param {string} text
 */
export function sha256(text) {
  const length = ((text.length + 8) >> 6) + 1;
  const words = new Uint32Array(16 * length);
  for (let i = 0; i < text.length; i += 1) words[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i % 4));
  words[text.length >> 2] |= 0x80 << (24 - 8 * (text.length % 4));
  words[words.length - 1] = 8 * text.length;
  const hash = Uint32Array.from(START);
  for (let block = 0; block < words.length; block += 16) compress(hash, words.subarray(block, block + 16));
  return hash;
}

/**
 * @param {Uint32Array} hash
 * @param {Uint32Array} block
 */
function compress(hash, block) {
  const w = new Uint32Array(64);
  w.set(block);
  for (let i = 16; i < 64; i += 1) {
    const a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
    const b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  let [a, b, c, d, e, f, g, h] = hash;
  for (let i = 0; i < 64; i += 1) {
    const choice = (e & f) ^ (~e & g);
    const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice + K[i] + w[i]) | 0;
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority) | 0;
    [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    hash[i] += word;
  });
}

const N = 624;
const M = 397;

/**
 * The 32-bit generator MT19937 (Matsumoto & Nishimura 1998), seeded with 32 bits.
 * @param {number} seed
 */
export function mersenneTwister(seed) {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i += 1) state[i] = Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1812433253) + i;
  let at = N;
  return () => {
    if (at === N) {
      for (let i = 0; i < N; i += 1) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
        state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at];
    at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/**
 * The lower 32 bits of `derive_seed(seed, "z", index)`: the first 8 bytes of a digest, little-endian, halved.
 * @param {string} seed
 * @param {number} index
 */
function derivedSeed(seed, index) {
  const [first, second] = sha256(`${seed}/z/${index}`);
  /** @param {number} word */
  const reversed = (word) => ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
  return ((reversed(first) >>> 1) | (reversed(second) << 31)) >>> 0;
}

/**
 * Write 16 normal numbers from 16 uniform ones, by the method of Box & Muller (1958).
 * @param {() => number} random
 * @param {Float32Array} z
 * @param {number} start
 */
function sixteen(random, z, start) {
  const uniform = Array.from({ length: 16 }, () => (random() & 0xffffff) / 2 ** 24);
  for (let j = 0; j < 8; j += 1) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform[j]));
    const angle = 2 * Math.PI * uniform[j + 8];
    z[start + j] = radius * Math.cos(angle);
    z[start + j + 8] = radius * Math.sin(angle);
  }
}

/**
 * Two normal numbers from 53-bit uniform ones, as torch draws fewer than 16.
 * @param {() => number} random
 */
function two(random) {
  const uniform = () => {
    const high = random() & 0x1fffff;
    return (high * 2 ** 32 + random()) / 2 ** 53;
  };
  const angle = 2 * Math.PI * uniform();
  const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/**
 * z of image `index` of a seed: `size` standard normal numbers, those of torch up to the rounding of float32.
 * @param {string} seed
 * @param {number} index
 * @param {number} size
 */
export function latent(seed, index, size) {
  const random = mersenneTwister(derivedSeed(seed, index));
  const z = new Float32Array(size);
  if (size < 16) {
    for (let i = 0; i < size; i += 2) z.set(two(random).slice(0, size - i), i);
    return z;
  }
  const whole = size - (size % 16);
  for (let i = 0; i < whole; i += 16) sixteen(random, z, i);
  if (whole < size) {
    for (let i = whole; i < size; i += 1) random(); // torch draws them, and draws the last 16 again
    sixteen(random, z, size - 16);
  }
  return z;
}
