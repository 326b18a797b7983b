//! BLAKE3, for the identity that follows from a token's claims.
//!
//! Only the plain hash, written for size: a module that derives identities hashes a hundred bytes.
//! A tested crate would bring a build script and code for processors that a module never runs on.

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const CHUNK_BYTES: usize = 1024;
const BLOCK_BYTES: usize = 64;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

/// Where each word of a block goes in the next round.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/// The words that each of a round's eight steps mixes: the columns, then the diagonals.
const STEPS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// One call of the compression function.
struct Node {
    chaining: [u32; 8],
    block: [u32; 16],
    counter: u64,
    block_len: u32,
    flags: u32,
}

impl Node {
    fn compress(&self, flags: u32) -> [u32; 8] {
        let [low, high] = [self.counter & 0xffff_ffff, self.counter >> 32]
            .map(|half| u32::try_from(half).unwrap_or(0));
        let mut state = [0; 16];
        state[..8].copy_from_slice(&self.chaining);
        state[8..12].copy_from_slice(&INITIAL[..4]);
        state[12..].copy_from_slice(&[low, high, self.block_len, self.flags | flags]);
        let mut block = self.block;
        for _ in 0..7 {
            for (step, words) in STEPS.into_iter().zip(block.as_chunks::<2>().0) {
                mix(&mut state, step, *words);
            }
            block = PERMUTATION.map(|place| block[place]);
        }
        std::array::from_fn(|word| state[word] ^ state[word + 8])
    }

    fn chaining_value(&self) -> [u32; 8] {
        self.compress(0)
    }
}

fn mix(state: &mut [u32; 16], [a, b, c, d]: [usize; 4], [x, y]: [u32; 2]) {
    for (word, [turn_d, turn_b]) in [(x, [16, 12]), (y, [8, 7])] {
        state[a] = state[a].wrapping_add(state[b]).wrapping_add(word);
        state[d] = (state[d] ^ state[a]).rotate_right(turn_d);
        state[c] = state[c].wrapping_add(state[d]);
        state[b] = (state[b] ^ state[c]).rotate_right(turn_b);
    }
}

/// The last block of a chunk, with all blocks before it compressed.
fn chunk(bytes: &[u8], counter: u64) -> Node {
    let mut chaining = INITIAL;
    let mut rest = bytes;
    let mut flags = CHUNK_START;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK_BYTES));
        let mut padded = [0; BLOCK_BYTES];
        padded[..block.len()].copy_from_slice(block);
        let words = padded.as_chunks::<4>().0;
        let node = Node {
            chaining,
            block: std::array::from_fn(|word| u32::from_le_bytes(words[word])),
            counter,
            block_len: u32::try_from(block.len()).unwrap_or(0),
            flags,
        };
        if after.is_empty() {
            return Node {
                flags: node.flags | CHUNK_END,
                ..node
            };
        }
        chaining = node.chaining_value();
        flags = 0;
        rest = after;
    }
}

/// The root of the tree over some chunks. A tree of n chunks is log n deep.
fn tree(bytes: &[u8], counter: u64) -> Node {
    if bytes.len() <= CHUNK_BYTES {
        return chunk(bytes, counter);
    }
    let chunks_before_last = (bytes.len() - 1) / CHUNK_BYTES;
    let left_chunks = 1 << chunks_before_last.ilog2();
    let (left, right) = bytes.split_at(left_chunks * CHUNK_BYTES);
    let right_counter = counter + u64::try_from(left_chunks).unwrap_or(0);
    let mut block = [0; 16];
    block[..8].copy_from_slice(&tree(left, counter).chaining_value());
    block[8..].copy_from_slice(&tree(right, right_counter).chaining_value());
    Node {
        chaining: INITIAL,
        block,
        counter: 0,
        block_len: 64,
        flags: PARENT,
    }
}

/// The hash of some bytes.
pub(crate) fn blake3(bytes: &[u8]) -> [u8; 32] {
    let words = tree(bytes, 0).compress(ROOT);
    let mut out = [0; 32];
    for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_the_reference_at_every_border() {
        let bytes: Vec<u8> = (0..20_000u32).map(|n| (n % 251) as u8).collect();
        let lengths = [
            0, 1, 63, 64, 65, 127, 128, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 3073, 4096, 4097,
            5120, 8192, 8193, 16_384, 19_999,
        ];
        for len in lengths {
            let expected = *blake3::hash(&bytes[..len]).as_bytes();
            assert_eq!(super::blake3(&bytes[..len]), expected, "{len} bytes");
        }
    }
}
