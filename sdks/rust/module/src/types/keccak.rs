//! Keccak-256, for hashes of contents that other programs compute as well.
//!
//! Written for size, like the other hash here.

const LANES: usize = 25;
/// How many bytes each turn takes in: the state without twice the hash.
const RATE: usize = 136;
const ROUNDS: usize = 24;

/// The step that takes each lane to its place, beginning with lane 1, and by how much it turns.
const MOVES: [(usize, u32); LANES - 1] = moves();

/// What each round adds to the first lane.
const ROUND_CONSTANTS: [u64; ROUNDS] = round_constants();

/// The lane at (x, y) goes to (y, 2x + 3y), turned by the triangular numbers one after the other.
const fn moves() -> [(usize, u32); LANES - 1] {
    let mut moves = [(0, 0); LANES - 1];
    let (mut x, mut y) = (1, 0);
    let mut step = 0;
    let mut turn = 0;
    while step < LANES - 1 {
        (x, y) = (y, (2 * x + 3 * y) % 5);
        turn += step as u32 + 1;
        moves[step] = (x + 5 * y, turn % 64);
        step += 1;
    }
    moves
}

/// Bits from a shift register, at the places 0, 1, 3, 7, 15, 31 and 63.
const fn round_constants() -> [u64; ROUNDS] {
    let mut constants = [0; ROUNDS];
    let mut register = 1u8;
    let mut round = 0;
    while round < ROUNDS {
        let mut power = 0;
        while power < 7 {
            if register & 1 == 1 {
                constants[round] |= 1 << ((1u32 << power) - 1);
            }
            let carry = register >> 7;
            register = (register << 1) ^ (carry * 0x71);
            power += 1;
        }
        round += 1;
    }
    constants
}

/// The permutation.
fn permute(state: &mut [u64; LANES]) {
    for constant in ROUND_CONSTANTS {
        let mut columns = [0; 5];
        for (place, lane) in state.iter().enumerate() {
            columns[place % 5] ^= lane;
        }
        for (place, lane) in state.iter_mut().enumerate() {
            *lane ^= columns[(place + 4) % 5] ^ columns[(place + 1) % 5].rotate_left(1);
        }
        let mut moved = state[1];
        for (place, turn) in MOVES {
            moved = std::mem::replace(&mut state[place], moved.rotate_left(turn));
        }
        for row in state.as_chunks_mut::<5>().0 {
            let old = *row;
            for (x, lane) in row.iter_mut().enumerate() {
                *lane ^= !old[(x + 1) % 5] & old[(x + 2) % 5];
            }
        }
        state[0] ^= constant;
    }
}

fn absorb(state: &mut [u64; LANES], block: &[u8; RATE]) {
    for (lane, bytes) in state.iter_mut().zip(block.as_chunks().0) {
        *lane ^= u64::from_le_bytes(*bytes);
    }
    permute(state);
}

/// The hash of some bytes.
pub(super) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut state = [0; LANES];
    let (blocks, rest) = bytes.as_chunks::<RATE>();
    for block in blocks {
        absorb(&mut state, block);
    }
    let mut last = [0; RATE];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] ^= 1;
    last[RATE - 1] ^= 0x80;
    absorb(&mut state, &last);
    let mut out = [0; 32];
    for (bytes, lane) in out.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *bytes = lane.to_le_bytes();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::keccak256;
    use crate::types::HexString;

    fn check(bytes: &[u8], hex: &str) {
        assert_eq!(
            HexString::new(keccak256(bytes)).as_str(),
            hex,
            "{} bytes",
            bytes.len()
        );
    }

    #[test]
    fn known_hashes() {
        check(
            b"",
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
        );
        check(
            b"abc",
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
        );
    }
}
